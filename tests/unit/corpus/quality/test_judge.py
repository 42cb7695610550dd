"""Figures and thresholds agree with their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.quality.judge import auroc, calibrate, measure_scores
from headrace.errors import InputError

SCORES = st.lists(
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32), min_size=1, max_size=30
)


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order(good: list[float], bad: list[float]) -> None:
    pairs = [(one > other) + 0.5 * (one == other) for one in good for other in bad]

    assert auroc(np.array(good), np.array(bad)) == pytest.approx(np.mean(pairs))


@given(SCORES, st.floats(0.01, 1), st.data())
def test_no_threshold_comes_closer_to_the_share_to_keep(scores: list[float], rate: float, data: st.DataObject) -> None:
    values = np.array(scores, np.float32)
    weights = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(scores), max_size=len(scores))))

    def kept(threshold: float) -> float:
        return float(weights[values >= threshold].sum() / weights.sum())

    threshold = calibrate(values, rate, weights)
    distances = [abs(kept(other) - rate) for other in values]
    assert abs(kept(threshold) - rate) <= min(distances) + 1e-9
    assert kept(threshold) > 0


def test_equal_scores_stay_or_go_together() -> None:
    assert calibrate(np.array([0.5, 0.5, 0.5, 0.9]), 0.5) == 0.9
    assert calibrate(np.array([0.5, 0.5, 0.9, 0.9]), 0.75) == 0.5
    assert calibrate(np.array([0.2]), 0.01) == 0.2


@pytest.mark.parametrize(
    ("scores", "rate"), [([], 0.5), ([0.1], 0.0), ([0.1], 1.5), ([float("nan")], 0.5), ([0.1], float("nan"))]
)
def test_what_has_no_threshold_is_refused(scores: list[float], rate: float) -> None:
    with pytest.raises(InputError, match="threshold"):
        calibrate(np.array(scores), rate)


def test_figures_of_perfect_and_of_constant_scores() -> None:
    perfect = measure_scores(np.ones(3), np.zeros(30))
    constant = measure_scores(np.full(3, 0.5), np.full(30, 0.5))

    assert (perfect.auroc, perfect.brier, perfect.calibration_error) == pytest.approx((1, 0, 0))
    assert (constant.auroc, constant.brier, constant.calibration_error) == pytest.approx((0.5, 0.25, 0))
    with pytest.raises(InputError):
        measure_scores(np.ones(3), np.zeros(0))
