"""Instructions for kernels that numba has no words for: 64 bytes looked at in one, the bits of a number.

What reads several bytes reads them even where they lie behind the end of the array: whoever calls has room there.
"""

# ruff: noqa: ARG001 -- numba calls with the types of all arguments, of which most are known
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

EIGHT, SIXTY_FOUR = ir.IntType(64), ir.VectorType(ir.IntType(8), 64)
NOTHING = ir.Constant(SIXTY_FOUR, [0] * 64)


def _load(ctx: Any, builder: Any, signature: Any, arguments: Any, *, kind: ir.Type) -> Any:
    """What lies at a place in an array of bytes, aligned or not."""
    array = ctx.make_array(signature.args[0])(ctx, builder, arguments[0])
    place = builder.gep(array.data, [arguments[1]])
    return builder.load(builder.bitcast(place, kind.as_pointer()), align=1)


def _eight_at(ctx: Any, array: Any, index: Any) -> Any:
    """Eight bytes from a place on as one number, the first byte in its lowest bits."""

    def generate(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load(ctx, builder, signature, arguments, kind=EIGHT)

    return types.uint64(array, types.uint64), generate


def _marked_at(ctx: Any, array: Any, index: Any, wanted: Any) -> Any:
    """Which of 64 bytes from a place on have some of the wanted bits: a bit for each, that of the first the lowest."""

    def generate(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = _load(ctx, builder, signature, arguments, kind=SIXTY_FOUR)
        found = builder.icmp_unsigned("!=", builder.and_(loaded, _every(builder, arguments[2])), NOTHING)
        return builder.bitcast(found, EIGHT)

    return types.uint64(array, types.uint64, types.uint8), generate


def _between_at(ctx: Any, array: Any, index: Any, first: Any, number: Any) -> Any:
    """Which of 64 bytes from a place on are one of so many values from the first on, as `marked_at` says it."""

    def generate(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = _load(ctx, builder, signature, arguments, kind=SIXTY_FOUR)
        shifted = builder.sub(loaded, _every(builder, arguments[2]))
        return builder.bitcast(builder.icmp_unsigned("<", shifted, _every(builder, arguments[3])), EIGHT)

    return types.uint64(array, types.uint64, types.uint8, types.uint8), generate


def _every(builder: Any, value: Any) -> Any:
    """The byte 64 times."""
    single = builder.insert_element(ir.Constant(SIXTY_FOUR, ir.Undefined), value, cgutils.int32_t(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(cgutils.int32_t, 64), [0] * 64))


def _first_one(ctx: Any, number: Any) -> Any:
    """The place of the lowest bit that is set in a number that is not 0."""

    def generate(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


def _count_ones(ctx: Any, number: Any) -> Any:
    """How many bits are set in a number."""

    def generate(ctx: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


eight_at = cast(Callable[[np.ndarray, np.uint64], np.uint64], intrinsic(_eight_at))
marked_at = cast(Callable[[np.ndarray, np.uint64, np.uint8], np.uint64], intrinsic(_marked_at))
between_at = cast(Callable[[np.ndarray, np.uint64, np.uint8, np.uint8], np.uint64], intrinsic(_between_at))
first_one = cast(Callable[[np.uint64], np.uint64], intrinsic(_first_one))
count_ones = cast(Callable[[np.uint64], np.uint64], intrinsic(_count_ones))
