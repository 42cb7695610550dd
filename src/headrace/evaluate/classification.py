"""What predicted probabilities of classes are worth.

N examples, C classes. Precision, recall, F1 and their intervals come from `counts.py`; log loss and average precision
are scikit-learn's.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss

from headrace.errors import InputError
from headrace.evaluate.bootstrap import bootstrap_difference
from headrace.evaluate.calibration import calibrate
from headrace.evaluate.counts import f1_statistic, pair_counts, score_counts
from headrace.evaluate.task_report import Baseline, ClassificationReport, Confusion, Figure, Mistake

MOST_MISTAKES = 20
MOST_CHARACTERS = 2000
THRESHOLD = 0.5  # from which on a label of several is given
SMALLEST = 1e-12  # below it a probability is as good as none


def classification_report(
    truth_N: NDArray[np.integer],
    probability_NC: NDArray[np.floating],
    *,
    labels: Sequence[str],
    seed: int,
    texts: Sequence[str] | None = None,
    train_counts: Sequence[int] | None = None,
) -> ClassificationReport:
    """The report of one class per example.

    truth_N: ids of `labels`; probability_NC: rows that sum to 1. train_counts: how often each class occurs in
    training, which the majority baseline goes by; by default that of the truth. Raises InputError without examples.
    """
    given_NC, num = _checked(truth_N, probability_NC, labels), len(labels)
    share_NC = given_NC / given_NC.sum(axis=1, keepdims=True)
    guess_N = share_NC.argmax(axis=1)
    confusion_CC = np.bincount(truth_N * num + guess_N, minlength=num * num).reshape(num, num)
    truth_U, guess_U = np.nonzero(confusion_CC)  # a resample cares only for how often each pair occurs
    counts_UK = pair_counts(truth_U, guess_U, num_classes=num)
    scores = score_counts(counts_UK, labels, seed=seed, times_N=confusion_CC[truth_U, guess_U])
    confidence_N = share_NC[np.arange(len(guess_N)), guess_N]
    return ClassificationReport(
        task="classify",
        examples=len(truth_N),
        labels=tuple(labels),
        multi_label=False,
        accuracy=scores.accuracy,
        macro_f1=scores.macro_f1,
        log_loss=float(log_loss(truth_N, share_NC, labels=np.arange(num))),
        classes=scores.classes,
        averages=scores.averages,
        confusion=Confusion(tuple(labels), tuple(tuple(row) for row in confusion_CC.tolist())),
        calibration=calibrate(confidence_N, guess_N == truth_N),
        average_precision=_average_precision(np.eye(num)[truth_N], share_NC, labels),
        worst=_worst(truth_N, guess_N, share_NC, labels=labels, texts=texts),
        baselines=(_majority(truth_N, np.asarray(train_counts or confusion_CC.sum(axis=1)), num),),
    )


def multi_label_report(
    truth_NC: NDArray[np.generic],
    probability_NC: NDArray[np.floating],
    *,
    labels: Sequence[str],
    seed: int,
    texts: Sequence[str] | None = None,
) -> ClassificationReport:
    """The report of any number of labels per example; each is given from a probability of 0.5 on.

    truth_NC: 0 or 1. The baseline gives every label that more than half of the examples have.
    """
    share_NC = _checked(truth_NC, probability_NC, labels)
    truth, guess = np.asarray(truth_NC) > 0, share_NC >= THRESHOLD
    scores = score_counts(_label_counts(truth, guess), labels, seed=seed)
    usual = np.broadcast_to(truth.mean(axis=0) > THRESHOLD, truth.shape)
    usual_scores = f1_statistic(len(labels))(_label_counts(truth, usual).sum(axis=0).astype(np.float64))
    return ClassificationReport(
        task="classify",
        examples=len(truth),
        labels=tuple(labels),
        multi_label=True,
        accuracy=scores.accuracy,
        macro_f1=scores.macro_f1,
        log_loss=float(log_loss(truth.ravel(), share_NC.ravel(), labels=[False, True])),
        classes=scores.classes,
        averages=scores.averages,
        confusion=None,
        calibration=calibrate(np.where(guess, share_NC, 1 - share_NC).ravel(), (guess == truth).ravel()),
        average_precision=_average_precision(truth, share_NC, labels),
        worst=_worst_of_many(truth, guess, share_NC, labels=labels, texts=texts),
        baselines=(Baseline("usual labels", _baseline_figures(usual_scores)),),
    )


def compare_guesses(
    truth_N: NDArray[np.integer],
    guess_N: NDArray[np.integer],
    others_N: NDArray[np.integer],
    *,
    num_classes: int,
    seed: int,
) -> dict[str, Figure]:
    """By how much one classifier's `accuracy` and `macro_f1` exceed another's, each resample drawing both together."""
    ours, theirs = (pair_counts(truth_N, guess, num_classes=num_classes) for guess in (guess_N, others_N))
    found = bootstrap_difference(ours, theirs, f1_statistic(num_classes), seed=seed)
    return {"accuracy": found[0], "macro_f1": found[2]}


def _checked(
    truth: NDArray[np.generic], probability_NC: NDArray[np.floating], labels: Sequence[str]
) -> NDArray[np.float64]:
    if len(truth) == 0:
        raise InputError("no examples to report on: the split is empty. Give `test` a greater share, or a file.")
    assert probability_NC.shape == (len(truth), len(labels)), f"{probability_NC.shape} probabilities, {len(truth)} rows"
    assert np.isfinite(probability_NC).all(), "a probability is no number"
    return np.asarray(probability_NC, np.float64)


def _label_counts(truth_NC: NDArray[np.bool_], guess_NC: NDArray[np.bool_]) -> NDArray[np.int64]:
    right_N = (truth_NC == guess_NC).all(axis=1)
    columns = (truth_NC & guess_NC, guess_NC, truth_NC, right_N[:, None], np.ones((len(right_N), 1), bool))
    return np.hstack([column.astype(np.int64) for column in columns])


def _average_precision(
    truth_NC: NDArray[np.generic], probability_NC: NDArray[np.float64], labels: Sequence[str]
) -> dict[str, float]:
    found = {
        name: float(average_precision_score(truth_NC[:, c], probability_NC[:, c]))
        for c, name in enumerate(labels)
        if truth_NC[:, c].any()
    }
    return {"macro": sum(found.values()) / max(1, len(found)), **found}


def _majority(truth_N: NDArray[np.integer], train_counts_C: NDArray[np.integer], num_classes: int) -> Baseline:
    guess_N = np.full(len(truth_N), int(train_counts_C.argmax()))
    counts_NK = pair_counts(truth_N, guess_N, num_classes=num_classes)
    return Baseline("majority class", _baseline_figures(f1_statistic(num_classes)(counts_NK.sum(0).astype(np.float64))))


def _baseline_figures(statistic_S: NDArray[np.float64]) -> dict[str, float]:
    return {"accuracy": float(statistic_S[0]), "macro_f1": float(np.nan_to_num(statistic_S[2]))}


def _worst(
    truth_N: NDArray[np.integer],
    guess_N: NDArray[np.integer],
    probability_NC: NDArray[np.float64],
    *,
    labels: Sequence[str],
    texts: Sequence[str] | None,
) -> tuple[Mistake, ...]:
    every = np.arange(len(truth_N))
    loss_N = -np.log(np.maximum(probability_NC[every, truth_N], SMALLEST))
    return tuple(
        Mistake(
            _text(texts, n),
            labels[truth_N[n]],
            labels[guess_N[n]],
            float(probability_NC[n, guess_N[n]]),
            float(loss_N[n]),
        )
        for n in _greatest(loss_N, guess_N != truth_N)
    )


def _worst_of_many(
    truth_NC: NDArray[np.bool_],
    guess_NC: NDArray[np.bool_],
    probability_NC: NDArray[np.float64],
    *,
    labels: Sequence[str],
    texts: Sequence[str] | None,
) -> tuple[Mistake, ...]:
    """`probability` is that of the least likely decision of the guess."""
    loss_N = -np.log(np.maximum(np.where(truth_NC, probability_NC, 1 - probability_NC), SMALLEST)).sum(axis=1)
    certain_N = np.where(guess_NC, probability_NC, 1 - probability_NC).min(axis=1)
    return tuple(
        Mistake(
            _text(texts, n),
            _joined(truth_NC[n], labels),
            _joined(guess_NC[n], labels),
            float(certain_N[n]),
            float(loss_N[n]),
        )
        for n in _greatest(loss_N, (truth_NC != guess_NC).any(axis=1))
    )


def _greatest(loss_N: NDArray[np.float64], wrong_N: NDArray[np.bool_]) -> list[int]:
    order = np.argsort(-loss_N, kind="stable")
    return [int(n) for n in order[wrong_N[order]][:MOST_MISTAKES]]


def _joined(given_C: NDArray[np.bool_], labels: Sequence[str]) -> str:
    return ", ".join(labels[c] for c in np.flatnonzero(given_C).tolist()) or "(none)"


def _text(texts: Sequence[str] | None, place: int) -> str:
    return texts[place][:MOST_CHARACTERS] if texts is not None else f"example {place}"
