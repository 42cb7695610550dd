"""Packed rows of random tokens, without a store."""

import numpy as np
from hypothesis import strategies as st

from headrace.tokens.batch import IGNORED, PADDING_DOCUMENT, Batch


def packed_batch(rows: list[list[int]], *, row_tokens: int, vocabulary_size: int, seed: int, end: int = 0) -> Batch:
    """Rows of pieces of these lengths: each begins behind `end`, and every target is the next token."""
    generator = np.random.default_rng(seed)
    shape = (len(rows), row_tokens)
    tokens, targets = np.full(shape, end, np.int32), np.full(shape, IGNORED, np.int32)
    positions, documents = np.zeros(shape, np.int32), np.full(shape, PADDING_DOCUMENT, np.int32)
    number = 0
    for row, lengths in enumerate(rows):
        start = 0
        for length in lengths:
            text = generator.integers(1, vocabulary_size, length)
            inside = slice(start, start + length)
            tokens[row, inside], targets[row, inside] = [end, *text[:-1]], text
            positions[row, inside], documents[row, inside] = np.arange(length), number
            start, number = start + length, number + 1
    return Batch(tokens, targets, positions, documents)


@st.composite
def batches(
    draw: st.DrawFn, *, row_tokens: int = 24, vocabulary_size: int = 50, most_rows: int = 4, shortest: int = 1
) -> Batch:
    """Rows that pieces of any length fill, all or in part."""
    rows = []
    for _ in range(draw(st.integers(1, most_rows))):
        lengths: list[int] = []
        while (left := row_tokens - sum(lengths)) >= shortest and draw(st.booleans() if lengths else st.just(True)):
            lengths.append(draw(st.integers(shortest, left)))
        rows.append(lengths)
    return packed_batch(rows, row_tokens=row_tokens, vocabulary_size=vocabulary_size, seed=draw(st.integers(0, 99)))
