"""Confidence intervals by resampling examples.

Every figure we resample is a function of sums over examples (right guesses, entities found ...). Drawing N of N
examples with replacement and adding up their counts is a multinomial draw over the distinct rows of counts, so a
thousand resamples cost the same for a thousand examples and for a million.

Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 14.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headrace.evaluate.task_report import Figure

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From sums (..., K) to figures (..., S); a figure that sums do not determine is NaN."""
Method = Literal["bca", "percentile"]

NUM_RESAMPLES = 1000
CONFIDENCE = 0.95
DRAWS_AT_ONCE = 4_000_000  # 32 MB of counts


def bootstrap(
    counts_NK: NDArray[np.generic],
    statistic: Statistic,
    *,
    seed: int,
    times_N: NDArray[np.intp] | None = None,
    method: Method = "bca",
    num_resamples: int = NUM_RESAMPLES,
) -> list[Figure]:
    """Each figure of all examples with its interval of 95 %.

    counts_NK: what each of N examples adds to K sums; with `times_N`, how many examples add it. A resample in which a
    figure is not determined is left out of that figure's interval; a figure that never is has none, and is 0.
    """
    rows_UK, times_U = np.asarray(counts_NK, np.float64), times_N
    if times_U is None:
        rows_UK, times_U = np.unique(rows_UK, axis=0, return_counts=True)
    value_S = statistic(times_U @ rows_UK)
    drawn_RS = statistic(_resampled_sums(rows_UK, times_U, seed=seed, num_resamples=num_resamples))
    left_out_US = statistic(times_U @ rows_UK - rows_UK)
    figures = []
    for place, value in enumerate(value_S):
        drawn = drawn_RS[np.isfinite(drawn_RS[:, place]), place]
        if not len(drawn) or not np.isfinite(value):
            figures.append(Figure(float(value) if np.isfinite(value) else 0.0))
            continue
        tails = _bca_tails(float(value), drawn, left_out_US[:, place], times_U) if method == "bca" else _plain_tails()
        low, high = np.quantile(drawn, tails)
        figures.append(Figure(float(value), float(low), float(high)))
    return figures


def bootstrap_difference(
    counts_NK: NDArray[np.generic], others_NK: NDArray[np.generic], statistic: Statistic, *, seed: int
) -> list[Figure]:
    """Figures of one system minus those of another on the same examples: each resample draws both together."""
    num_sums = counts_NK.shape[1]

    def difference(sums: Floats) -> Floats:
        return statistic(sums[..., :num_sums]) - statistic(sums[..., num_sums:])

    return bootstrap(np.hstack([counts_NK, others_NK]), difference, seed=seed)


def bootstrap_mean(values_N: NDArray[np.generic], *, seed: int) -> Figure:
    """The mean of a number per example."""
    counts_NK = np.stack([np.asarray(values_N, np.float64), np.ones(len(values_N))], axis=1)
    return bootstrap(counts_NK, lambda sums: sums[..., :1] / np.maximum(sums[..., 1:], 1), seed=seed)[0]


def bootstrap_ratio(parts_N: NDArray[np.generic], wholes_N: NDArray[np.generic], *, seed: int) -> Figure:
    """A sum over examples divided by another, such as a loss over its tokens."""
    counts_NK = np.stack([np.asarray(parts_N, np.float64), np.asarray(wholes_N, np.float64)], axis=1)
    return bootstrap(counts_NK, lambda sums: ratio(sums[..., :1], sums[..., 1:]), seed=seed)[0]


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _resampled_sums(rows_UK: Floats, times_U: NDArray[np.intp], *, seed: int, num_resamples: int) -> Floats:
    random = np.random.default_rng(seed)
    num_examples, at_once = int(times_U.sum()), max(1, DRAWS_AT_ONCE // len(times_U))
    sums = [
        random.multinomial(num_examples, times_U / num_examples, size=min(at_once, num_resamples - start)) @ rows_UK
        for start in range(0, num_resamples, at_once)
    ]
    return np.concatenate(sums)


def _plain_tails() -> tuple[float, float]:
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


def _bca_tails(value: float, drawn: Floats, left_out_U: Floats, times_U: NDArray[np.intp]) -> tuple[float, float]:
    """Which quantiles of the resamples to take, corrected for their bias and for their skew."""
    normal = NormalDist()
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn <= value)) / (2 * len(drawn))
    known = np.isfinite(left_out_U)
    if not 0 < below < 1 or not known.any():
        return _plain_tails()
    times, left_out = times_U[known], left_out_U[known]
    away = np.average(left_out, weights=times) - left_out
    spread = float((times * away**2).sum())
    bias = normal.inv_cdf(below)
    skew = float((times * away**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = [bias + normal.inv_cdf(tail) for tail in _plain_tails()]
    low, high = (normal.cdf(bias + shift / (1 - skew * shift)) for shift in shifted)
    return low, high
