"""Mixtures: every source gets what it is owed, at any point, whatever changes when."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.errors import InputError
from headrace.tokens.mixture import Knot, Mixture
from headrace.tokens.mixture_config import MixtureConfig
from headrace.tokens.order import Mixed
from headrace.tokens.ordering import build_order, samples_alike
from headrace.tokens.packing import SEGMENT, PackingPlan, SourceRows

NAMES = "abcdefg"
WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=7)
POWERS = st.lists(st.sampled_from([1, 2, 4, 8, 16]), min_size=1, max_size=7)


def named(weights: list[float]) -> dict[str, float]:
    return dict(zip(NAMES, weights, strict=False))


def drawn(mixture: Mixture, count: int) -> list[tuple[int, int]]:
    return list(zip(*(each.tolist() for each in mixture.draw(0, count)), strict=True))


def plan_of(counts: dict[str, int], row_tokens: int = 10) -> PackingPlan:
    """A plan of which only the sources matter."""
    sources, first = [], 0
    for name, count in counts.items():
        sources.append(SourceRows(name, first, count, count * row_tokens))
        first += count
    return PackingPlan(np.empty(0, SEGMENT), np.zeros(first + 1, np.int64), row_tokens, tuple(sources))


@given(weights=POWERS)
def test_samples_come_in_the_order_of_exact_times(weights: list[int]) -> None:
    """Weights are padded to a sum that is a power of two, so that shares are exact in floating point."""
    total = 1 << (sum(weights) - 1).bit_length()
    padded = [*weights, *([total - sum(weights)] if total > sum(weights) else [])]
    times = sorted((Fraction(2 * k + 1, 2) / w, source, k) for source, w in enumerate(padded) for k in range(40 * w))

    wanted = [(source, number) for _, source, number in times[:300]]
    assert drawn(Mixture.of([Knot(0, dict(enumerate_names(padded)))], {}), len(wanted)) == wanted


def enumerate_names(weights: list[int]) -> list[tuple[str, float]]:
    return [(f"source {number}", float(weight)) for number, weight in enumerate(weights)]


@given(weights=WEIGHTS, first=st.integers(0, 10**9))
def test_no_source_is_ahead_or_behind_by_more_than_the_number_of_sources(weights: list[float], first: int) -> None:
    mixture = Mixture.of([Knot(0, named(weights))], {})

    taken = np.array(list(mixture.taken(first).values()))

    assert taken.sum() == first
    owed = first * np.array(weights) / sum(weights)
    assert (np.abs(taken - owed) <= max(1, len(weights) - 1)).all()


@given(
    points=st.lists(st.tuples(st.floats(1, 200), st.lists(st.floats(0, 5), min_size=3, max_size=3)), max_size=5),
    linear=st.booleans(),
    most=st.lists(st.none() | st.integers(1, 150), min_size=3, max_size=3),
)
def test_drawing_from_anywhere_gives_the_same_and_counts_are_exact(
    points: list[tuple[float, list[float]]], linear: bool, most: list[int | None]
) -> None:
    knots = [Knot(0.0, named([1.0, 2.0, 0.5]))]
    for gap, weights in points:
        if not linear:
            knots.append(Knot(knots[-1].sample + gap, knots[-1].weights))
        knots.append(Knot(knots[-1].sample + (gap if linear else 0.0), named(weights)))
    mixture = Mixture.of(knots, {name: float(rows) for name, rows in named(most).items() if rows})
    count = int(min(mixture.num_samples, 700))
    samples = drawn(mixture, count)

    for source in range(3):
        numbers = [number for which, number in samples if which == source]
        assert numbers == list(range(len(numbers)))  # none repeated, none skipped
        assert most[source] is None or len(numbers) <= most[source]
    for start in range(0, count, 37):
        sources, numbers = mixture.draw(start, min(50, count - start))
        assert list(zip(sources.tolist(), numbers.tolist(), strict=True)) == samples[start : start + 50]
        counts = [sum(which == source for which, _ in samples[:start]) for source in range(3)]
        assert list(mixture.taken(start).values()) == counts
    if count < mixture.num_samples - 1:
        return
    with pytest.raises(ValueError, match="whose sources give"):
        mixture.draw(count, 2)


@pytest.mark.parametrize("between", ["steps", "linear"])
def test_a_schedule_gives_the_integral_of_its_shares(between: str) -> None:
    schedule = [
        {"tokens": 0, "weights": {"a": 3, "b": 1}},
        {"tokens": 4_000, "weights": {"a": 1, "b": 1}},
        {"tokens": 10_000, "weights": {"a": 0, "b": 1}},
    ]
    config = MixtureConfig.model_validate({"schedule": schedule, "between": between})
    order = build_order(plan_of({"a": 50, "b": 80}), seed=1, mixture=config)
    assert isinstance(order, Mixed)

    def share(sample: float) -> float:
        if between == "steps":
            return 0.75 if sample < 400 else 0.5 if sample < 1_000 else 0.0
        return float(np.interp(sample, [0, 400, 1_000], [0.75, 0.5, 0.0]))

    fine = np.linspace(0, 1_500, 300_001)
    integral = np.concatenate([[0], np.cumsum([share(x) for x in (fine[1:] + fine[:-1]) / 2]) * (fine[1] - fine[0])])
    for samples in (0, 1, 399, 400, 401, 777, 1_000, 1_001, 1_500):
        taken = order.mixture.taken(samples)
        assert taken["a"] + taken["b"] == samples
        assert abs(taken["a"] - np.interp(samples, fine, integral)) <= 1.0


@given(change=st.integers(0, 600), weights=st.lists(st.floats(0.1, 9), min_size=3, max_size=3))
def test_changing_weights_neither_repeats_nor_loses_a_row(change: int, weights: list[float]) -> None:
    """As when a run stops, its recipe is given a point more, and it goes on."""
    before = Mixture.of([Knot(0, named([5, 3, 1]))], {})
    after = Mixture.of([Knot(0, named([5, 3, 1])), Knot(change, named([5, 3, 1])), Knot(change, named(weights))], {})

    samples = drawn(after, change + 300)

    agree = next((place for place, pair in enumerate(zip(samples, drawn(before, change + 300), strict=True))
                  if pair[0] != pair[1]), change)  # fmt: skip
    assert agree >= change - 2  # rounding in the last samples before the change looks at what comes after it
    for source in range(3):
        numbers = [number for which, number in samples if which == source]
        assert numbers == list(range(len(numbers)))


@given(
    place=st.integers(1, 60),
    before=st.lists(st.floats(0.1, 9), min_size=3, max_size=3),
    after=st.lists(st.floats(0.1, 9), min_size=3, max_size=3),
    between=st.sampled_from(["steps", "linear"]),
    shorter=st.booleans(),
)
def test_schedules_begin_alike_as_far_as_is_said(
    place: int, before: list[float], after: list[float], between: str, shorter: bool
) -> None:
    plan, end = plan_of({"a": 900, "b": 500, "c": 100}), 100

    def mixture(weights: list[float], *, points: int) -> MixtureConfig:
        """Constant for 100 rows, then on to other weights at `place` rows more, if it has a point there."""
        schedule = [(0, before), (10 * end, before), (10 * (end + place), weights)][:points]
        listed = [{"tokens": tokens, "weights": named(each)} for tokens, each in schedule]
        return MixtureConfig.model_validate({"schedule": listed, "between": between}, strict=False)

    one, other = mixture(before[::-1], points=2 if shorter else 3), mixture(after, points=3)
    samples = samples_alike(one, other, plan)
    assert samples == samples_alike(other, one, plan)
    assert samples >= end - 4 or math.isinf(samples)
    count = int(min(samples, 400))
    rows = [build_order(plan, seed=3, mixture=config).rows(0, count).tolist() for config in (one, other)]
    assert rows[0] == rows[1]


def test_mixtures_with_other_limits_are_not_taken_for_alike() -> None:
    plan = plan_of({"a": 9, "b": 9})
    one, other = MixtureConfig(most_epochs=2.0), MixtureConfig(most_epochs=3.0)
    assert samples_alike(one, other, plan) == 0
    assert math.isinf(samples_alike(one, one, plan))
    assert samples_alike(MixtureConfig(weights={"a": 1, "b": 1}), MixtureConfig(weights={"a": 1, "b": 2}), plan) == 0


def test_a_source_that_is_used_up_leaves_its_share_to_the_others() -> None:
    config = MixtureConfig(weights={"a": 2, "b": 1, "c": 1}, most_epochs={"a": 2, "b": 1.5})
    order = build_order(plan_of({"a": 10, "b": 10, "c": 10}), seed=1, mixture=config)
    assert isinstance(order, Mixed)

    assert order.mixture.taken(40) == {"a": 20, "b": 10, "c": 10}
    assert order.mixture.taken(50) == {"a": 20, "b": 15, "c": 15}
    assert order.mixture.taken(90) == {"a": 20, "b": 15, "c": 55}
    limited = build_order(
        plan_of({"a": 10, "b": 4}), seed=1, mixture=MixtureConfig(weights={"a": 1, "b": 1}, most_epochs=3)
    )
    assert isinstance(limited, Mixed)
    assert limited.mixture.num_samples == 42
    assert sorted(limited.rows(0, 42).tolist()) == sorted(list(range(14)) * 3)


def test_temperature_flattens_and_size_is_the_default() -> None:
    def shares(**given: float) -> list[int]:
        order = build_order(plan_of({"a": 900, "b": 100}), seed=1, mixture=MixtureConfig(**given))
        assert isinstance(order, Mixed)
        return list(order.mixture.taken(1_000).values())

    assert shares() == [900, 100]
    assert shares(temperature=2.0) == [750, 250]
    assert abs(shares(temperature=1e6)[0] - 500) <= 1
    assert shares(temperature=0.5) == [988, 12]


def test_rows_of_a_source_come_in_the_same_order_whatever_its_weight_and_its_neighbours() -> None:
    def rows_of(counts: dict[str, int], weights: dict[str, float]) -> list[int]:
        plan = plan_of(counts)
        order = build_order(plan, seed=3, mixture=MixtureConfig(weights=weights))
        first = next(source.first for source in plan.sources if source.source == "a")
        return [row - first for row in order.rows(0, 400).tolist() if first <= row < first + counts["a"]][:60]

    alone = rows_of({"a": 25, "b": 9}, {"a": 1, "b": 1})
    assert rows_of({"a": 25, "b": 9}, {"a": 5, "b": 1}) == alone
    assert rows_of({"0": 7, "a": 25, "b": 9}, {"0": 1, "a": 1, "b": 1}) == alone
    assert all(sorted(alone[i : i + 25]) == list(range(25)) for i in (0, 25))
    assert alone[:25] != alone[25:50]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"weights": {"a": 1}}, "a weight for b is missing. Write 0"),
        ({"weights": {"a": 1, "b": 1, "z": 1}}, "no rows of a source called z; there are a, b"),
        ({"most_epochs": {"z": 1}}, "most_epochs: no rows of a source called z"),
    ],
)
def test_a_mixture_that_does_not_fit_the_store_is_refused(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        build_order(plan_of({"a": 5, "b": 5}), seed=1, mixture=MixtureConfig.model_validate(given))


@pytest.mark.parametrize(
    "given",
    [
        {"weights": {"a": 0}},
        {"weights": {"a": -1}},
        {"weights": {"a": 1}, "schedule": [{"tokens": 0, "weights": {"a": 1}}]},
        {"schedule": [{"tokens": 5, "weights": {"a": 1}}]},
        {"schedule": [{"tokens": 0, "weights": {"a": 1}}, {"tokens": 0, "weights": {"a": 2}}]},
        {"schedule": [{"tokens": 0, "weights": {"a": 0}}]},
        {"temperature": 0.0},
        {"most_epochs": 0.0},
    ],
)
def test_a_mixture_that_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MixtureConfig.model_validate(given)


def test_a_sample_far_away_is_found_at_once() -> None:
    mixture = Mixture.of([Knot(0, named([7, 2, 1, 0.01])), Knot(10**9, named([1, 1, 1, 1]))], {})
    far = 3 * 10**9

    sources, numbers = mixture.draw(far, 1_000)

    assert sum(mixture.taken(far).values()) == far
    for source in range(4):
        mine = numbers[sources == source].tolist()
        assert all(after == before + 1 for before, after in pairwise(mine))
        assert mine[0] == list(mixture.taken(far).values())[source]
