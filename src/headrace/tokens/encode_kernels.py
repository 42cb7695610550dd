"""Kernels around the encoder: digits cut out before it, documents ended after it."""

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel
from headrace.tokens.words import piece_end

LONGER, SINGLE, FALLBACK = range(3)
"""Kinds of tokens: longer than a byte, a byte that is a sign, a byte that is part of one."""


@kernel
def cut_pieces(
    data: np.ndarray, offsets: np.ndarray, classes: np.ndarray, cut_digits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the pieces of all texts lie, as offsets, and how many pieces there are up to the end of each text."""
    places = np.empty(2 * len(offsets) + 64, np.int64)
    ends = np.empty(len(offsets) - 1, np.int64)
    places[0] = offsets[0]
    num_pieces = 0
    for text in range(len(offsets) - 1):
        at = offsets[text]
        while at < offsets[text + 1]:
            at = piece_end(data, at, offsets[text + 1], classes, cut_digits)
            num_pieces += 1
            if num_pieces == len(places):
                grown = np.empty(2 * num_pieces, np.int64)
                grown[:num_pieces] = places
                places = grown
            places[num_pieces] = at
        ends[text] = num_pieces
    return places[: num_pieces + 1], ends


@kernel
def join_documents(
    ids: np.ndarray,
    ends: np.ndarray,
    end_of_document: int,
    kinds: np.ndarray,
    joined: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Fills `joined` with the ids of each text and the end of its document, and `counts` with three rows of numbers:
    tokens, bytes in tokens of one byte, and those of them that are part of a sign."""
    start = 0
    for text in range(len(ends)):
        shift, end = text, ends[text]
        total = num_fallback = 0
        for at in range(start, end):
            joined[at + shift] = ids[at]
        for at in range(start, end):  # a loop of its own: the one above is a copy many numbers at a time
            kind = kinds[ids[at]]
            total += kind
            num_fallback += kind >> 1
        joined[end + shift] = end_of_document
        counts[0, text], counts[1, text], counts[2, text] = end - start + 1, total - num_fallback, num_fallback
        start = end
