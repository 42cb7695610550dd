"""Whether a guess made with 80 % confidence is right four times in five."""

import numpy as np
from numpy.typing import NDArray

from headrace.evaluate.task_report import Calibration, ReliabilityBin

NUM_BINS = 15


def calibrate(
    confidence_N: NDArray[np.float64], right_N: NDArray[np.bool_], *, num_bins: int = NUM_BINS
) -> Calibration:
    """Expected calibration error over bins of equal width, and over bins with equally many guesses.

    confidence_N: probability that each guess was given; right_N: whether it was right. Bins that hold nothing are
    left out.
    """
    edges = np.linspace(0, 1, num_bins + 1)
    # A bin holds its upper edge, as in Guo et al. 2017; 0 falls into the first.
    place_N = np.clip(np.searchsorted(edges, confidence_N, side="left") - 1, 0, num_bins - 1)
    width_bins = _bins(confidence_N, right_N, place_N, edges=edges)
    order_N = np.argsort(confidence_N, kind="stable")
    rank_N = np.empty(len(order_N), np.int64)
    rank_N[order_N] = np.arange(len(order_N))
    adaptive_bins = _bins(confidence_N, right_N, rank_N * num_bins // max(1, len(rank_N)))
    return Calibration(_error(width_bins), _error(adaptive_bins), width_bins, adaptive_bins)


def _bins(
    confidence_N: NDArray[np.float64],
    right_N: NDArray[np.bool_],
    place_N: NDArray[np.integer],
    *,
    edges: NDArray[np.float64] | None = None,
) -> tuple[ReliabilityBin, ...]:
    found = []
    for place in np.unique(place_N):
        inside = confidence_N[place_N == place]
        low, high = (inside.min(), inside.max()) if edges is None else (edges[place], edges[place + 1])
        share = float(right_N[place_N == place].mean())
        found.append(ReliabilityBin(float(low), float(high), float(inside.mean()), share, len(inside)))
    return tuple(found)


def _error(bins: tuple[ReliabilityBin, ...]) -> float:
    total = sum(part.count for part in bins)
    return sum(part.count * abs(part.accuracy - part.confidence) for part in bins) / total
