"""Examples share rows with little padding, and none is lost."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.examples.packing import ROW_STEP, balance, cut_into_parts, lay_out

sizes = st.lists(st.integers(1, 80), min_size=1, max_size=40)


def next_length(tokens: float, step: int) -> int:
    return -int(-tokens // step) * step


@given(sizes, st.integers(1, 200))
def test_parts_hold_every_example_once_and_no_more_than_they_may(lengths: list[int], most: int) -> None:
    lengths_N = np.array(lengths)
    parts = cut_into_parts(lengths_N, most)

    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    for part in parts:
        assert lengths_N[part].sum() <= most or len(part) == 1
        assert (np.diff(lengths_N[part]) <= 0).all()


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 5), st.booleans(), st.integers(0, 9))
def test_no_sequence_could_move_or_change_places_to_shorten_the_longest_rows(
    lengths: list[int], num_rows: int, pairs: bool, seed: int
) -> None:
    num_rows = min(num_rows, len(lengths))
    lengths_N = np.sort(np.array(lengths))[::-1].copy()
    sources_N = np.random.default_rng(seed).integers(1, 50, len(lengths)) if pairs else np.zeros(len(lengths), np.int64)
    row_N = np.empty(len(lengths), np.int64)

    longest = balance(lengths_N, sources_N, num_rows, row_N)

    def longest_of(rows: np.ndarray) -> tuple[int, int]:
        sides = (np.bincount(rows, side, minlength=num_rows) for side in (lengths_N, sources_N))
        return tuple(int(side.max()) for side in sides)  # type: ignore[return-value]

    assert set(row_N.tolist()) == set(range(num_rows))
    assert longest == longest_of(row_N)
    for n in range(len(lengths)):
        for row in range(num_rows):
            moved = row_N.copy()
            moved[n] = row
            assert sum(longest_of(moved)) >= sum(longest)
        for m in range(n):
            changed = row_N.copy()
            changed[[n, m]] = row_N[[m, n]]
            assert sum(longest_of(changed)) >= sum(longest)


@settings(max_examples=40)
@given(sizes, st.booleans(), st.integers(0, 9))
def test_rows_of_a_layout_hold_what_stands_in_them(lengths: list[int], pairs: bool, seed: int) -> None:
    lengths_N = np.sort(np.array(lengths))[::-1].copy()
    sources_N = np.random.default_rng(seed).integers(1, 50, len(lengths)) if pairs else None

    found = lay_out(lengths_N, sources_N, attention_tokens=300)

    assert set(found.row_N.tolist()) == set(range(found.num_rows))
    step = 1 if pairs else ROW_STEP
    assert next_length(np.bincount(found.row_N, lengths_N).max(), step) == found.row_tokens
    if sources_N is not None:
        assert next_length(np.bincount(found.row_N, sources_N).max(), step) == found.source_tokens
    longest = next_length(lengths_N.max(), step)
    one_row_each = len(lengths) * longest * (1 + longest / 300)
    if not pairs:
        assert found.num_rows * found.row_tokens * (1 + found.row_tokens / 300) <= one_row_each


def test_a_layout_takes_little_time() -> None:
    generator = np.random.default_rng(1)
    lengths_N = np.sort(np.minimum(256, generator.lognormal(3.5, 0.7, 32).astype(np.int64) + 4))[::-1].copy()
    lay_out(lengths_N, None, attention_tokens=500)

    start = time.process_time()
    for _ in range(20):
        lay_out(lengths_N, None, attention_tokens=500)
    seconds = (time.process_time() - start) / 20

    assert seconds < 0.02, "ten times what it was seen to take"


@pytest.mark.parametrize("most", [100, 10_000])
def test_one_example_is_one_part(most: int) -> None:
    (part,) = cut_into_parts(np.array([300]), most)

    assert part.tolist() == [0]
    assert lay_out(np.array([300]), np.array([7]), attention_tokens=1).source_tokens == 7
