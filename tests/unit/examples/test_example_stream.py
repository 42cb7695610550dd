"""Batches of examples: each once an epoch, alike for any number of processes, wherever one begins; little padding."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_examples import encoded, stream_of

from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.stream import ExampleBatch, ExamplePart, padded_share
from headrace.tokens.batch import IGNORED, PADDING_DOCUMENT, Batch

KINDS = ("classify", "many", "tag", "text", "pairs", "prefer")
few = settings(max_examples=20)


def numbers_of(batch: ExampleBatch) -> list[int]:
    return [number for part in batch.parts for number in part.numbers.tolist()]


def read_back(rows: Batch, first_N: np.ndarray | None, number: int) -> tuple[list[int], list[int]]:
    """Tokens and targets of a sequence in a part, wherever it was laid; it begins where the part says."""
    row, places = next(
        (row, np.flatnonzero(rows.documents_BT[row] == number))
        for row in range(rows.num_rows)
        if (rows.documents_BT[row] == number).any()
    )
    assert (np.diff(places) == 1).all()
    assert rows.positions_BT[row, places].tolist() == list(range(len(places)))
    if first_N is not None:
        assert first_N[number] == row * rows.documents_BT.shape[1] + places[0]
    return rows.tokens_BT[row, places].tolist(), rows.targets_BT[row, places].tolist()


def sequence(found: Sequences, number: int) -> tuple[list[int], list[int]]:
    inside = slice(found.bounds[number], found.bounds[number + 1])
    return found.tokens[inside].tolist(), found.targets[inside].tolist()


def assert_laid(part: ExamplePart, examples: EncodedExamples) -> None:
    each = examples.sequences_per_example
    for place, number in enumerate(part.numbers.tolist()):
        for side in range(each):
            at = place * each + side
            assert read_back(part.rows, part.first_N, at) == sequence(examples.inputs, number * each + side)
            assert part.last_N[at] - part.first_N[at] + 1 == examples.inputs.lengths[number * each + side]
        if examples.sources is not None:
            assert part.rows.source is not None
            assert read_back(part.rows.source, None, place)[0] == sequence(examples.sources, number)[0]
            row, source_row = (
                int(np.argmax((side.documents_BT == place).any(axis=1))) for side in (part.rows, part.rows.source)
            )
            assert row == source_row
    padding = part.rows.documents_BT == PADDING_DOCUMENT
    assert (part.rows.targets_BT[padding] == IGNORED).all()
    assert int((~padding).sum()) == examples.inputs.lengths.reshape(-1, each)[part.numbers].sum()
    if examples.labels is not None:
        assert np.array_equal(part.labels, examples.labels[part.numbers])


@pytest.mark.parametrize("kind", KINDS)
@few
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=30),
    batch=st.integers(1, 12),
    part_tokens=st.sampled_from([1, 30, 10_000]),
    seed=st.integers(0, 5),
)
def test_every_example_once_an_epoch_as_it_was_encoded(
    kind: str, lengths: list[int], batch: int, part_tokens: int, seed: int
) -> None:
    examples = encoded(kind, lengths, seed=seed)
    stream = stream_of(examples, batch=batch, part_tokens=part_tokens, seed=seed)
    epochs = 3
    steps = -(-epochs * len(lengths) // batch)

    batches = [stream.batch(step) for step in range(steps)]

    in_order = [number for step in range(steps) for number in stream.numbers(step).tolist()]
    for epoch in range(epochs):
        part = in_order[epoch * len(lengths) : (epoch + 1) * len(lengths)]
        assert sorted(part) == list(range(len(lengths)))
    for step, found in enumerate(batches):
        assert sorted(numbers_of(found)) == sorted(stream.numbers(step).tolist())
        assert found.num_examples == batch
        assert found.num_tokens == examples.lengths[stream.numbers(step)].sum()
        for part in found.parts:
            assert_laid(part, examples)


@few
@given(
    lengths=st.lists(st.integers(1, 20), min_size=3, max_size=30),
    world_size=st.sampled_from([2, 3]),
    step=st.integers(0, 20),
)
def test_processes_together_have_what_one_has(lengths: list[int], world_size: int, step: int) -> None:
    examples = encoded("text", lengths, seed=1)
    given_: dict[str, Any] = {"batch": min(8, len(lengths)), "part_tokens": 30}
    alone = stream_of(examples, **given_).batch(step)

    shares = [stream_of(examples, **given_, rank=rank, world_size=world_size).batch(step) for rank in range(world_size)]

    assert sorted(number for share in shares for number in numbers_of(share)) == sorted(numbers_of(alone))
    assert sum(share.num_targets for share in shares) == alone.num_targets
    counts = [share.num_examples for share in shares]
    assert max(counts) - min(counts) <= 1
    if world_size == 2 and min(counts) > 1:
        assert abs(shares[0].num_tokens - shares[1].num_tokens) <= max(lengths)


def test_the_held_out_are_read_once_by_length_and_the_last_batch_may_be_small() -> None:
    examples = encoded("tag", [3, 9, 1, 7, 5], seed=1)
    stream = stream_of(examples, batch=2, seed=None)

    batches = [stream.batch(step) for step in range(stream.num_batches)]

    assert [numbers_of(found) for found in batches] == [[1, 3], [4, 0], [2]]
    assert stream.batch(stream.num_batches).parts == ()


@pytest.mark.parametrize("batch", [16, 32, 64])
@pytest.mark.parametrize("spread", [0.4, 0.7, 1.0])
@pytest.mark.parametrize("kind", ["classify", "pairs"])
def test_padding_is_at_most_a_few_hundredths(batch: int, spread: float, kind: str) -> None:
    """Texts as long as those of mail, reviews and sentences are: log-normal, cut at 256; pairs about equally long."""
    generator = np.random.default_rng(3)
    count = 640
    lengths = np.clip(generator.lognormal(3.6, spread, count).astype(np.int64), 4, 256)
    inputs = Sequences.join([[1] * int(length) for length in lengths])
    sources = None
    if kind == "pairs":
        other = np.clip((lengths * generator.lognormal(0.0, 0.15, count)).astype(np.int64), 2, 256)
        sources = Sequences.join([[1] * int(length) for length in other])
    stream = stream_of(EncodedExamples(inputs, sources), batch=batch, part_tokens=2048)

    share = padded_share([stream.batch(step) for step in range(stream.num_batches)])

    assert share <= 0.03
