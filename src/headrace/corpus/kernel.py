"""How compiled functions are declared on this floor.

Kernels are written in the part of Python that numba compiles, work on the bytes of a batch (`texts.Texts`), and have
a slow plain-Python oracle in the tests. They are compiled on first use after installation, seconds each, and kept on
disk for every process after: in numba's cache folder if one is configured, else in the user's.
numba looks only at a kernel's own file to see whether it has changed, but kernels of other files are compiled into it.
So the folder is named by all of their sources: any change of any kernel begins an empty one.
"""

import errno
import os
import shutil
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import xxhash

from headrace.corpus.arrays import user_cache_folder
from headrace.corpus.compiled_function import InnerFunction, OuterFunction, PartFunction

F = TypeVar("F", bound=Callable[..., object])

MONTH_SECONDS = 30 * 24 * 3600

MARK = b"kernel"
"""What a file speaks of that kernels, or constants in them, are made of."""

WITHOUT_COUNTING: Any = {"_nrt": False}
"""numba's option, which its documentation leaves out, not to count references."""


def kernel(function: F) -> F:
    """The function compiled: cached, without the interpreter lock, wrapping integers, IEEE division."""
    return _cached(OuterFunction, function, {})


def lean_kernel(function: F) -> F:
    """A kernel over small pieces of text, which does not count references.

    numba counts, with atomic instructions, how often an array is held whenever it is passed on, and such kernels pass a
    dozen arrays on for every line: that took two thirds of their time, and their compiling three times as long. So they
    must not make arrays, and return none; whoever calls them from Python holds all of them.
    """
    return _cached(OuterFunction, function, WITHOUT_COUNTING)


def inner_kernel(function: F) -> F:
    """A lean kernel that kernels alone call: without what Python needs to call it, it compiles faster."""
    return function if numba.config.DISABLE_JIT else cast(F, InnerFunction(function, WITHOUT_COUNTING))


def part_kernel(function: F) -> F:
    """An inner kernel so large that another process may well compile it meanwhile; kept by itself."""
    return _cached(PartFunction, function, WITHOUT_COUNTING)


def compile_part(part: Callable[..., object], *arguments: object) -> None:
    """Compiles a part kernel for arguments of the types of these, without calling it."""
    if not numba.config.DISABLE_JIT:
        cast(Any, part).compile(tuple(map(numba.typeof, arguments)))


def _cached(kind: type[OuterFunction | PartFunction], function: F, options: dict[str, bool]) -> F:
    if numba.config.DISABLE_JIT:
        return function
    compiled = kind(function, options)
    folder, configured = cache_folder(), numba.config.CACHE_DIR
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)
        try:
            compiled.enable_caching()
        finally:
            numba.config.CACHE_DIR = configured
    return cast(F, compiled)


@cache
def cache_folder() -> Path | None:
    """Where compiled kernels lie. None, after a warning, if nothing can be written there: they are compiled anew."""
    folder = Path(numba.config.CACHE_DIR or user_cache_folder()) / f"kernels-{digest_sources()}"
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _forget_old(folder.parent)
        if not os.access(folder, os.W_OK):  # numba would not even look at what is kept there
            raise PermissionError(errno.EACCES, "it cannot be written to")
    except OSError as error:
        warnings.warn(
            f"{folder}: cannot be used ({error.strerror}), so kernels are compiled anew in every process, which takes "
            "seconds. Set NUMBA_CACHE_DIR to a folder that can be written.",
            stacklevel=2,
        )
        return None
    return folder


def _forget_old(folder: Path) -> None:
    """Removes kernels of other versions that nobody has compiled anything into for a month."""
    for old in folder.glob("kernels-*"):
        if time.time() - old.stat().st_mtime > MONTH_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


@cache
def digest_sources() -> str:
    """One digest of all files that kernels are made of, which names what is kept of them; takes about 10 ms."""
    hasher = xxhash.xxh3_64()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):  # of all floors
        source = path.read_bytes()
        if MARK in source:
            hasher.update(source)
    return hasher.hexdigest()
