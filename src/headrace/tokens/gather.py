"""Rows of a plan, filled straight from mapped files by compiled functions.

The store's tables are handed to them as addresses: so a call costs the same for one shard and for a thousand, and parts
of files that are not aligned can be read as they are. Whoever calls must hold the store for as long.

A row costs the time of the memory accesses that wait for each other: plan, index, ids. So each of these is asked for
for all rows of a batch before any is looked at, and ids some rows before they are copied: 32 rows of 1,024 tokens out
of a store of 132 M took 70 us before and 33 us after.

Shape letters: B rows, T tokens of a row, S shards, P pieces, C columns.
"""

from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel
from headrace.tokens.addresses import load_i32, load_i64, pointer, prefetch
from headrace.tokens.batch import IGNORED, PADDING_DOCUMENT
from headrace.tokens.packing import SEGMENT
from headrace.tokens.pool import CACHE_LINE

FIRST_DOCUMENT, IDS, POINTERS, MASK = range(4)
"""Columns of the table of shards: what the first document is called, then addresses; 0 where there is no mask."""

DOCUMENT, START, LENGTH, ADDRESS, LEARNT = range(5)
"""Columns of the table of pieces: the document, the first token of it, how many, and the addresses of ids and mask."""
ROWS_AHEAD = 1
SHORT_ROW = 1 << 15
"""Tokens of a row whose positions fit into 16 bits."""

_SEGMENT_BYTES, _START_BYTE, _LENGTH_BYTE = SEGMENT.itemsize, 8, 16
assert SEGMENT.descr == [("document", "<i8"), ("start", "<i8"), ("length", "<i4")], "what the bytes above stand for"


@kernel
def fill_rows(
    rows_B: NDArray[np.int64],
    shards_SC: NDArray[np.int64],
    plan: tuple[int, int, int],
    kind_N: NDArray[Any],
    end_token: int,
    out: int,
) -> None:
    """Fills tokens, targets, documents and positions of the given rows.

    plan: addresses of its segments and of its row starts, tokens of a row. kind_N: empty, of the ids' stored type.
    out: address of four planes of B x T 32-bit integers; positions take 16 bits up to SHORT_ROW. The first token of a
    document is predicted from `end_token`, that of a later piece from the token before it.
    """
    pieces_PC, bounds_B = look_up(rows_B, shards_SC, plan)
    resolve(pieces_PC, shards_SC, kind_N.itemsize)
    fill_pieces(pieces_PC, bounds_B, plan[2], kind_N, end_token, out)


@kernel
def fill_pieces(
    pieces_PC: NDArray[np.int64],
    bounds_B: NDArray[np.int64],
    row_tokens: int,
    kind_N: NDArray[Any],
    end_token: int,
    out: int,
) -> None:
    """`fill_rows` for pieces that were found already."""
    stride = plane_bytes(len(bounds_B) - 1, row_tokens)
    tokens, targets, documents, positions = out, out + stride, out + 2 * stride, out + 3 * stride
    place_bytes = 2 if row_tokens <= SHORT_ROW else 4
    for b in range(len(bounds_B) - 1):
        if b + ROWS_AHEAD < len(bounds_B) - 1:
            for number in range(bounds_B[b + ROWS_AHEAD], bounds_B[b + ROWS_AHEAD + 1]):
                for byte in range(0, pieces_PC[number, LENGTH] * kind_N.itemsize, CACHE_LINE):
                    prefetch(pieces_PC[number, ADDRESS] + byte)
        left = row_tokens
        for number in range(bounds_B[b], bounds_B[b + 1]):
            ids, length = pieces_PC[number, ADDRESS], pieces_PC[number, LENGTH]
            _copy(ids, tokens + 4, length - 1, kind_N.dtype)
            _copy(ids, targets, length, kind_N.dtype)
            _copy(ids - kind_N.itemsize, tokens, min(1, pieces_PC[number, START]), kind_N.dtype)
            if pieces_PC[number, START] == 0:
                _fill(tokens, 1, end_token)
            if pieces_PC[number, LEARNT]:
                _ignore(pieces_PC[number, LEARNT], targets, length)
            _fill(documents, length, pieces_PC[number, DOCUMENT])
            _count_up(positions, length, place_bytes)
            tokens, targets, documents = tokens + 4 * length, targets + 4 * length, documents + 4 * length
            positions += place_bytes * length
            left -= length
        _fill(tokens, left, end_token)
        _fill(targets, left, IGNORED)
        _fill(documents, left, PADDING_DOCUMENT)
        _clear(positions, place_bytes * left)
        tokens, targets, documents = tokens + 4 * left, targets + 4 * left, documents + 4 * left
        positions += place_bytes * left


@kernel
def plane_bytes(num_rows: int, row_tokens: int) -> int:
    """What a number for each token of a batch takes, in whole cache lines."""
    return -(-4 * num_rows * row_tokens // CACHE_LINE) * CACHE_LINE


@kernel
def look_up(
    rows_B: NDArray[np.int64], shards_SC: NDArray[np.int64], plan: tuple[int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pieces of all rows end to end, and the bounds of each row's (B + 1).

    They are not resolved yet: ADDRESS is that of the document's entry in the index, LEARNT the number of its shard.
    """
    segments, row_starts, _ = plan
    firsts_B, bounds_B = np.empty(len(rows_B), np.int64), np.zeros(len(rows_B) + 1, np.int64)
    for b in range(len(rows_B)):
        prefetch(row_starts + 8 * rows_B[b])
    for b in range(len(rows_B)):
        firsts_B[b] = load_i64(row_starts + 8 * rows_B[b])
        bounds_B[b + 1] = bounds_B[b] + load_i64(row_starts + 8 * rows_B[b] + 8) - firsts_B[b]
        prefetch(segments + _SEGMENT_BYTES * firsts_B[b])
    pieces_PC = np.empty((bounds_B[-1], 5), np.int64)
    for b in range(len(rows_B)):
        for number in range(bounds_B[b], bounds_B[b + 1]):
            segment = segments + _SEGMENT_BYTES * (firsts_B[b] + number - bounds_B[b])
            document = load_i64(segment)
            shard = np.searchsorted(shards_SC[:, FIRST_DOCUMENT], document, side="right") - 1
            entry = shards_SC[shard, POINTERS] + 8 * (document - shards_SC[shard, FIRST_DOCUMENT])
            prefetch(entry)
            pieces_PC[number, DOCUMENT], pieces_PC[number, START] = document, load_i64(segment + _START_BYTE)
            pieces_PC[number, LENGTH] = load_i32(segment + _LENGTH_BYTE)
            pieces_PC[number, ADDRESS], pieces_PC[number, LEARNT] = entry, shard
    return pieces_PC, bounds_B


@kernel
def resolve(pieces_PC: NDArray[np.int64], shards_SC: NDArray[np.int64], itemsize: int) -> None:
    """Replaces what `look_up` left by the addresses of the pieces' ids and masks."""
    for number in range(len(pieces_PC)):
        shard = pieces_PC[number, LEARNT]
        begin = load_i64(pieces_PC[number, ADDRESS]) + pieces_PC[number, START] * itemsize
        pieces_PC[number, ADDRESS] = shards_SC[shard, IDS] + begin
        mask = shards_SC[shard, MASK]
        pieces_PC[number, LEARNT] = mask + begin // itemsize if mask else 0
        prefetch(pieces_PC[number, ADDRESS])


# A loop for each array, over memory that numba does not count the holders of: each becomes vector instructions.


@kernel
def _copy(source: int, target: int, count: int, kind: Any) -> None:
    """Ids of the stored type become 32-bit integers."""
    ids_T, out_T = carray(pointer(source), (count,), kind), carray(pointer(target), (count,), np.int32)
    for t in range(count):
        out_T[t] = ids_T[t]


@kernel
def _fill(target: int, count: int, value: int) -> None:
    out_T = carray(pointer(target), (count,), np.int32)
    for t in range(count):
        out_T[t] = value


@kernel
def _count_up(target: int, count: int, place_bytes: int) -> None:
    if place_bytes == 2:
        short_T = carray(pointer(target), (count,), np.int16)
        for t in range(count):
            short_T[t] = t
    else:
        out_T = carray(pointer(target), (count,), np.int32)
        for t in range(count):
            out_T[t] = t


@kernel
def _clear(target: int, num_bytes: int) -> None:
    out_T = carray(pointer(target), (num_bytes,), np.uint8)
    for t in range(num_bytes):
        out_T[t] = 0


@kernel
def _ignore(mask: int, target: int, count: int) -> None:
    """Targets that the mask has a 0 for count for nothing."""
    mask_T, out_T = carray(pointer(mask), (count,), np.uint8), carray(pointer(target), (count,), np.int32)
    for t in range(count):
        out_T[t] = out_T[t] if mask_T[t] else IGNORED
