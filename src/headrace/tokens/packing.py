"""Which pieces of which documents share a training row.

A document longer than a row is cut into whole rows and a rest; rests and short documents are packed best-fit
decreasing, so no token is dropped and rows are nearly full. Source: Ding et al. 2024, Fewer Truncations Improve
Language Modeling, arXiv 2404.10830.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEGMENT = np.dtype([("document", "<i8"), ("start", "<i8"), ("length", "<i4")])


@dataclass(frozen=True)
class PackingPlan:
    """Rows as runs of segments. Arrays may be memory-mapped."""

    segments: NDArray[np.void]
    """One record of SEGMENT per piece: the document, the first token of it, the number of tokens."""
    row_starts: NDArray[np.int64]
    """(rows + 1,): row r consists of segments [row_starts[r], row_starts[r + 1])."""
    row_tokens: int

    @property
    def num_rows(self) -> int:
        return len(self.row_starts) - 1

    def save(self, prefix: Path) -> None:
        np.save(prefix.with_suffix(".segments.npy"), self.segments)
        np.save(prefix.with_suffix(".rows.npy"), self.row_starts)

    @classmethod
    def load(cls, prefix: Path, row_tokens: int) -> "PackingPlan":
        segments = np.load(prefix.with_suffix(".segments.npy"), mmap_mode="r", allow_pickle=False)
        return cls(segments, np.load(prefix.with_suffix(".rows.npy"), mmap_mode="r", allow_pickle=False), row_tokens)


def plan_rows(lengths: NDArray[np.int32], row_tokens: int) -> PackingPlan:
    """A plan that places every token of documents of these lengths exactly once, in rows of at most `row_tokens`."""
    segments = cut_documents(lengths, row_tokens)
    row_of_segment = assign_rows(segments["length"], row_tokens)
    order = np.argsort(row_of_segment, kind="stable")
    num_rows = int(row_of_segment.max(initial=-1)) + 1
    row_starts = np.searchsorted(row_of_segment[order], np.arange(num_rows + 1))
    return PackingPlan(segments[order], row_starts.astype(np.int64), row_tokens)


def cut_documents(lengths: NDArray[np.int32], row_tokens: int) -> NDArray[np.void]:
    """Cuts each document into pieces of `row_tokens` and a shorter last one, in document order."""
    pieces = -(-lengths.astype(np.int64) // row_tokens)
    document = np.repeat(np.arange(len(lengths)), pieces)
    first_piece = np.cumsum(pieces) - pieces
    start = (np.arange(len(document)) - first_piece[document]) * row_tokens
    segments = np.empty(len(document), SEGMENT)
    segments["document"], segments["start"] = document, start
    segments["length"] = np.minimum(lengths[document] - start, row_tokens)
    return segments


def assign_rows(lengths: NDArray[np.int32], row_tokens: int) -> NDArray[np.int64]:
    """The row of each piece by best-fit decreasing: longest first, each into the fullest row that still has room.

    Free space is a whole number up to `row_tokens`, so the rows with a given space form a stack and one integer holds
    a bit for every stack that is not empty: the best fit is its lowest bit from the wanted length on (about 1 M
    pieces a second).
    """
    rows = np.empty(len(lengths), np.int64)
    stacks: list[list[int]] = [[] for _ in range(row_tokens + 1)]
    occupied, num_rows = 0, 0
    for piece in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[piece])
        fitting = occupied >> length
        if fitting:
            space = length + (fitting & -fitting).bit_length() - 1
            row = stacks[space].pop()
            if not stacks[space]:
                occupied &= ~(1 << space)
        else:
            space, row, num_rows = row_tokens, num_rows, num_rows + 1
        rows[piece] = row
        if rest := space - length:
            stacks[rest].append(row)
            occupied |= 1 << rest
    return rows
