"""The cheapest way that fits, by trying all of them."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import CapacityError
from headrace.models.recompute import Recomputed
from headrace.train.memory.kept import BlockCosts
from headrace.train.memory.plan import Choices, MemoryPlan, Needs, _kept, choose

MEGABYTE = 1_000_000
BLOCK = BlockCosts(
    stream_bytes=MEGABYTE,
    attention_bytes=8 * MEGABYTE,
    feed_forward_bytes=12 * MEGABYTE,
    attention_seconds=0.010,
    feed_forward_seconds=0.030,
    fixed_seconds=0.001,
)
NEEDS = Needs(
    resident=1000 * MEGABYTE,
    gradients=400 * MEGABYTE,
    state=800 * MEGABYTE,
    section_state=100 * MEGABYTE,
    snapshot=1200 * MEGABYTE,
    update=0,
    row=MEGABYTE,
    head=100 * MEGABYTE,
)
CHOICES = Choices(micro_batch_rows=(8, 4, 2, 1), rows_a_step=32, halves=True, page="auto")


def plan(limit_megabytes: int, **changed: object) -> MemoryPlan:
    choices = Choices(**{**vars(CHOICES), **changed})  # type: ignore[arg-type]  # what a test names is a choice
    return choose([BLOCK] * 10, NEEDS, choices, limit_bytes=limit_megabytes * MEGABYTE)


def test_with_room_for_all_nothing_is_done() -> None:
    found = plan(10_000)

    assert found.keeps_all(8)
    assert found.seconds == 0.0
    assert found.describe(all_rows=8).startswith("memory: everything is kept")


def test_every_plan_fits_and_less_memory_never_costs_less_time() -> None:
    found = [plan(limit) for limit in range(6_000, 1_950, -150)]

    assert all(one.forecast_bytes <= one.limit_bytes for one in found)
    assert all(one.seconds <= other.seconds for one, other in itertools.pairwise(found))
    assert {one.state for one in found} == {"memory", "disk"}
    assert not found[-1].copied_checkpoints


def test_what_frees_most_for_its_time_is_recomputed_first() -> None:
    few = plan(3_700, micro_batch_rows=(8,), page="nothing")

    assert 0 < few.num_recomputed < 10
    assert set(few.recomputed) - {"nothing"} <= {"attention", "block"}
    assert "blocks are computed again" in few.describe(all_rows=8)
    assert set(plan(3_700, micro_batch_rows=(8,), page="nothing", halves=False).recomputed) <= {"nothing", "block"}


def test_what_cannot_fit_is_refused_with_the_least_that_would_do() -> None:
    with pytest.raises(CapacityError, match=r"at least 1\.\d\d GB of memory and may take 1\.50 GB") as caught:
        plan(1_500)
    assert caught.match("by_block")


def test_disk_and_copies_are_used_only_where_they_may_be() -> None:
    assert plan(10_000, page="state").state == "disk"
    assert plan(10_000, may_copy=False).copied_checkpoints is False
    with pytest.raises(CapacityError):
        plan(2_050, page="nothing")
    assert plan(2_050).state == "disk"


sizes = st.integers(1, 30)


@settings(max_examples=60, deadline=None)
@given(st.tuples(sizes, sizes, sizes, sizes), st.integers(2, 5), st.integers(1_300, 3_000))
def test_the_choice_of_parts_is_near_the_best_of_all_choices(
    block: tuple[int, int, int, int], depth: int, limit_megabytes: int
) -> None:
    """Against every combination, where recomputing all blocks is enough; two blocks too many may be taken."""
    attention, feed_forward, *times = block
    cost = BlockCosts(
        MEGABYTE,
        attention * MEGABYTE,
        feed_forward * MEGABYTE,
        attention_seconds=times[0] / 100,
        feed_forward_seconds=times[1] / 100,
    )
    choices = Choices(micro_batch_rows=(8,), rows_a_step=8, halves=True, page="nothing", may_copy=False)
    needs = Needs(**{**vars(NEEDS), "gradients": 0, "state": 0, "snapshot": 0})
    fixed, room = needs.head + 8 * needs.row, limit_megabytes * MEGABYTE

    def fits(parts: tuple[Recomputed, ...]) -> bool:
        return int((fixed + _kept([cost] * depth, parts, 8)) * 1.03) + needs.resident + (64 << 20) <= room

    if not fits(("block",) * depth):
        return
    seconds = {"nothing": 0, "attention": times[0], "feed_forward": times[1], "block": times[0] + times[1]}
    kinds: tuple[Recomputed, ...] = ("nothing", "attention", "feed_forward", "block")
    best = min(sum(map(seconds.__getitem__, parts)) for parts in itertools.product(kinds, repeat=depth) if fits(parts))

    found = choose([cost] * depth, needs, choices, limit_bytes=room)

    assert found.seconds <= 8 / 100 * (best + 2 * seconds["block"]) + 1e-9
