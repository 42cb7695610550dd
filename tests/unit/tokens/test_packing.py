"""Packing: no token is lost or doubled, no row is overfull, and rows are nearly full."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.tokens.fit import assign_rows
from headrace.tokens.packing import Packing, PackingPlan, plan_rows

LENGTHS = st.lists(st.integers(1, 70), max_size=60).map(lambda values: np.array(values, np.int32))


def rows_of(plan: PackingPlan) -> list[list[tuple[int, int, int]]]:
    bounds = plan.row_starts.tolist()
    return [plan.segments[start:end].tolist() for start, end in pairwise(bounds)]


def realistic_lengths(count: int, seed: int) -> NDArray[np.int32]:
    """Lengths of web pages: median 400 tokens, a tail far beyond any row."""
    return np.clip(np.random.default_rng(seed).lognormal(6.0, 1.2, count), 1, 1e6).astype(np.int32)


@given(lengths=LENGTHS, row_tokens=st.integers(1, 64))
@pytest.mark.parametrize("packing", ["best_fit", "concatenate"])
def test_every_token_has_exactly_one_place_and_no_row_is_overfull(
    packing: Packing, lengths: NDArray[np.int32], row_tokens: int
) -> None:
    plan = plan_rows(lengths, row_tokens, packing=packing)

    placed = [
        (document, token)
        for row in rows_of(plan)
        for document, start, length in row
        for token in range(start, start + length)
    ]
    assert sorted(placed) == [(d, t) for d, length in enumerate(lengths.tolist()) for t in range(length)]
    assert all(1 <= sum(length for *_, length in row) <= row_tokens for row in rows_of(plan))


@given(lengths=LENGTHS, row_tokens=st.integers(1, 64))
def test_a_document_is_cut_only_where_a_row_is_full(lengths: NDArray[np.int32], row_tokens: int) -> None:
    segments = plan_rows(lengths, row_tokens).segments

    assert (segments["start"] % row_tokens == 0).all()
    assert len(segments) == sum(-(-length // row_tokens) for length in lengths.tolist())


@given(lengths=st.lists(st.integers(1, 24), max_size=60))
def test_rows_are_those_of_a_slow_best_fit_decreasing(lengths: list[int]) -> None:
    row_tokens = 24
    space: list[int] = []
    filled: list[list[int]] = []
    for length in sorted(lengths, reverse=True):
        fitting = [row for row, left in enumerate(space) if left >= length]
        if not fitting:
            space.append(row_tokens)
            filled.append([])
            fitting = [len(space) - 1]
        best = min(fitting, key=lambda row: space[row])
        space[best] -= length
        filled[best].append(length)

    rows = np.empty(len(lengths), np.int64)
    num_rows = assign_rows(np.array(lengths, np.int32), row_tokens, rows)

    found: dict[int, list[int]] = {}
    for length, row in zip(lengths, rows.tolist(), strict=True):
        found.setdefault(row, []).append(length)
    # Which of two equally full rows is taken is open, and changes neither the number of rows nor their fill.
    assert len(found) == len(filled) == num_rows
    assert sorted(map(sum, found.values())) == sorted(map(sum, filled))


@pytest.mark.parametrize("row_tokens", [128, 512, 2048])
def test_rows_of_realistic_documents_are_99_per_cent_full(row_tokens: int) -> None:
    lengths = realistic_lengths(20_000, seed=row_tokens)

    plan = plan_rows(lengths, row_tokens)

    assert lengths.sum() / (plan.num_rows * row_tokens) >= 0.99


def test_a_plan_repeats_and_survives_the_disk(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("plan")
    lengths = realistic_lengths(3_000, seed=5)
    plan = plan_rows(lengths, 256)

    plan.save(folder / "train")
    loaded = PackingPlan.load(folder / "train", 256)

    for other in (plan_rows(lengths, 256), loaded):
        assert np.array_equal(other.segments, plan.segments)
        assert np.array_equal(other.row_starts, plan.row_starts)
    assert loaded.num_rows == plan.num_rows


@pytest.mark.parametrize("packing", ["best_fit", "concatenate"])
def test_nothing_to_pack_is_no_rows(packing: Packing) -> None:
    assert plan_rows(np.empty(0, np.int32), 16, packing=packing).num_rows == 0


@given(lengths=LENGTHS, row_tokens=st.integers(1, 64))
def test_documents_end_to_end_fill_every_row_but_the_last(lengths: NDArray[np.int32], row_tokens: int) -> None:
    plan = plan_rows(lengths, row_tokens, packing="concatenate")

    assert [sum(length for *_, length in row) for row in rows_of(plan)[:-1]] == [row_tokens] * max(0, plan.num_rows - 1)
    assert plan.segments["document"].tolist() == sorted(plan.segments["document"].tolist())


@pytest.mark.parametrize("packing", ["best_fit", "concatenate"])
def test_a_row_holds_documents_of_one_source(packing: Packing) -> None:
    lengths = realistic_lengths(500, seed=3)
    sources = np.random.default_rng(3).integers(0, 3, 500).astype(np.int32)
    sources[sources == 1] = 2

    plan = plan_rows(lengths, 256, sources=sources, names=("a", "b", "c"), packing=packing)

    assert [each.source for each in plan.sources] == ["a", "b", "c"]
    assert [each.first for each in plan.sources] == [0, plan.sources[0].count, plan.sources[0].count]
    assert plan.sources[1].count == plan.sources[1].num_tokens == 0
    for number, each in enumerate(plan.sources):
        bounds = plan.row_starts[[each.first, each.first + each.count]]
        inside = plan.segments[bounds[0] : bounds[1]]
        assert (sources[inside["document"]] == number).all()
        assert inside["length"].sum() == lengths[sources == number].sum() == each.num_tokens


@given(lengths=st.lists(st.integers(1, 9_000), min_size=1, max_size=60), row_tokens=st.integers(4_000, 9_000))
def test_long_rows_are_searched_alike(lengths: list[int], row_tokens: int) -> None:
    """Bits of bits: rows of more than 4,096 spaces."""
    plan = plan_rows(np.array(lengths, np.int32), row_tokens)
    pieces = sorted(plan.segments["length"].tolist(), reverse=True)
    space: list[int] = []
    for length in pieces:
        fitting = [row for row, left in enumerate(space) if left >= length]
        if not fitting:
            space.append(row_tokens)
            fitting = [len(space) - 1]
        space[min(fitting, key=lambda row: space[row])] -= length

    found = [row_tokens - sum(length for *_, length in row) for row in rows_of(plan)]
    assert sorted(found) == sorted(space)
