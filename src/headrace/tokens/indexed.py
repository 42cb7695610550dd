"""Megatron-LM indexed datasets: `NAME.bin` holds the ids of all documents end to end, `NAME.idx` says where each
begins.

Layout of `.idx`, little-endian: magic `MMIDIDX\\0\\0`; version u64 = 1; type code u8; number of sequences u64; number
of document bounds u64; lengths i32 each; byte offsets into `.bin` i64 each; document bounds i64 each (0, 1, ..., n
where every document is one sequence, as here). Source: Megatron-LM, megatron/core/datasets/indexed_dataset.py.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headrace.errors import StoreError

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQQ")
TYPE_CODES: dict[int, type[np.generic]] = {4: np.int32, 8: np.uint16}
LARGEST_SHORT_VOCABULARY = 65_500  # Megatron's own bound for uint16

Tokens = NDArray[np.uint16] | NDArray[np.int32]


def token_type(vocabulary_size: int) -> type[np.generic]:
    """The narrowest type Megatron reads that holds every id."""
    return np.uint16 if vocabulary_size < LARGEST_SHORT_VOCABULARY else np.int32


def write_indexed(prefix: Path, token_ids: Tokens, lengths: NDArray[np.int32]) -> None:
    """Writes `prefix.bin` and `prefix.idx`; `lengths` are the tokens of each document and sum to the ids."""
    assert int(lengths.sum(dtype=np.int64)) == len(token_ids), "document lengths and token ids disagree"
    token_ids.tofile(prefix.with_suffix(".bin"))
    write_index(prefix, lengths, token_ids.dtype)


def write_index(prefix: Path, lengths: NDArray[np.int32], kind: np.dtype[np.generic]) -> None:
    """Writes `prefix.idx` for a `.bin` of ids of this kind."""
    code = next(code for code, known in TYPE_CODES.items() if kind == known)
    offsets = np.zeros(len(lengths), np.int64)
    np.cumsum(lengths[:-1], dtype=np.int64, out=offsets[1:])
    bounds = np.arange(len(lengths) + 1, dtype=np.int64)
    with prefix.with_suffix(".idx").open("wb") as file:
        file.write(HEADER.pack(MAGIC, 1, code, len(lengths), len(bounds)))
        for array in (lengths.astype(np.int32), offsets * kind.itemsize, bounds):
            file.write(array.tobytes())


def read_indexed(prefix: Path) -> tuple[Tokens, NDArray[np.int32]]:
    """The memory-mapped ids and the document lengths of a dataset whose documents are single sequences.

    Raises StoreError if either file is not what the other or the format says.
    """
    index = prefix.with_suffix(".idx").read_bytes()
    magic, version, code, num_sequences, num_bounds = HEADER.unpack(index[: HEADER.size].ljust(HEADER.size))
    if magic != MAGIC or version != 1 or code not in TYPE_CODES or num_bounds != num_sequences + 1:
        raise StoreError(f"{prefix}.idx: not a Megatron index with one sequence a document.")
    if len(index) != (size := HEADER.size + 12 * num_sequences + 8 * num_bounds):
        raise StoreError(f"{prefix}.idx: {len(index):,} bytes, its header counts {size:,}.")
    lengths = np.frombuffer(index, np.int32, num_sequences, HEADER.size)
    binary = prefix.with_suffix(".bin")
    kind = TYPE_CODES[code]
    if binary.stat().st_size != int(lengths.sum()) * np.dtype(kind).itemsize:
        raise StoreError(f"{binary}: {binary.stat().st_size:,} bytes, its index counts {int(lengths.sum()):,} tokens.")
    if len(lengths) == 0:
        return np.empty(0, kind), lengths
    return np.memmap(binary, kind, mode="r"), lengths
