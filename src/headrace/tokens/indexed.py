"""Megatron-LM indexed datasets: `NAME.bin` holds the ids of all documents end to end, `NAME.idx` says where each
begins.

Layout of `.idx`, little-endian: magic `MMIDIDX\\0\\0`; version u64 = 1; type code u8; number of sequences u64; number
of document bounds u64; lengths i32 each; byte offsets into `.bin` i64 each; document bounds i64 each (0, 1, ..., n
where every document is one sequence, as here). Source: Megatron-LM, megatron/core/datasets/indexed_dataset.py.

Ours beside them: `NAME.bin.sums` (`block_sums.py`) and, where a document teaches only in parts, `NAME.mask`, one byte a
token, 0 for what is not learnt, with sums of its own.
"""

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.errors import StoreError
from headrace.tokens.block_sums import sums_path, write_sums

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQQ")
TYPE_CODES: dict[int, type[np.generic]] = {4: np.int32, 8: np.uint16}
LARGEST_SHORT_VOCABULARY = 65_500  # Megatron's own bound for uint16

Tokens = NDArray[np.uint16] | NDArray[np.int32]
Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Shard:
    """One dataset, memory-mapped: opening it reads a header, whatever its size."""

    ids: Tokens
    """Empty, but of the right type, where the ids lie elsewhere."""
    num_tokens: int
    lengths: NDArray[np.int32]
    """Tokens of each document. Not aligned in memory: the header before it has 34 bytes."""
    pointers: NDArray[np.int64]
    """Byte at which each document begins in `.bin`. Not aligned either."""
    mask: Mask | None
    """1 for each token that is learnt; None if all are. Empty where it lies elsewhere."""

    def document(self, number: int) -> Tokens:
        """The ids of one document. A view of the file, not a copy."""
        start = int(self.pointers[number]) // self.ids.itemsize
        return self.ids[start : start + int(self.lengths[number])]


def token_type(vocabulary_size: int) -> type[np.generic]:
    """The narrowest type Megatron reads that holds every id."""
    return np.uint16 if vocabulary_size < LARGEST_SHORT_VOCABULARY else np.int32


def write_indexed(prefix: Path, token_ids: Tokens, lengths: NDArray[np.int32], *, mask: Mask | None = None) -> None:
    """Writes `prefix.bin` and `prefix.idx`, and `prefix.mask` if there is a mask.

    `lengths` are the tokens of each document and sum to the ids; `mask` has a 0 for each token that is not learnt.
    """
    assert int(lengths.sum(dtype=np.int64)) == len(token_ids), "document lengths and token ids disagree"
    token_ids.tofile(prefix.with_suffix(".bin"))
    if mask is not None:
        assert len(mask) == len(token_ids), "mask and token ids disagree"
        (mask != 0).astype(np.uint8).tofile(prefix.with_suffix(".mask"))
        write_sums(prefix.with_suffix(".mask"))
    write_index(prefix, lengths, token_ids.dtype)


def write_index(prefix: Path, lengths: NDArray[np.int32], kind: np.dtype[np.generic]) -> None:
    """Writes `prefix.idx` and `prefix.bin.sums` for a `.bin` of ids of this kind that is written."""
    write_sums(prefix.with_suffix(".bin"))
    code = next(code for code, known in TYPE_CODES.items() if kind == known)
    offsets = np.zeros(len(lengths), np.int64)
    np.cumsum(lengths[:-1], dtype=np.int64, out=offsets[1:])
    bounds = np.arange(len(lengths) + 1, dtype=np.int64)
    with prefix.with_suffix(".idx").open("wb") as file:
        file.write(HEADER.pack(MAGIC, 1, code, len(lengths), len(bounds)))
        for array in (lengths.astype(np.int32), offsets * kind.itemsize, bounds):
            file.write(array.tobytes())


def read_indexed(prefix: Path) -> Shard:
    """A dataset whose documents are single sequences. Nothing but the header and the last document's place is read.

    Raises StoreError if a file is not what the others or the format say.
    """
    shard, mask = read_index(prefix), prefix.with_suffix(".mask")
    return replace(
        shard,
        ids=_map_counted(prefix.with_suffix(".bin"), shard.ids.dtype, shard.num_tokens),
        mask=_map_counted(mask, np.dtype(np.uint8), shard.num_tokens) if mask.exists() else None,
    )


def read_index(prefix: Path) -> Shard:
    """The same without ids and mask, which lie elsewhere."""
    index = prefix.with_suffix(".idx")
    with index.open("rb") as file:
        magic, version, code, num_sequences, num_bounds = HEADER.unpack(file.read(HEADER.size).ljust(HEADER.size))
    if magic != MAGIC or version != 1 or code not in TYPE_CODES or num_bounds != num_sequences + 1:
        raise StoreError(f"{index}: not a Megatron index with one sequence a document.")
    if index.stat().st_size != (size := HEADER.size + 12 * num_sequences + 8 * num_bounds):
        raise StoreError(f"{index}: {index.stat().st_size:,} bytes, its header counts {size:,}.")
    data = _map(index, np.uint8)
    lengths = np.frombuffer(data, np.int32, num_sequences, HEADER.size)
    pointers = np.frombuffer(data, np.int64, num_sequences, HEADER.size + 4 * num_sequences)
    kind = np.dtype(TYPE_CODES[code])
    return Shard(
        ids=np.empty(0, kind),
        num_tokens=int(pointers[-1]) // kind.itemsize + int(lengths[-1]) if num_sequences else 0,
        lengths=lengths,
        pointers=pointers,
        mask=np.empty(0, np.uint8) if sums_path(prefix.with_suffix(".mask")).exists() else None,
    )


def _map_counted(path: Path, kind: np.dtype[np.generic], num_tokens: int) -> NDArray[Any]:
    if path.stat().st_size != num_tokens * kind.itemsize:
        raise StoreError(f"{path}: {path.stat().st_size:,} bytes, its index counts {num_tokens:,} tokens.")
    return _map(path, kind.type)


def _map(path: Path, kind: type[np.generic]) -> NDArray[Any]:
    """The file as an array; a plain one, because numba is slow to recognise numpy's own kind for mapped files."""
    return np.asarray(np.memmap(path, kind, mode="r")) if path.stat().st_size else np.empty(0, kind)
