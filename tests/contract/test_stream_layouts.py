"""Whatever orders, mixes and packs the rows of a stream: resume at any step, share among any processes, lose nothing.

Every layout is held to the same properties. A global batch of 8 rows over sources of some 30, 13 and 7 rows: epochs of
every source end inside batches, several times within a run, at different steps.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_store import build_store

from headrace.tokens import Batch, BatchStream, TokenStore
from headrace.tokens.curriculum import rank_rows
from headrace.tokens.mixture_config import MixtureConfig
from headrace.tokens.order import Curriculum, Mixed
from headrace.tokens.ordering import build_order
from headrace.tokens.read_ahead import read_ahead

END, ROW_TOKENS, BATCH_ROWS, NUM_STEPS = 0, 24, 8, 26
WORLD_SIZES = (1, 2, 3, 4, 8)

POINTS = [
    {"tokens": 0, "weights": {"novels": 2, "poems": 1, "manual": 1}},
    {"tokens": 50 * ROW_TOKENS + 7, "weights": {"novels": 1, "poems": 4, "manual": 0}},
    {"tokens": 130 * ROW_TOKENS, "weights": {"novels": 0, "poems": 1, "manual": 1}},
]
MIXTURES: dict[str, dict[str, Any]] = {
    "by size": {},
    "weights": {"weights": {"novels": 1, "poems": 3, "manual": 2}},
    "one left out": {"weights": {"novels": 1, "poems": 0, "manual": 2}},
    "steps": {"schedule": POINTS},
    "linear": {"schedule": POINTS, "between": "linear"},
    "temperature": {"temperature": 3.0},
    "capped": {"weights": {"novels": 1, "poems": 2, "manual": 2}, "most_epochs": {"poems": 1.5, "manual": 2}},
    "capped while it changes": {"schedule": POINTS, "between": "linear", "most_epochs": {"manual": 2}},
}
CURRICULA = {"sorted": None, "annealed": 0.6}
LAYOUTS = [
    "shuffled",
    "concatenated",
    *(f"mixture: {name}" for name in MIXTURES),
    *(f"curriculum: {name}" for name in CURRICULA),
    "mixture and curriculum",
]

MakeStream = Callable[..., BatchStream]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TokenStore]:
    generator = np.random.default_rng(5)
    shards = []
    for count in (70, 30, 16):
        lengths = np.clip(generator.lognormal(2.0, 0.8, count), 1, 60).astype(int)
        shards.append([[*generator.integers(1, 400, length - 1).tolist(), END] for length in lengths])
    root = tmp_path_factory.mktemp("layouts")
    return {
        packing: build_store(root / packing, shards, row_tokens=ROW_TOKENS, packing=packing)
        for packing in ("best_fit", "concatenate")
    }


@pytest.fixture(params=LAYOUTS)
def make(request: pytest.FixtureRequest, stores: dict[str, TokenStore]) -> MakeStream:
    """Makes the stream of a layout anew, as a process that starts does."""
    kind, _, name = request.param.partition(": ")
    store = stores["concatenate" if kind == "concatenated" else "best_fit"]

    def stream(**given: int) -> BatchStream:
        mixture = curriculum = None
        if "mixture" in kind:
            mixture = MixtureConfig.model_validate(MIXTURES[name or "steps"])
        if "curriculum" in kind:
            ranked = rank_rows(store.plan, store.lengths.astype(float), descending=False)
            curriculum = Curriculum(ranked, CURRICULA[name or "annealed"])
        order = build_order(store.plan, seed=7, mixture=mixture, curriculum=curriculum)
        fresh = TokenStore(store.artefact, "train")
        return BatchStream(fresh, end_token=END, seed=7, batch_rows=BATCH_ROWS, order=order, **given)

    return stream


def contents(batch: Batch) -> list[bytes]:
    return [array.tobytes() for array in (batch.tokens_BT, batch.targets_BT, batch.positions_BT, batch.documents_BT)]


def test_resuming_at_any_step_again_and_again_yields_exactly_the_rest(make: MakeStream) -> None:
    whole = [contents(batch) for batch in read_ahead(make(), 0, NUM_STEPS)]

    for step in range(NUM_STEPS + 1):
        resumed = make()
        until = min(NUM_STEPS, step + 3)
        assert [contents(batch) for batch in read_ahead(resumed, step, until)] == whole[step:until]
        if step < NUM_STEPS:  # and what a process has seen before changes nothing
            assert contents(resumed.batch(step)) == whole[step]
    assert [contents(batch) for batch in read_ahead(make(), 5, NUM_STEPS)] == whole[5:]


def test_any_number_of_processes_shares_the_same_rows_in_the_same_order(make: MakeStream) -> None:
    """1 -> 2 -> 4 -> 3 -> 1 processes, and all others: every step may have another number."""
    alone = make()
    for step in range(NUM_STEPS):
        whole = alone.batch(step)
        for world_size in WORLD_SIZES:
            ranks = [make(rank=rank, world_size=world_size) for rank in range(world_size)]
            places = [rank.places(step) for rank in ranks]
            assert sorted(np.concatenate(places).tolist()) == list(range(BATCH_ROWS))
            assert {len(each) for each in places} <= {BATCH_ROWS // world_size, -(-BATCH_ROWS // world_size)}
            for rank, place in zip(ranks, places, strict=True):
                assert len(place) == rank.share_rows
                for name in ("tokens_BT", "targets_BT", "positions_BT", "documents_BT"):
                    assert np.array_equal(getattr(rank.batch(step), name), getattr(whole, name)[place])


def test_a_run_whose_number_of_processes_changes_sees_the_log_of_one_that_does_not(make: MakeStream) -> None:
    alone = make()
    wanted = [alone.row_numbers(step).tolist() for step in range(20)]

    log = []
    for step in range(20):
        world_size = (1, 2, 4, 3, 1)[step // 4]
        rows = np.full(BATCH_ROWS, -1)
        for rank in range(world_size):
            stream = make(rank=rank, world_size=world_size)
            rows[stream.places(step)] = stream.row_numbers(step)[stream.places(step)]
        log.append(rows.tolist())

    assert log == wanted


@pytest.mark.parametrize("num_threads", [1, 3, 5])
def test_the_number_of_threads_that_read_ahead_changes_nothing(num_threads: int, make: MakeStream) -> None:
    stream = make()
    wanted = [contents(stream.batch(step)) for step in range(3, NUM_STEPS)]

    assert [contents(each) for each in read_ahead(stream, 3, NUM_STEPS, num_threads=num_threads)] == wanted


def test_micro_batches_are_the_rows_of_their_batch(make: MakeStream) -> None:
    stream = make()
    for step in range(0, NUM_STEPS, 5):
        batch = stream.batch(step)
        for size in (1, 2, 3, 8):
            parts = [batch.rows(start, start + size) for start in range(0, BATCH_ROWS, size)]
            assert np.array_equal(np.concatenate([part.tokens_BT for part in parts]), batch.tokens_BT)
            assert sum(part.num_targets for part in parts) == batch.num_targets


def test_no_row_is_lost_or_repeated_in_a_pass_over_its_source(make: MakeStream) -> None:
    stream = make()
    rows = np.concatenate([stream.row_numbers(step) for step in range(NUM_STEPS)]).tolist()
    sources = (
        [(source.first, source.count) for source in stream.order.sources]
        if isinstance(stream.order, Mixed)
        else [(0, stream.order.num_rows)]
    )

    passes = 0
    for first, count in sources:
        taken = [row for row in rows if first <= row < first + count]
        for start in range(0, len(taken), count):
            part = taken[start : start + count]
            assert len(set(part)) == len(part)
            passes += len(part) == count
    assert sum(first <= row < first + count for row in rows for first, count in sources) == len(rows)
    assert passes >= 3


def test_every_token_is_a_target_once_a_pass(make: MakeStream) -> None:
    stream = make()
    plan = stream.order
    if isinstance(plan, Mixed):
        source = max(
            plan.sources, key=lambda each: plan.mixture.taken(NUM_STEPS * BATCH_ROWS)[each.source] / each.count
        )
        first, count = source.first, source.count
    else:
        first, count = 0, plan.num_rows
    numbers = [(step, place) for step in range(NUM_STEPS) for place, row in enumerate(stream.row_numbers(step))
               if first <= row < first + count][:count]  # fmt: skip

    seen: dict[int, list[int]] = {}
    for step, place in numbers:
        batch = stream.batch(step)
        for document, target in zip(batch.documents_BT[place].tolist(), batch.targets_BT[place].tolist(), strict=True):
            if document >= 0:
                seen.setdefault(document, []).append(target)
    store = TokenStore(stream.store.artefact, "train")
    assert all(sorted(targets) == sorted(store.document(number).tolist()) for number, targets in seen.items())


def test_the_files_of_a_stream_are_only_read(stores: dict[str, TokenStore]) -> None:
    folder: Path = stores["best_fit"].artefact.path
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    stream = BatchStream(TokenStore(stores["best_fit"].artefact, "train"), end_token=END, seed=1, batch_rows=4)
    stream.batch(0).tokens_BT[:] = 7

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
