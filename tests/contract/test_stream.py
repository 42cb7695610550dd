"""Batches are a function of (seed, step): resume anywhere, share with anyone, see every token once an epoch."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from small_road import END, ROW_TOKENS, MakeRoad, Road

from headrace.tokens import IGNORED, Batch, BatchStream, TokenStore
from headrace.tokens.batch import PADDING_DOCUMENT
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.read_ahead import read_ahead

BATCH_ROWS = 8


@pytest.fixture(scope="module")
def store(road: Road) -> TokenStore:
    return TokenStore(road.tokens, "train")


def stream_of(store: TokenStore, **given: int) -> BatchStream:
    return BatchStream(store, end_token=END, **{"seed": 7, "batch_rows": BATCH_ROWS, **given})


def contents(batch: Batch) -> list[bytes]:
    return [array.tobytes() for array in (batch.tokens_BT, batch.targets_BT, batch.positions_BT, batch.documents_BT)]


def epochs_of(store: TokenStore, epochs: int) -> int:
    """Steps that reach into the last of some epochs' batches; an epoch ends inside a batch."""
    assert store.plan.num_rows % BATCH_ROWS, "the test wants an epoch that ends inside a batch"
    return -(-epochs * store.plan.num_rows // BATCH_ROWS)


def test_a_stream_resumed_at_any_step_yields_exactly_the_rest(store: TokenStore, road: Road) -> None:
    num_steps = epochs_of(store, 2)
    whole = [contents(batch) for batch in read_ahead(stream_of(store), 0, num_steps)]

    for step in range(num_steps + 1):
        resumed = stream_of(TokenStore(road.tokens, "train"))
        assert [contents(batch) for batch in read_ahead(resumed, step, num_steps)] == whole[step:]


@pytest.mark.parametrize("world_size", [9, 16])
def test_a_batch_with_fewer_rows_than_processes_is_refused_with_the_reason(world_size: int, store: TokenStore) -> None:
    with pytest.raises(ValueError, match=f"8 rows leaves nothing for some of {world_size} processes; raise train"):
        stream_of(store, world_size=world_size)


def test_every_row_comes_once_an_epoch_and_in_another_order_each_time(store: TokenStore) -> None:
    num_rows = store.plan.num_rows
    rows = np.concatenate([stream_of(store).row_numbers(step) for step in range(epochs_of(store, 3))])

    epochs = [tuple(rows[start : start + num_rows].tolist()) for start in (0, num_rows, 2 * num_rows)]
    assert all(sorted(epoch) == list(range(num_rows)) for epoch in epochs)
    assert len(set(epochs)) == 3
    assert stream_of(store, seed=8).row_numbers(0).tolist() != rows[:BATCH_ROWS].tolist()


def test_every_stored_token_is_a_target_once_an_epoch(store: TokenStore) -> None:
    """Each with the token before it in its document as input, and the end token before the first."""
    stored = Counter(
        (number, before, token)
        for number in range(store.num_documents)
        for before, token in pairwise([END, *store.document(number).tolist()])
    )

    seen = Counter(
        triple
        for step in range(store.plan.num_rows)
        for batch in [stream_of(store, batch_rows=1).batch(step)]
        for triple in zip(batch.documents_BT[0], batch.tokens_BT[0], batch.targets_BT[0], strict=True)
        if triple[2] != IGNORED
    )

    assert seen == stored


def test_what_is_in_a_piece_follows_the_token_before_and_positions_restart(store: TokenStore) -> None:
    pieces = 0
    for batch in read_ahead(stream_of(store), 0, epochs_of(store, 1)):
        for tokens, targets, positions, documents in zip(
            batch.tokens_BT, batch.targets_BT, batch.positions_BT, batch.documents_BT, strict=True
        ):
            used = documents != PADDING_DOCUMENT
            assert np.array_equal(used, targets != IGNORED)
            starts = [t for t in range(used.sum()) if t == 0 or documents[t] != documents[t - 1]]
            for start, end in pairwise([*starts, int(used.sum())]):
                assert positions[start:end].tolist() == list(range(end - start))
                assert tokens[start + 1 : end].tolist() == targets[start : end - 1].tolist()
                pieces += 1
            assert (tokens[~used] == END).all()
    assert pieces > store.num_documents


def test_reading_ahead_changes_nothing_and_stops_where_it_is_told(store: TokenStore) -> None:
    stream = stream_of(store)

    assert [contents(batch) for batch in read_ahead(stream, 3, 9)] == [contents(stream.batch(s)) for s in range(3, 9)]
    assert list(read_ahead(stream, 5, 5)) == []
    assert contents(next(read_ahead(stream, 4, 10**9))) == contents(stream.batch(4))


def test_parts_of_a_batch_are_its_rows(store: TokenStore) -> None:
    batch = stream_of(store).batch(2)
    parts = [batch.rows(start, start + 2) for start in range(0, BATCH_ROWS, 2)]

    assert sum(part.num_targets for part in parts) == batch.num_targets
    assert [part.num_rows for part in parts] == [2] * 4
    assert np.array_equal(np.concatenate([part.tokens_BT for part in parts]), batch.tokens_BT)


def test_a_document_longer_than_a_row_goes_on_in_another_one(road: Road, make_road: MakeRoad) -> None:
    long = " ".join(f"word {number}" for number in range(60))
    words = VocabularyConfig(file=road.tokenizer_path)
    store = TokenStore(make_road(train=["mill", long, long[::-1]], validation=["x"], vocabulary=words).tokens, "train")

    batch = stream_of(store, batch_rows=store.plan.num_rows).batch(0)

    assert store.lengths[1] > 3 * ROW_TOKENS
    for number in range(3):
        targets = batch.targets_BT[batch.documents_BT == number]
        assert sorted(targets.tolist()) == sorted(store.document(number).tolist())
