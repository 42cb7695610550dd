"""Blocks of remote files on this machine's disk, of bounded size, shared by any number of processes.

A block is a file `<store>/<file>/<number>`, written under one lock for all who share the folder, under which room is
made for it first: those least recently used go. So all blocks together never take more than they may. Locks are the
kernel's, and go with their holder. Blocks are not synced to the disk: what a power cut makes of one is found when it is
looked at, because whoever takes a block checks its sum.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.store.lock import hold
from headrace.tokens.block_sums import block_sum

ROOM_SHARE = 0.1
"""Of the limit that is made free at once, so that not every new block looks through all that are there."""
LOCK, USED = ".lock", ".used"
TEMPORARY = ".new"
USED_BYTES = struct.Struct("<q")


@dataclass(frozen=True)
class BlockCache:
    """A folder of blocks. Names of blocks are relative paths with forward slashes."""

    folder: Path
    limit_bytes: int

    def take(self, name: str, wanted_sum: int) -> bytes | None:
        """A block that is here and whole, marked as used just now; None if it must be fetched."""
        path = self.folder / name
        try:
            block = path.read_bytes()
        except FileNotFoundError:
            return None
        if block_sum(block) != wanted_sum:
            path.unlink(missing_ok=True)
            return None
        with suppress(FileNotFoundError):  # another process may just have made room
            os.utime(path)
        return block

    def put(self, blocks: Mapping[str, bytes]) -> None:
        """Keeps blocks as far as all of them fit; makes room by dropping those that were not used for longest."""
        with hold(self.folder / LOCK, what=f"the blocks in {self.folder}"):
            used = self._read_used()
            for name, block in blocks.items():
                path = self.folder / name
                if len(block) > self.limit_bytes or path.exists():
                    continue
                if used + len(block) > self.limit_bytes:
                    used = self._make_room(len(block))
                path.parent.mkdir(parents=True, exist_ok=True)
                used += len(block)
                self._write_used(used)  # first: whoever is killed between the two leaves room, not debt
                temporary = self.folder / TEMPORARY
                temporary.write_bytes(block)
                temporary.replace(path)

    @property
    def size_bytes(self) -> int:
        """What all blocks take now."""
        return sum(size for _, size, _ in self._blocks())

    def _make_room(self, num_bytes: int) -> int:
        """Drops blocks until so many bytes and a share of the limit are free; returns what is left, counted anew."""
        blocks = sorted(self._blocks())
        used = sum(size for _, size, _ in blocks)
        target = self.limit_bytes - max(num_bytes, int(ROOM_SHARE * self.limit_bytes))
        for _, size, path in blocks:
            if used <= target:
                break
            path.unlink(missing_ok=True)
            used -= size
        return used

    def _blocks(self) -> Iterator[tuple[int, int, Path]]:
        """(last use, bytes, path) of every block."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if not name.startswith("."):
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):
                        status = path.stat()
                        yield status.st_mtime_ns, status.st_size, path

    def _read_used(self) -> int:
        """What was counted last; counted anew by whoever finds no count, or one of a writer that was killed."""
        try:
            return int(USED_BYTES.unpack((self.folder / USED).read_bytes())[0])
        except (FileNotFoundError, struct.error):
            return self.size_bytes

    def _write_used(self, used: int) -> None:
        (self.folder / USED).write_bytes(USED_BYTES.pack(used))
