"""Curricula: sorted at first, random in the end, every row once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.tokens.curriculum import rank_rows
from headrace.tokens.order import Curriculum
from headrace.tokens.ordering import build_order
from headrace.tokens.packing import SEGMENT, PackingPlan, SourceRows, plan_rows


def order_of(num_rows: int, random_after: float | None, seed: int = 3) -> list[int]:
    """Ranks in the order in which an epoch takes them: rows lie in order of score."""
    plan = PackingPlan(np.empty(0, SEGMENT), np.zeros(num_rows + 1, np.int64), 8, (SourceRows("a", 0, num_rows, 1),))
    order = build_order(plan, seed=seed, curriculum=Curriculum(np.arange(num_rows), random_after))
    return order.rows(0, 3 * num_rows).tolist()


@given(num_rows=st.integers(1, 400), random_after=st.none() | st.floats(1e-6, 1.0), seed=st.integers(0, 99))
def test_every_row_comes_once_an_epoch(num_rows: int, random_after: float | None, seed: int) -> None:
    ranks = order_of(num_rows, random_after, seed)

    for start in (0, num_rows, 2 * num_rows):
        assert sorted(ranks[start : start + num_rows]) == list(range(num_rows))


def test_without_an_end_all_of_the_first_epoch_is_sorted_and_later_ones_are_not() -> None:
    ranks = order_of(500, None)

    assert ranks[:500] == list(range(500))
    assert abs(np.corrcoef(np.arange(500), ranks[500:1_000])[0, 1]) < 0.2


@pytest.mark.parametrize("random_after", [0.2, 0.5, 1.0])
def test_order_fades_and_what_follows_is_random(random_after: float) -> None:
    num_rows = 20_000
    ranks = np.array(order_of(num_rows, random_after)[:num_rows])
    until = int(random_after * num_rows)

    def sorted_share(part: np.ndarray) -> float:
        """Of neighbours: a random order rises half of the time."""
        return float((np.diff(part) > 0).mean())

    tenth = until // 10
    assert ranks[: tenth // 4].max() < num_rows  # a few random ones are among them from the start
    assert sorted_share(ranks[: tenth // 4]) > sorted_share(ranks[4 * tenth : 6 * tenth]) > 0.5
    assert np.median(ranks[:tenth]) < 0.15 * num_rows  # easy ones come first
    if until < num_rows:
        rest = ranks[until:]
        assert abs(sorted_share(rest) - 0.5) < 0.02
        assert abs(np.corrcoef(np.arange(len(rest)), rest)[0, 1]) < 0.04
        assert abs(rest.mean() / num_rows - 0.5) < 0.02  # and they are easy and hard alike


def test_rows_are_ranked_by_the_mean_over_their_tokens_within_their_source() -> None:
    lengths = np.array([4, 2, 2, 8, 3, 5, 8], np.int32)
    sources = np.array([0, 0, 0, 0, 1, 1, 1], np.int32)
    scores = np.array([1.0, 9.0, 9.0, 4.0, 2.0, 2.0, 1.0])
    plan = plan_rows(lengths, 8, sources=sources, names=("a", "b"))

    for descending in (False, True):
        ranked = rank_rows(plan, scores, descending=descending)

        means = []
        for row in ranked.tolist():
            inside = plan.segments[plan.row_starts[row] : plan.row_starts[row + 1]]
            means.append(float((inside["length"] * scores[inside["document"]]).sum() / inside["length"].sum()))
        for source in plan.sources:
            part = means[source.first : source.first + source.count]
            assert part == sorted(part, reverse=descending)
    assert sorted(ranked.tolist()) == list(range(plan.num_rows))


def test_a_missing_score_is_refused() -> None:
    plan = plan_rows(np.array([4, 4], np.int32), 8)

    with pytest.raises(ValueError, match="1 of 2 documents have no score"):
        rank_rows(plan, np.array([1.0, np.nan]), descending=False)
