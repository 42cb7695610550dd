"""Precision, recall and F1 from three counts of every class: found, guessed, and truly there.

C classes; sums end with what accuracy needs: `[found_C, guessed_C, true_C, right, all]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.evaluate.bootstrap import Floats, Statistic, bootstrap, ratio
from headrace.evaluate.task_report import Figure, Row

AVERAGES = ("micro", "macro", "weighted")


@dataclass(frozen=True)
class Scores:
    """Everything that the counts of some classes give."""

    accuracy: Figure
    classes: tuple[Row, ...]
    averages: tuple[Row, ...]

    @property
    def micro_f1(self) -> Figure:
        return self.averages[0].f1

    @property
    def macro_f1(self) -> Figure:
        return self.averages[1].f1


def score_counts(
    counts_NK: NDArray[np.generic], names: Sequence[str], *, seed: int, times_N: NDArray[np.intp] | None = None
) -> Scores:
    """Scores with intervals of their F1 and of accuracy, examples being drawn anew.

    counts_NK: as in `f1_statistic`, of N examples, or of N kinds of examples that occur `times_N` times. Averages
    are over the classes that occur, in truth or as a guess; a precision or recall of nothing is 0.
    """
    num = len(names)
    accuracy, *f1 = bootstrap(counts_NK, f1_statistic(num), seed=seed, times_N=times_N)
    plain_NK = np.asarray(counts_NK, np.float64)
    total_K = plain_NK.sum(axis=0) if times_N is None else times_N @ plain_NK
    found_C, guessed_C, true_C = total_K[:num], total_K[num : 2 * num], total_K[2 * num : 3 * num]
    precision_C, recall_C = _or_zero(found_C, guessed_C), _or_zero(found_C, true_C)
    rows = tuple(
        Row(name, float(precision_C[c]), float(recall_C[c]), f1[len(AVERAGES) + c], int(true_C[c]))
        for c, name in enumerate(names)
    )
    micro = _or_zero(found_C.sum(), guessed_C.sum()), _or_zero(found_C.sum(), true_C.sum())
    occurs = guessed_C + true_C > 0
    weights = {"macro": occurs.astype(np.float64), "weighted": true_C}
    pairs = [micro, *((_mean(precision_C, weights[name]), _mean(recall_C, weights[name])) for name in AVERAGES[1:])]
    averages = tuple(
        Row(name, float(precision), float(recall), f1[place], int(true_C.sum()))
        for place, (name, (precision, recall)) in enumerate(zip(AVERAGES, pairs, strict=True))
    )
    return Scores(accuracy, rows, averages)


def f1_statistic(num_classes: int) -> Statistic:
    """From sums to `[accuracy, micro F1, macro F1, weighted F1, F1 of each class]`.

    F1 = 2 found / (guessed + true); of a class that does not occur it is not determined.
    """

    def statistic(sums: Floats) -> Floats:
        found, guessed, true = (sums[..., part * num_classes : (part + 1) * num_classes] for part in range(3))
        f1 = ratio(2 * found, guessed + true)
        known = np.isfinite(f1)
        filled = np.where(known, f1, 0)
        together = ratio(2 * found.sum(-1), guessed.sum(-1) + true.sum(-1))
        macro = ratio(filled.sum(-1), known.sum(-1).astype(np.float64))
        weighted = ratio((filled * true).sum(-1), true.sum(-1))
        accuracy = ratio(sums[..., -2], sums[..., -1])
        return np.concatenate([np.stack([accuracy, together, macro, weighted], axis=-1), f1], axis=-1)

    return statistic


def pair_counts(truth_N: NDArray[np.integer], guess_N: NDArray[np.integer], *, num_classes: int) -> NDArray[np.int64]:
    """What each pair of a true and a guessed class adds to the sums; (N, 3 C + 2)."""
    identity = np.eye(num_classes, dtype=np.int64)
    right_N = (truth_N == guess_N).astype(np.int64)
    columns = (identity[guess_N] * right_N[:, None], identity[guess_N], identity[truth_N])
    return np.hstack([*columns, right_N[:, None], np.ones((len(right_N), 1), np.int64)])


def _or_zero(part: Floats, whole: Floats) -> Floats:
    return np.nan_to_num(ratio(np.asarray(part, np.float64), np.asarray(whole, np.float64)))


def _mean(values_C: Floats, weights_C: Floats) -> Floats:
    return _or_zero((values_C * weights_C).sum(), weights_C.sum())
