"""Objects below a URL: whole ones and ranges, many at a time, asked for again where a request fails."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from headrace.corpus.raw_file import connect
from headrace.errors import HeadraceError, InputError, StoreError

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.2

T = TypeVar("T")
Range = tuple[str, int, int]
"""Name of an object, first byte, byte after the last."""


class Objects:
    """What lies below a URL of an object store. Safe to share between threads.

    Connects when something is asked for, so that it can be made before a process forks.
    """

    def __init__(self, url: str, storage: dict[str, str | bool]) -> None:
        self.url, self._storage = url, storage
        self._store: Any = None

    def read(self, name: str) -> bytes:
        """A whole object. Raises InputError if it is not there or cannot be read."""
        return self._patiently(f"{self.url}/{name}", lambda: bytes(self._connected().cat_file(f"{self.url}/{name}")))

    def fetch(self, name: str, path: Path) -> None:
        """Writes a whole object to a file. Raises as `read` does."""
        self._patiently(f"{self.url}/{name}", lambda: self._connected().get_file(f"{self.url}/{name}", str(path)))

    def read_ranges(self, ranges: Sequence[Range]) -> list[bytes]:
        """All of these ranges, asked for together. Raises InputError if one is not there, StoreError after ATTEMPTS."""
        names = [f"{self.url}/{name}" for name, _, _ in ranges]
        starts, ends = [start for _, start, _ in ranges], [end for _, _, end in ranges]

        def read() -> list[bytes]:
            found = self._connected().cat_ranges(names, starts, ends, on_error="return")
            for one in found:
                if isinstance(one, Exception):
                    raise one
            return [bytes(one) for one in found]

        return self._patiently(names[0], read)

    def _connected(self) -> Any:
        if self._store is None:
            self._store = connect(self.url.partition("://")[0], dict(self._storage))
        return self._store

    def _patiently(self, name: str, read: Callable[[], T]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                return read()
            except (FileNotFoundError, PermissionError) as error:
                raise InputError(f"{name}: cannot be read ({type(error).__name__}: {error}).") from error
            except HeadraceError:
                raise
            except Exception as error:  # each driver has its own tree of errors
                if attempt == ATTEMPTS - 1:
                    raise StoreError(
                        f"{name}: cannot be read after {ATTEMPTS} attempts ({type(error).__name__}: {error}). "
                        "Check the network and run again: it continues."
                    ) from error
                time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")
