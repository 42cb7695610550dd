"""A file of a source, on a disk or in an object store: opened at any byte, with its size and its version.

Object stores are reached through fsspec. Each scheme that may be written is listed here; what is not listed (http, ftp,
ssh, chains such as `simplecache::`) is refused, because a recipe must not make the machine that runs it call addresses.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from headrace.errors import InputError, RecipeError

DRIVERS = {
    "s3": "pip install 'headrace[s3]'",
    "s3a": "pip install 'headrace[s3]'",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
    "abfs": "pip install adlfs",
    "az": "pip install adlfs",
    "hdfs": "install Hadoop's client libraries",
    "memory": "pip install fsspec",
}
"""Schemes that may be written -> how to get what reads them."""

READ_AHEAD_BYTES = 8_000_000
"""One request to an object store brings this much: at 100 ms a request, 80 MB/s for one reader."""

VERSION_KEYS = ("ETag", "etag", "md5Hash", "crc32c", "generation", "LastModified", "last_modified", "mtime", "created")
"""Where drivers say which version of an object it is; the first one present counts."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a store said about an object when it was listed."""

    size_bytes: int
    version: str
    """Differs if the bytes differ: the ETag, where the store has one."""
    options: str
    """The driver's options as JSON: hashable, and it survives pickling."""


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of a source."""

    address: str
    """Absolute path on this machine; URL in an object store."""
    name: str
    """What users see and identities are made from: the path relative to the recipe's folder, or the URL."""
    stored: StoredObject | None = None
    """None for a file on this machine."""

    @property
    def path(self) -> Path:
        """Where a file on this machine lies."""
        assert self.stored is None, f"{self.name} is in an object store"
        return Path(self.address)

    @property
    def size_bytes(self) -> int:
        """Bytes as they lie there, compressed or not. Raises InputError if the file is gone."""
        if self.stored is not None:
            return self.stored.size_bytes
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read ({error}).") from error

    @property
    def version(self) -> list[int | str]:
        """Changes when the file does, and costs no reading: size, time and inode, or what the store says."""
        if self.stored is not None:
            return [self.stored.size_bytes, self.stored.version]
        status = self.path.stat()
        return [status.st_size, status.st_mtime_ns, status.st_ino]

    def open(self, start: int = 0) -> BinaryIO:
        """A stream that begins at byte `start` and can seek. Raises OSError, also if the object has changed."""
        stream = self._open_object(self.stored) if self.stored is not None else self.path.open("rb")
        if start:
            stream.seek(start)
        return stream

    def _open_object(self, stored: StoredObject) -> BinaryIO:
        scheme, _, _ = self.address.partition("://")
        store = connect(scheme, orjson.loads(stored.options))
        try:
            stream = store.open(self.address, "rb", block_size=READ_AHEAD_BYTES, cache_type="readahead")
        except Exception as error:  # each driver has its own tree of errors
            raise OSError(f"{type(error).__name__}: {error}") from error
        details = getattr(stream, "details", None)
        if isinstance(details, dict) and version_of(details) != stored.version:
            stream.close()
            raise OSError("it has changed since it was listed")
        return cast(BinaryIO, _Stream(stream))


class _Stream(io.RawIOBase):
    """A store's stream whose errors are all OSErrors, so that a reader knows them for what they are."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except OSError:
            raise
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()


def connect(scheme: str, options: dict[str, Any]) -> Any:
    """The fsspec file system of a scheme. Raises RecipeError if it may not be written or its driver is missing."""
    if scheme not in DRIVERS:
        raise RecipeError(
            f"{scheme}:// is not read: headrace reads local files and {', '.join(DRIVERS)}. For web addresses, "
            "fetch the files first (`curl -O`, `wget --mirror`), so that a run can be repeated, and write their folder."
        )
    try:
        import fsspec

        return fsspec.filesystem(scheme, **options)
    except ImportError as error:
        raise RecipeError(f"{scheme}:// needs a driver that is not installed ({error}): {DRIVERS[scheme]}.") from error


def version_of(details: dict[str, Any]) -> str:
    """The version of an object in what a driver says about it."""
    return next((str(details[key]) for key in VERSION_KEYS if details.get(key)), str(details.get("size")))
