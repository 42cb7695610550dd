"""How kernels over small pieces of text are declared: as `headrace.corpus.kernel.kernel`, without counting references.

numba counts, with atomic instructions, how often an array is held whenever it is passed on, and these kernels pass a
dozen
arrays on for every line: that took two thirds of their time, and their compiling three times as long. So they must
not make
arrays, and return none; whoever calls them from Python holds all of them.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

WITHOUT_COUNTING: Any = {"_nrt": False}
"""numba's option for it, which its documentation leaves out."""

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """The function compiled: cached, without the interpreter lock, wrapping integers, IEEE division."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy", **WITHOUT_COUNTING)(function))
