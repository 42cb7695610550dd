"""Best fit decreasing for any number of documents: 10 million in seconds.

Free space is a whole number up to the row, so the rows with a given space form a stack, and a bit says for every space
whether its stack is empty: the best fit is the first bit set from the wanted length on. Bits of 64 words have a bit of
their own, so that long rows are searched as fast.

Shape letters: N pieces or documents, P pieces, R rows, S spaces.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel


@kernel
def cut_documents(lengths_N: NDArray[np.int32], row_tokens: int, segments_N: NDArray[Any]) -> None:
    """Fills in each document's pieces of `row_tokens` and a shorter last one, in document order."""
    number = 0
    for document in range(len(lengths_N)):
        for start in range(0, lengths_N[document], row_tokens):
            segments_N[number].document = document
            segments_N[number].start = start
            segments_N[number].length = min(row_tokens, lengths_N[document] - start)
            number += 1


@kernel
def cut_end_to_end(
    lengths_N: NDArray[np.int32], row_tokens: int, segments_P: NDArray[Any], row_starts_R: NDArray[np.int64]
) -> int:
    """Fills in pieces of documents end to end, cut where a row is full, and where rows start; returns how many."""
    number, row, left = 0, 0, row_tokens
    row_starts_R[0] = 0
    for document in range(len(lengths_N)):
        start = 0
        while start < lengths_N[document]:
            if left == 0:
                row, left = row + 1, row_tokens
                row_starts_R[row] = number
            length = min(left, lengths_N[document] - start)
            segments_P[number].document = document
            segments_P[number].start = start
            segments_P[number].length = length
            number, start, left = number + 1, start + length, left - length
    row_starts_R[-1] = number
    return number


@kernel
def assign_rows(lengths_N: NDArray[np.int32], row_tokens: int, rows_N: NDArray[np.int64]) -> int:
    """The row of each piece, longest first, each into the fullest row that still has room; returns how many rows.

    Of equally full rows the one that came to be so last is taken; of equally long pieces the first comes first.
    """
    order_N = _longest_first(lengths_N, row_tokens)
    last_row_S = np.full(row_tokens + 1, -1, np.int64)
    row_before_R = np.empty(len(lengths_N), np.int64)
    num_words = row_tokens // 64 + 1
    words, summary = np.zeros(num_words, np.uint64), np.zeros(num_words // 64 + 1, np.uint64)
    num_rows = 0
    for piece in order_N:
        space = _first_at_least(lengths_N[piece], words, summary)
        if space < 0:
            row, space, num_rows = num_rows, row_tokens, num_rows + 1
        else:
            row = last_row_S[space]
            last_row_S[space] = row_before_R[row]
            if last_row_S[space] < 0:
                words[space // 64] &= ~(np.uint64(1) << np.uint64(space % 64))
                if words[space // 64] == 0:
                    summary[space // 4096] &= ~(np.uint64(1) << np.uint64(space // 64 % 64))
        rows_N[piece] = row
        rest = space - lengths_N[piece]
        if rest:
            row_before_R[row] = last_row_S[rest]
            last_row_S[rest] = row
            words[rest // 64] |= np.uint64(1) << np.uint64(rest % 64)
            summary[rest // 4096] |= np.uint64(1) << np.uint64(rest // 64 % 64)
    return num_rows


@kernel
def group_by_row(rows_N: NDArray[np.int64], num_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pieces in row order, those of a row in their own order, and where each row starts (R + 1)."""
    starts_R = np.zeros(num_rows + 1, np.int64)
    for row in rows_N:
        starts_R[row + 1] += 1
    for row in range(num_rows):
        starts_R[row + 1] += starts_R[row]
    next_R, order_N = starts_R.copy(), np.empty(len(rows_N), np.int64)
    for piece in range(len(rows_N)):
        order_N[next_R[rows_N[piece]]] = piece
        next_R[rows_N[piece]] += 1
    return order_N, starts_R


@kernel
def _longest_first(lengths_N: NDArray[np.int32], row_tokens: int) -> NDArray[np.int64]:
    keys_N = row_tokens - lengths_N.astype(np.int64)
    return group_by_row(keys_N, row_tokens + 1)[0]


@kernel
def _first_at_least(wanted: int, words: NDArray[np.uint64], summary: NDArray[np.uint64]) -> int:
    """The first bit set from `wanted` on, or -1."""
    word = wanted // 64
    bits = words[word] >> np.uint64(wanted % 64)
    if bits:
        return wanted + _lowest(bits)
    group, shift = (word + 1) // 64, np.uint64((word + 1) % 64)
    for other in range(group, len(summary)):
        bits = summary[other]
        if other == group:
            bits = bits >> shift << shift
        if bits:
            word = 64 * other + _lowest(bits)
            return 64 * word + _lowest(words[word])
    return -1


@kernel
def _lowest(bits: np.uint64) -> int:
    """The number of the lowest bit set."""
    number = 0
    for width in (32, 16, 8, 4, 2, 1):
        if not bits & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)):
            bits >>= np.uint64(width)
            number += width
    return number
