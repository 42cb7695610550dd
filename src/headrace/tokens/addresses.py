"""Memory at an address, for kernels: what lies in mapped files is read without telling numba of every file."""
# ruff: noqa: ARG001  (numba calls these with arguments that they do not all need)

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def load_i64(typing_context, address):  # type: ignore[no-untyped-def]  # the form that numba wants
    """The 64-bit integer at an address, aligned or not."""

    def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), align=1)

    return types.int64(types.int64), _generate


@intrinsic
def load_i32(typing_context, address):  # type: ignore[no-untyped-def]
    """The 32-bit integer at an address, aligned or not."""

    def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()), align=1)

    return types.int32(types.int64), _generate


@intrinsic
def pointer(typing_context, address):  # type: ignore[no-untyped-def]
    """The address as what `carray` takes."""

    def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), _generate


@intrinsic
def prefetch(typing_context, address):  # type: ignore[no-untyped-def]
    """Asks the processor to bring a cache line; one that is not there costs nothing."""

    def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        wanted = ir.FunctionType(ir.VoidType(), [place, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, wanted, "llvm.prefetch.p0")
        builder.call(function, [builder.inttoptr(arguments[0], place), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(types.int64), _generate
