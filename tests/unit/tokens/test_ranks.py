"""Rows are shared so that processes have alike much to do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.tokens.packing import plan_rows
from headrace.tokens.ranks import row_costs, share_rows, share_sizes


@given(costs=st.lists(st.integers(1, 10**6), min_size=1, max_size=60), world_size=st.integers(1, 60))
def test_every_row_goes_to_one_process_and_counts_differ_by_one_at_most(costs: list[int], world_size: int) -> None:
    if world_size > len(costs):
        with pytest.raises(ValueError, match="leaves nothing for some of"):
            share_rows(np.array(costs), world_size)
        return
    shares = share_rows(np.array(costs), world_size)

    assert sorted(np.concatenate(shares).tolist()) == list(range(len(costs)))
    assert [len(share) for share in shares] == share_sizes(len(costs), world_size)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all((np.diff(share) > 0).all() for share in shares)
    again = share_rows(np.array(costs), world_size)
    assert all(np.array_equal(one, two) for one, two in zip(shares, again, strict=True))


def test_three_processes_share_eight_rows_as_three_three_and_two() -> None:
    assert share_sizes(8, 3) == [3, 3, 2]


@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=50), attention_tokens=st.integers(1, 5_000))
def test_the_work_of_a_row_is_its_tokens_and_the_squares_of_its_pieces(
    lengths: list[int], attention_tokens: int
) -> None:
    plan = plan_rows(np.array(lengths, np.int32), 32)
    rows = np.arange(plan.num_rows)[::-1].copy()

    wanted = [
        32 * attention_tokens
        + sum(int(n) ** 2 for n in plan.segments["length"][plan.row_starts[row] : plan.row_starts[row + 1]])
        for row in rows
    ]
    assert row_costs(plan, rows, attention_tokens).tolist() == wanted


@pytest.mark.parametrize("world_size", [2, 4, 8])
@pytest.mark.parametrize("attention_tokens", [1, 500, 8_000])
def test_the_busiest_process_has_at_most_2_per_cent_more_than_the_mean(world_size: int, attention_tokens: int) -> None:
    """Eight rows a process or more, of web pages in rows of 2,048 tokens, even if attention were all there is."""
    lengths = np.clip(np.random.default_rng(1).lognormal(6.0, 1.2, 20_000), 1, 1e6).astype(np.int32)
    plan = plan_rows(lengths, 2_048)
    rows = np.random.default_rng(2).permutation(plan.num_rows)

    ratios = []
    for start in range(0, 64 * 60, 64):
        costs = row_costs(plan, rows[start : start + 64], attention_tokens)
        loads = [costs[share].sum() for share in share_rows(costs, world_size)]
        ratios.append(max(loads) / np.mean(loads))

    print(f"{world_size} processes: mean {np.mean(ratios):.4f}, worst {max(ratios):.4f}")
    assert max(ratios) <= 1.02
