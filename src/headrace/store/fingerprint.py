"""What a raw input is: the digest of its bytes, remembered by its version.

Digests are 128-bit xxHash3 (tens of GB/s; it finds accidents, it is no defence against a forger), and a file whose
version (size and time of change; what an object store says) is as remembered is not read again: that is what lets a
finished run over 500 GB answer at once. A file that was changed while both were kept (`touch -r`, a flipped bit) goes
unnoticed: `headrace run --reread` forgets what is remembered.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import orjson
import xxhash

from headrace.store.durable import write_file

READ_BYTES = 1 << 22


class RawInput(Protocol):
    """A file, wherever it lies."""

    @property
    def address(self) -> str:
        """Absolute path or URL."""

    @property
    def version(self) -> list[int | str]:
        """Differs if the bytes may differ; cheap to ask for."""

    def open(self) -> BinaryIO:
        """A stream of its bytes."""


Input = TypeVar("Input", bound=RawInput)


def digest_file(path: Path) -> str:
    """The xxHash3-128 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return _digest(stream)


def fingerprint_files(files: Sequence[RawInput], *, memory: Path) -> list[str]:
    """One digest per file, in order; `memory` is a JSON file where digests are kept from run to run.

    Not thread safe towards other writers of `memory`: the last one wins, which costs a re-read and nothing else.
    """
    known, unread = _remembered(memory), unread_files(files, memory=memory)
    stamps = [file.version for file in unread]  # before reading: a file that changes meanwhile is read again next time
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for file, stamp, digest in zip(unread, stamps, pool.map(_digest_input, unread), strict=True):
            known[_key(file)] = [*stamp, digest]
    if unread:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_file(memory, orjson.dumps(known))
    return [str(known[_key(file)][-1]) for file in files]


def unread_files(files: Sequence[Input], *, memory: Path) -> list[Input]:
    """The files that `fingerprint_files` would have to read."""
    known = _remembered(memory)
    return [file for file in files if known.get(_key(file), [None])[:-1] != file.version]


def _digest_input(file: RawInput) -> str:
    with file.open() as stream:
        return _digest(stream)


def _digest(stream: BinaryIO) -> str:
    hasher = xxhash.xxh3_128()
    while block := stream.read(READ_BYTES):
        hasher.update(block)
    return hasher.hexdigest()


def _remembered(memory: Path) -> dict[str, list[int | str]]:
    """What earlier runs wrote down; nothing if that is damaged, since it can all be read again."""
    try:
        return dict(orjson.loads(memory.read_bytes()))
    except (FileNotFoundError, ValueError):
        return {}


def _key(file: RawInput) -> str:
    """The address as text that JSON can hold, whatever bytes a name is made of."""
    return os.fsencode(file.address).decode("utf-8", "backslashreplace")
