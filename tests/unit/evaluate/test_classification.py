"""Figures agree with scikit-learn; intervals with resampling one by one; files are read as they were written."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

from headrace.errors import InputError, StoreError
from headrace.evaluate.bootstrap import bootstrap, bootstrap_mean, bootstrap_ratio
from headrace.evaluate.calibration import calibrate
from headrace.evaluate.classification import classification_report, compare_guesses, multi_label_report
from headrace.evaluate.task_report import read_task_report, write_task_report

LABELS = ("spam", "正常", "other", "<b>")


def invented(seed: int, num: int, *, num_classes: int = 4) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """True ids and probabilities that know something of them."""
    random = np.random.default_rng(seed)
    truth_N = random.integers(0, num_classes, num)
    logits_NC = random.normal(size=(num, num_classes)) + 1.5 * np.eye(num_classes)[truth_N]
    probability_NC = np.exp(logits_NC)
    return truth_N, probability_NC / probability_NC.sum(axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), num=st.integers(1, 60))
def test_figures_are_those_of_scikit_learn(seed: int, num: int) -> None:
    truth_N, probability_NC = invented(seed, num)
    guess_N = probability_NC.argmax(axis=1)

    report = classification_report(truth_N, probability_NC, labels=LABELS, seed=1)

    expected = metrics.precision_recall_fscore_support(truth_N, guess_N, labels=range(4), zero_division=0)
    for c, row in enumerate(report.classes):
        assert (row.precision, row.recall, row.f1.value, row.support) == pytest.approx([part[c] for part in expected])
    for row in report.averages:
        wanted = metrics.precision_recall_fscore_support(truth_N, guess_N, average=row.name, zero_division=0)
        assert (row.precision, row.recall, row.f1.value) == pytest.approx(wanted[:3])
    assert report.accuracy.value == pytest.approx(metrics.accuracy_score(truth_N, guess_N))
    assert report.confusion is not None
    assert np.array_equal(report.confusion.counts, metrics.confusion_matrix(truth_N, guess_N, labels=range(4)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), num=st.integers(1, 40))
def test_figures_of_several_labels_are_those_of_scikit_learn(seed: int, num: int) -> None:
    random = np.random.default_rng(seed)
    truth_NC, probability_NC = random.integers(0, 2, (num, 3)), random.random((num, 3))
    guess_NC = (probability_NC >= 0.5).astype(int)

    report = multi_label_report(truth_NC, probability_NC, labels=LABELS[:3], seed=1)

    assert report.accuracy.value == pytest.approx(metrics.accuracy_score(truth_NC, guess_NC))
    micro, _, weighted = report.averages
    for row in (micro, weighted):
        wanted = metrics.f1_score(truth_NC, guess_NC, average=row.name, zero_division=0)
        assert row.f1.value == pytest.approx(wanted)
    expected = metrics.f1_score(truth_NC, guess_NC, average=None, zero_division=0)
    assert [row.f1.value for row in report.classes] == pytest.approx(list(expected))
    assert report.confusion is None


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    confidence_N = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right_N = np.array([True, True, True, False, True, False])

    found = calibrate(confidence_N, right_N, num_bins=10)

    assert found.error == pytest.approx((4 * abs(0.75 - 0.95) + 2 * abs(0.5 - 0.55)) / 6)
    assert [(part.low, part.count) for part in found.bins] == [(pytest.approx(0.5), 2), (pytest.approx(0.9), 4)]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), num=st.integers(1, 50), num_bins=st.integers(1, 20))
def test_calibration_equals_a_loop_over_bins(seed: int, num: int, num_bins: int) -> None:
    random = np.random.default_rng(seed)
    confidence_N, right_N = random.random(num), random.random(num) < 0.5

    found = calibrate(confidence_N, right_N, num_bins=num_bins)

    slow = 0.0
    for low in range(num_bins):
        inside = (confidence_N > low / num_bins) & (confidence_N <= (low + 1) / num_bins)
        if inside.any():
            slow += inside.mean() * abs(confidence_N[inside].mean() - right_N[inside].mean())
    assert found.error == pytest.approx(slow)
    sizes = [part.count for part in found.adaptive_bins]
    assert sum(sizes) == num
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_are_those_of_resampling_example_by_example(method: str) -> None:
    values_N = np.random.default_rng(3).exponential(size=80)

    found = bootstrap(
        np.stack([values_N, np.ones(80)], axis=1),
        lambda sums: sums[..., :1] / sums[..., 1:],
        seed=1,
        method=method,  # type: ignore[arg-type]
        num_resamples=20_000,
    )[0]

    wanted = stats.bootstrap((values_N,), np.mean, n_resamples=20_000, method=method, rng=2).confidence_interval
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.012)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        right_N = np.random.default_rng(seed).random(100) < 0.8
        figure = bootstrap_mean(right_N, seed=seed)
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= 0.8 <= figure.high

    assert 0.88 <= covered / 200 <= 0.99


def test_a_ratio_weighs_examples_by_their_wholes() -> None:
    assert bootstrap_ratio(np.array([1.0, 9.0]), np.array([1, 3]), seed=0).value == pytest.approx(2.5)


def test_the_same_seed_gives_the_same_report() -> None:
    truth_N, probability_NC = invented(0, 200)
    one, two = (classification_report(truth_N, probability_NC, labels=LABELS, seed=5) for _ in range(2))

    assert one == two
    assert one.accuracy.low is not None
    assert one.accuracy.low < one.accuracy.value < (one.accuracy.high or 0)


def test_the_worst_mistakes_come_first_and_are_mistakes() -> None:
    truth_N, probability_NC = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.01, 0.99], [0.3, 0.7]])

    report = classification_report(truth_N, probability_NC, labels=("a", "b"), seed=0, texts=["w", "x", "y", "z"])

    assert [mistake.text for mistake in report.worst] == ["y", "x"]
    assert report.worst[0].loss == pytest.approx(-np.log(0.01))
    assert (report.worst[0].truth, report.worst[0].guess, report.worst[0].probability) == ("a", "b", 0.99)


def test_the_majority_is_that_of_training() -> None:
    truth_N, probability_NC = np.array([0, 0, 0, 1]), np.full((4, 2), 0.5)

    report = classification_report(truth_N, probability_NC, labels=("a", "b"), seed=0, train_counts=[1, 9])

    assert report.baselines[0].figures["accuracy"] == 0.25


def test_a_comparison_of_equals_is_nought_and_one_with_a_worse_one_is_not() -> None:
    truth_N, probability_NC = invented(1, 300)
    guess_N = probability_NC.argmax(axis=1)

    same = compare_guesses(truth_N, guess_N, guess_N, num_classes=4, seed=0)
    worse = compare_guesses(truth_N, guess_N, np.zeros_like(guess_N), num_classes=4, seed=0)

    assert (same["accuracy"].low, same["accuracy"].value, same["accuracy"].high) == (0, 0, 0)
    assert (worse["macro_f1"].low or 0) > 0.1


def test_everything_right_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = classification_report(np.array([0, 1]), np.eye(2), labels=("a", "b"), seed=0)

    assert (report.accuracy.value, report.worst) == (1.0, ())


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    truth_N, probability_NC = invented(2, 50)
    report = classification_report(truth_N, probability_NC, labels=LABELS, seed=5)

    assert read_task_report(write_task_report(report, tmp_path)) == report


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"task": "classify"}')

    with pytest.raises(StoreError, match=r"task\.json"):
        read_task_report(tmp_path / "task.json")


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(InputError, match="no examples"):
        classification_report(np.zeros(0, int), np.zeros((0, 2)), labels=("a", "b"), seed=0)
