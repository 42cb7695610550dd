"""Bytes of the token files of a remote store: from blocks on this machine, the missing ones fetched together."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headrace.errors import StoreError
from headrace.tokens.block_sums import BLOCK_BYTES, block_sum, read_sums
from headrace.tokens.remote.block_cache import BlockCache
from headrace.tokens.remote.objects import Objects
from headrace.tokens.remote.source import RemoteSource

FETCH_AGAIN = 2
"""How often a block is fetched again whose sum is wrong."""

Piece = tuple[int, int, int]
"""Number of a file, first byte, byte after the last."""


class RemoteReader:
    """Reads parts of the token files of one split. Safe to share between threads."""

    def __init__(self, source: RemoteSource, files: Sequence[Path], sizes: Sequence[int | None]) -> None:
        """files: where the token files would lie on this machine; beside them lie their sums. sizes: their bytes, None
        for a file that does not exist and is never asked for.

        Raises StoreError if a file's sums do not cover it.
        """
        self._objects = Objects(source.url, source.storage)
        self._cache = BlockCache(source.cache_path, source.cache_bytes)
        self._folder, self._names, self._sizes = (
            source.name,
            [file.name for file in files],
            [size or 0 for size in sizes],
        )
        self._sums = [
            np.empty(0, np.uint64) if size is None else read_sums(file) for file, size in zip(files, sizes, strict=True)
        ]
        for name, size, sums in zip(self._names, self._sizes, self._sums, strict=True):
            if len(sums) != -(-size // BLOCK_BYTES):
                raise StoreError(
                    f"{source.url}/{name}: its sums are of {len(sums):,} blocks, its index of another size."
                )

    def read(self, pieces: Iterable[Piece]) -> list[NDArray[np.uint8]]:
        """The bytes of each piece."""
        listed = list(pieces)
        wanted = {
            (file, block)
            for file, start, end in listed
            if end > start
            for block in range(start // BLOCK_BYTES, -(-end // BLOCK_BYTES))
        }
        blocks = self._bring(sorted(wanted))
        return [np.frombuffer(self._cut(blocks, *piece), np.uint8) for piece in listed]

    def _cut(self, blocks: dict[tuple[int, int], bytes], file: int, start: int, end: int) -> bytes:
        first, after = start // BLOCK_BYTES, -(-end // BLOCK_BYTES)
        inside = start - first * BLOCK_BYTES
        joined = b"".join(blocks[file, block] for block in range(first, after)) if end > start else b""
        return joined[inside : inside + end - start]

    def _bring(self, wanted: list[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """All of these blocks, by (file, number)."""
        found = {key: self._cache.take(self._block_name(*key), int(self._sums[key[0]][key[1]])) for key in wanted}
        blocks = {key: block for key, block in found.items() if block is not None}
        if missing := [key for key in wanted if key not in blocks]:
            fetched = self._fetch(missing)
            self._cache.put({self._block_name(*key): block for key, block in fetched.items()})
            blocks |= fetched
        return blocks

    def _fetch(self, missing: list[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        whole: dict[tuple[int, int], bytes] = {}
        left = missing
        for _ in range(1 + FETCH_AGAIN):
            fetched = self._objects.read_ranges([self._range(*key) for key in left])
            pairs = zip(left, fetched, strict=True)
            whole |= {key: block for key, block in pairs if block_sum(block) == self._sums[key[0]][key[1]]}
            if not (left := [key for key in left if key not in whole]):
                return whole
        name, start, end = self._range(*left[0])
        raise StoreError(
            f"{self._objects.url}/{name}: bytes {start:,} to {end:,} are not those published. Upload the store again."
        )

    def _range(self, file: int, block: int) -> tuple[str, int, int]:
        start = block * BLOCK_BYTES
        return self._names[file], start, min(self._sizes[file], start + BLOCK_BYTES)

    def _block_name(self, file: int, block: int) -> str:
        return f"{self._folder}/{self._names[file]}/{block:08d}"
