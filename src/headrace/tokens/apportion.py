"""Which source a sample is of, and which of its rows: `mixture.py` says what is computed here.

Shape letters: P pieces, S sources, B samples.
"""

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel

Floats = NDArray[np.float64]
Pieces = tuple[Floats, Floats, Floats, Floats, Floats]
"""Begins (P), shares (P, S), slopes (P, S), what was owed (P, S), the most rows (S)."""


@kernel
def draw_samples(first: int, pieces: Pieces, sources_B: NDArray[np.int64], numbers_B: NDArray[np.int64]) -> None:
    """Fills in source and row number of the samples from `first` on."""
    taken_S = taken_before(first, pieces)
    times_S = np.empty(len(taken_S))
    for source in range(len(taken_S)):
        times_S[source] = _time_of(source, taken_S[source], pieces)
    for b in range(len(sources_B)):
        source = int(np.argmin(times_S))  # the first of equal ones
        sources_B[b], numbers_B[b] = source, taken_S[source]
        taken_S[source] += 1
        times_S[source] = _time_of(source, taken_S[source], pieces)


@kernel
def taken_before(sample: int, pieces: Pieces) -> NDArray[np.int64]:
    """Rows of each source that come before a sample.

    Halves the times between which the sample must lie until one is found before which just as many rows come, or until
    only rows of equal times are left, which are counted in the order of sources.
    """
    num_sources = len(pieces[4])
    low, high = max(0.0, sample - num_sources - 1.0), sample + num_sources + 1.0
    taken_S, total = _taken_until(low, pieces)
    assert total <= sample
    while total < sample:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        tried_S, tried = _taken_until(middle, pieces)
        if tried <= sample:
            low, taken_S, total = middle, tried_S, tried
        else:
            high = middle
    while total < sample:
        first, earliest = -1, np.inf
        for source in range(num_sources):
            time = _time_of(source, taken_S[source], pieces)
            if time < earliest:
                first, earliest = source, time
        assert first >= 0, "no source has as many rows"
        taken_S[first] += 1
        total += 1
    return taken_S


@kernel
def _taken_until(time: float, pieces: Pieces) -> tuple[NDArray[np.int64], int]:
    """Rows of each source whose times are at most `time`, and their sum."""
    begins_P, shares_PS, slopes_PS, owed_PS, most_S = pieces
    piece = max(0, int(np.searchsorted(begins_P, time, side="right")) - 1)
    span = time - begins_P[piece]
    taken_S, total = np.empty(len(most_S), np.int64), 0
    for source in range(len(most_S)):
        owed = owed_PS[piece, source] + span * (shares_PS[piece, source] + slopes_PS[piece, source] * span / 2)
        taken = int(min(owed, most_S[source]) + 0.5)
        # The times decide, not the integral, whose rounding may differ by one.
        while taken > 0 and _time_of(source, taken - 1, pieces) > time:
            taken -= 1
        while _time_of(source, taken, pieces) <= time:
            taken += 1
        taken_S[source] = taken
        total += taken
    return taken_S, total


@kernel
def _time_of(source: int, number: int, pieces: Pieces) -> float:
    """When a row of a source comes: the place at which the source is owed a half more than the rows before it."""
    begins_P, shares_PS, slopes_PS, owed_PS, most_S = pieces
    if number >= most_S[source]:
        return np.inf
    wanted = number + 0.5
    low, high = 0, len(begins_P)
    while low < high:  # the first piece that begins with more owed than wanted
        middle = (low + high) // 2
        if owed_PS[middle, source] > wanted:
            high = middle
        else:
            low = middle + 1
    piece = low - 1
    missing = wanted - owed_PS[piece, source]
    share, slope = shares_PS[piece, source], slopes_PS[piece, source]
    root = share + np.sqrt(max(0.0, share * share + 2 * slope * missing))
    if missing <= 0:
        return float(begins_P[piece])
    return float(begins_P[piece] + 2 * missing / root) if root > 0 else np.inf
