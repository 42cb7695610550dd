"""Checksums of the blocks of a file, so that a part of it that was fetched alone can be told from a damaged one.

`NAME.bin.sums` holds xxh3-64 of every BLOCK_BYTES of `NAME.bin`, the last block being shorter, as little-endian u64.
"""

from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 16
"""What is fetched at once. A document has a few thousand bytes, and rows are drawn from everywhere: larger blocks bring
more that nobody asked for, smaller ones more requests until all of a store is there."""


def sums_path(path: Path) -> Path:
    """Where the sums of a file lie."""
    return path.with_name(f"{path.name}.sums")


def block_sum(block: bytes | memoryview) -> int:
    """The sum of a block, as an unsigned number of 64 bits."""
    return xxhash.xxh3_64_intdigest(block)


def write_sums(path: Path) -> None:
    """Writes the sums of a finished file beside it."""
    with path.open("rb") as file:
        sums = [block_sum(block) for block in iter(lambda: file.read(BLOCK_BYTES), b"")]
    np.array(sums, "<u8").tofile(sums_path(path))


def read_sums(path: Path) -> NDArray[np.uint64]:
    """The sums of `path`, which need not be there itself. Memory-mapped: 128 MB of them stand for a TB."""
    sums = sums_path(path)
    return np.asarray(np.memmap(sums, "<u8", mode="r")) if sums.stat().st_size else np.empty(0, np.uint64)
