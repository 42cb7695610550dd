"""Says when kernels are compiled, wherever that happens: who waits for it wants to know that it is only once."""

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.trace import event

NAME = "compiling"
"""Of the event."""

_told: set[str] = set()
_is_known = False


def tell(kernels: str) -> None:
    """Records that kernels of a name are being compiled: once in a process, and not while `told` says it of more."""
    if not _is_known and kernels not in _told:
        _told.add(kernels)
        event(NAME, kernels=kernels)


@contextmanager
def told(kernels: str) -> Iterator[None]:
    """Records it now, for whatever is compiled during the block."""
    global _is_known
    event(NAME, kernels=kernels)
    before, _is_known = _is_known, True
    try:
        yield
    finally:
        _is_known = before
