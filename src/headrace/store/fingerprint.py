"""What a raw input is: the digest of its bytes, remembered by size and time of change.

Digests are 128-bit xxHash3 (tens of GB/s; it finds accidents, it is no defence against a forger), and a file whose
size and modification time are as remembered is not read again: that is what lets a finished run over 500 GB answer at
once.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import xxhash

from headrace.store.durable import write_file

READ_BYTES = 1 << 22


def digest_file(path: Path) -> str:
    """The xxHash3-128 of a file's bytes, in hex."""
    hasher = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            hasher.update(block)
    return hasher.hexdigest()


def fingerprint_files(paths: Sequence[Path], *, memory: Path) -> list[str]:
    """One digest per path, in order; `memory` is a JSON file where digests are kept from run to run.

    Not thread safe towards other writers of `memory`: the last one wins, which costs a re-read and nothing else.
    """
    known, unread = _remembered(memory), unread_files(paths, memory=memory)
    stamps = [_stamp(path) for path in unread]  # before reading: a file that changes meanwhile is read again next time
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path, stamp, digest in zip(unread, stamps, pool.map(digest_file, unread), strict=True):
            known[_key(path)] = [*stamp, digest]
    if unread:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_file(memory, orjson.dumps(known))
    return [str(known[_key(path)][-1]) for path in paths]


def unread_files(paths: Sequence[Path], *, memory: Path) -> list[Path]:
    """The paths that `fingerprint_files` would have to read."""
    known = _remembered(memory)
    return [path for path in paths if known.get(_key(path), [None])[:-1] != _stamp(path)]


def _remembered(memory: Path) -> dict[str, list[int | str]]:
    """What earlier runs wrote down; nothing if that is damaged, since it can all be read again."""
    try:
        return dict(orjson.loads(memory.read_bytes()))
    except (FileNotFoundError, ValueError):
        return {}


def _key(path: Path) -> str:
    """The absolute path as text that JSON can hold, whatever bytes the name is made of."""
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "backslashreplace")


def _stamp(path: Path) -> list[int | str]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
