"""Locks that the kernel lets go of when their holder dies, so a killed run never blocks the next one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from headrace.errors import BusyError


@contextmanager
def hold(path: Path, *, what: str, wait_seconds: float = -1) -> Iterator[None]:
    """Holds the lock file `path` for the length of the block; a negative wait is for ever.

    Raises BusyError, naming `what`, if it is still held elsewhere after `wait_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise BusyError(
            f"{what}: another headrace process is working here (lock {path}). "
            "Wait until it ends, stop it, or give this run another name."
        ) from None
    try:
        yield
    finally:
        lock.release()
