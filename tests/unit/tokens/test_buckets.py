"""Buckets: every document once an epoch, in rows hardly longer than it, from any step on."""

from collections import Counter

import numpy as np
import pytest
from small_store import build_store

from headrace.tokens import IGNORED, TokenStore
from headrace.tokens.buckets import BucketStream

BOUNDS, BATCH_TOKENS = (8, 16, 40), 96


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    generator = np.random.default_rng(3)
    documents = [[*generator.integers(1, 300, int(n)).tolist(), 0] for n in generator.lognormal(2.2, 0.9, 150)]
    return build_store(tmp_path_factory.mktemp("buckets"), [documents[:90], documents[90:]], row_tokens=32)


def stream_of(store: TokenStore, **given: int) -> BucketStream:
    return BucketStream(store, end_token=0, bounds=BOUNDS, **{"seed": 5, "batch_tokens": BATCH_TOKENS, **given})


def test_every_token_is_a_target_once_an_epoch_and_rows_hold_one_document(store: TokenStore) -> None:
    stream = stream_of(store)
    for epoch in range(2):
        seen: Counter[int] = Counter()
        for step in range(epoch * stream.steps_per_epoch, (epoch + 1) * stream.steps_per_epoch):
            batch = stream.batch(step)
            assert batch.tokens_BT.shape[1] in BOUNDS
            assert batch.tokens_BT.size <= BATCH_TOKENS
            for row in range(batch.num_rows):
                used = batch.targets_BT[row] != IGNORED
                (document,) = set(batch.documents_BT[row][used].tolist())
                seen[document] += int(used.sum())
                shorter = [bound for bound in BOUNDS if bound < batch.tokens_BT.shape[1]]
                assert not shorter or used.sum() > max(shorter)
        assert seen == Counter(dict(enumerate(store.lengths.tolist())))


def test_a_step_is_the_same_from_wherever_one_comes(store: TokenStore) -> None:
    stream = stream_of(store)
    steps = range(2 * stream.steps_per_epoch)
    whole = [stream.batch(step).targets_BT.tolist() for step in steps]

    assert [stream_of(store).batch(step).targets_BT.tolist() for step in steps] == whole
    assert whole[: stream.steps_per_epoch] != whole[stream.steps_per_epoch :]
    assert stream_of(store, seed=6).batch(0).targets_BT.tolist() != whole[0]
    widths = [len(batch[0]) for batch in whole[: stream.steps_per_epoch]]
    assert widths != sorted(widths)  # short and long ones are mixed


def test_buckets_that_cannot_be_are_refused(store: TokenStore) -> None:
    with pytest.raises(ValueError, match="want lengths that go up, the last at most 20"):
        stream_of(store, batch_tokens=20)
