"""Examples share rows with little padding, and none is lost."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.examples.packing import cut_into_parts, first_fit, lay_out

sizes = st.lists(st.integers(1, 80), min_size=1, max_size=40)


@given(sizes, st.integers(1, 200))
def test_parts_hold_every_example_once_and_no_more_than_they_may(lengths: list[int], most: int) -> None:
    lengths_N = np.array(lengths)
    parts = cut_into_parts(lengths_N, most)

    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    for part in parts:
        assert lengths_N[part].sum() <= most or len(part) == 1
        assert (np.diff(lengths_N[part]) <= 0).all()


@settings(max_examples=40)
@given(sizes, st.integers(1, 60), st.booleans(), st.integers(0, 9))
def test_the_first_row_with_room_takes_a_sequence(lengths: list[int], more: int, pairs: bool, seed: int) -> None:
    lengths_N = np.array(lengths)
    sources_N = np.random.default_rng(seed).integers(1, 50, len(lengths)) if pairs else np.zeros(len(lengths), np.int64)
    row_tokens, source_tokens = lengths_N.max() + more, sources_N.max() + more
    row_N = np.empty(len(lengths), np.int64)

    num_rows = first_fit(lengths_N, sources_N, row_tokens, source_tokens, row_N)

    left: list[list[int]] = []
    for n, (length, source) in enumerate(zip(lengths_N, sources_N, strict=True)):
        row = next((r for r, room in enumerate(left) if room[0] >= length and room[1] >= source), len(left))
        if row == len(left):
            left.append([int(row_tokens), int(source_tokens)])
        left[row][0] -= length
        left[row][1] -= source
        assert row_N[n] == row
    assert num_rows == len(left)


@settings(max_examples=40)
@given(sizes, st.booleans(), st.integers(0, 9))
def test_rows_of_a_layout_hold_what_stands_in_them(lengths: list[int], pairs: bool, seed: int) -> None:
    lengths_N = np.sort(np.array(lengths))[::-1].copy()
    sources_N = np.random.default_rng(seed).integers(1, 50, len(lengths)) if pairs else None

    found = lay_out(lengths_N, sources_N, attention_tokens=300)

    assert set(found.row_N.tolist()) == set(range(found.num_rows))
    assert np.bincount(found.row_N, lengths_N).max() == found.row_tokens
    if sources_N is not None:
        assert np.bincount(found.row_N, sources_N).max() == found.source_tokens
    one_row_each = len(lengths) * lengths_N.max() * (1 + lengths_N.max() / 300)
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
