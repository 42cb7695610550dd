"""How good scores are, and where to put a threshold."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.errors import InputError

Scores = npt.NDArray[np.float32] | npt.NDArray[np.float64]

NUM_BINS = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """How well scores in [0, 1] tell good documents from bad ones that training did not see."""

    num_good: int
    num_bad: int
    auroc: float
    """Probability that a good document scores higher than a bad one; 0.5 is chance."""
    brier: float
    """Mean squared difference of score and truth, good and bad counting the same; 0.25 is what a constant 0.5 gets."""
    calibration_error: float
    """Mean distance of score and observed share of good documents, in ten bins, good and bad counting the same."""


def measure_scores(good: Scores, bad: Scores) -> Figures:
    """The figures of scores whose truth is known. Raises InputError if there is nothing on one side."""
    if not (len(good) and len(bad)):
        raise InputError(f"want scores of good and of bad documents, got {len(good)} and {len(bad)}")
    scores = np.concatenate((good, bad)).astype(np.float64)
    truth = np.concatenate((np.ones(len(good)), np.zeros(len(bad))))
    weights = np.concatenate((np.full(len(good), 0.5 / len(good)), np.full(len(bad), 0.5 / len(bad))))
    bins = np.minimum((scores * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    gaps = np.bincount(bins, weights * (scores - truth), NUM_BINS)
    return Figures(
        num_good=len(good),
        num_bad=len(bad),
        auroc=auroc(good, bad),
        brier=float(np.sum(weights * (scores - truth) ** 2)),
        calibration_error=float(np.abs(gaps).sum()),
    )


def auroc(good: Scores, bad: Scores) -> float:
    """Probability that a good one scores higher than a bad one, ties counting half. (Mann & Whitney's U.)"""
    ordered = np.sort(np.asarray(bad))
    below = np.searchsorted(ordered, good, side="left").sum()
    not_above = np.searchsorted(ordered, good, side="right").sum()
    return float((below + not_above) / (2 * len(good) * len(bad)))


def calibrate(scores: Scores, keep_rate: float, weights: npt.NDArray[np.int64] | None = None) -> float:
    """Threshold such that the documents with `score >= threshold` are as close as can be to a share of all.

    scores: (N,). keep_rate: in (0, 1]. weights: (N,), what each document counts, such as its bytes; by default 1.
    Documents of equal score stay or go together; of two thresholds that are equally close, the one that keeps more.
    Raises InputError without documents, for a score that is not a number, or for a rate out of range.
    """
    if not len(scores) or np.isnan(scores).any() or not 0 < keep_rate <= 1:
        raise InputError(
            f"a threshold needs scores that are numbers and a share to keep in (0, 1], got {len(scores)} scores, "
            f"{int(np.isnan(scores).sum())} of them not numbers, and the share {keep_rate}"
        )
    distinct, which = np.unique(scores, return_inverse=True)
    amounts = np.bincount(which, weights, len(distinct))
    kept = np.cumsum(amounts[::-1])[::-1]
    distance = np.abs(kept - keep_rate * kept[0])
    return float(distinct[np.argmin(distance)])
