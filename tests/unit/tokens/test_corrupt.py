"""Corruptions: the shares that were asked for, nothing across borders, the same for any number of processes."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_store import build_store

from headrace.tokens import IGNORED, Batch, BatchStream, TokenStore
from headrace.tokens.batch import PADDING_DOCUMENT
from headrace.tokens.corrupt import MaskTokens, ReplaceInputs, original_tokens
from headrace.tokens.denoise import CorruptSpans, Denoising, EditTokens, pieces_of

END, MASK, VOCABULARY, ROW_TOKENS, BATCH_ROWS = 0, 399, 399, 128, 64
STARTS_WORD = np.arange(400) % 3 == 1
ALL = np.arange(BATCH_ROWS)

TRANSFORMS: dict[str, Callable[[Batch, int, np.ndarray], Any]] = {
    "mask": MaskTokens(3, 0.15, MASK, VOCABULARY),
    "mask words": MaskTokens(3, 0.15, MASK, VOCABULARY, STARTS_WORD),
    "replace": ReplaceInputs(3, 0.1, 0.2, END, VOCABULARY),
    "spans": CorruptSpans(3, 0.15, 3.0, first_sentinel=999, end_token=1_000, pad_token=END),
    "edits": EditTokens(3, 0.1, 0.1, 0.1, VOCABULARY, pad_token=END),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    generator = np.random.default_rng(1)
    documents = [[*generator.integers(1, 390, int(n)).tolist(), END] for n in generator.lognormal(3.5, 1.0, 400)]
    return build_store(tmp_path_factory.mktemp("corrupt"), [documents], row_tokens=ROW_TOKENS)


@pytest.fixture
def stream(store: TokenStore) -> BatchStream:
    return BatchStream(store, end_token=END, seed=7, batch_rows=BATCH_ROWS)


def arrays_of(result: Any) -> list[np.ndarray]:
    return [np.asarray(getattr(result, name)) for name in result.__dataclass_fields__]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_row_is_changed_alike_whoever_has_it(name: str, stream: BatchStream) -> None:
    transform, batch = TRANSFORMS[name], stream.batch(2)
    whole = arrays_of(transform(batch, 2, ALL))

    for places in (np.array([5]), np.array([0, 9, 33]), ALL[32:]):
        part = Batch(*(getattr(batch, field)[places] for field in batch.__dataclass_fields__))
        for found, wanted in zip(arrays_of(transform(part, 2, places)), whole, strict=True):
            assert np.array_equal(found, wanted[places])
    other = arrays_of(transform(batch, 3, ALL))
    assert any(not np.array_equal(one, two) for one, two in zip(other, whole, strict=True))


@pytest.mark.parametrize("world_size", [2, 3, 8])
def test_a_transformed_stream_is_shared_like_any_other(world_size: int, store: TokenStore, stream: BatchStream) -> None:
    whole = stream.transformed(TRANSFORMS["replace"]).batch(4)
    for rank in range(world_size):
        part = BatchStream(store, end_token=END, seed=7, batch_rows=BATCH_ROWS, rank=rank, world_size=world_size)
        changed = part.transformed(TRANSFORMS["replace"]).batch(4)
        assert np.array_equal(changed.tokens_BT, whole.tokens_BT[part.places(4)])
    assert not np.array_equal(stream.batch(4).tokens_BT, whole.tokens_BT)


def test_masking_has_berts_proportions(stream: BatchStream) -> None:
    kept = masked = swapped = chosen = total = 0
    for step in range(4):
        batch = stream.batch(step)
        result = TRANSFORMS["mask"](batch, step, ALL)
        original, used = original_tokens(batch), batch.documents_BT != PADDING_DOCUMENT
        picked = result.targets_BT != IGNORED
        assert np.array_equal(result.targets_BT[picked], batch.targets_BT[picked])
        assert np.array_equal(result.tokens_BT[~picked], original[~picked])
        assert not (picked & ~used).any()
        chosen, total = chosen + picked.sum(), total + used.sum()
        masked += (result.tokens_BT[picked] == MASK).sum()
        kept += (result.tokens_BT[picked] == original[picked]).sum()
        swapped += ((result.tokens_BT != MASK) & (result.tokens_BT != original))[picked].sum()

    assert chosen / total == pytest.approx(0.15, abs=0.01)
    assert masked / chosen == pytest.approx(0.8, abs=0.02)
    assert kept / chosen == pytest.approx(0.1, abs=0.02)
    assert swapped / chosen == pytest.approx(0.1, abs=0.02)


def test_words_are_masked_whole_and_end_with_their_document(stream: BatchStream) -> None:
    batch = stream.batch(1)
    picked = TRANSFORMS["mask words"](batch, 1, ALL).targets_BT != IGNORED
    original = original_tokens(batch)

    words = 0
    for row, (start, end) in pieces_of(batch):
        starts = [t for t in range(start, end) if t == start or STARTS_WORD[original[row, t]]]
        for first, last in pairwise([*starts, end]):
            assert len(set(picked[row, first:last].tolist())) == 1
            words += bool(picked[row, first])
    assert 0.1 < picked.sum() / (batch.documents_BT != PADDING_DOCUMENT).sum() < 0.2
    assert words > 100


def test_inputs_are_dropped_and_swapped_in_their_shares_and_targets_stay(stream: BatchStream) -> None:
    batch = stream.batch(0)
    changed = TRANSFORMS["replace"](batch, 0, ALL)
    inside = (batch.documents_BT != PADDING_DOCUMENT) & (batch.positions_BT > 0)

    assert np.array_equal(changed.targets_BT, batch.targets_BT)
    assert np.array_equal(changed.tokens_BT[~inside], batch.tokens_BT[~inside])
    dropped = (changed.tokens_BT == END)[inside].mean()
    differs = (changed.tokens_BT != batch.tokens_BT)[inside].mean()
    assert dropped == pytest.approx(0.1, abs=0.015)
    assert differs == pytest.approx(0.3, abs=0.02)


def sides(result: Denoising, row: int, document: int) -> tuple[list[int], list[int]]:
    inputs = result.inputs_BT[row][result.input_documents_BT[row] == document].tolist()
    return inputs, result.targets_BT[row][result.target_documents_BT[row] == document].tolist()


def test_what_spans_took_is_in_the_target(stream: BatchStream) -> None:
    """Put back where their sentinels stand, they give the text again."""
    batch = stream.batch(0)
    result = TRANSFORMS["spans"](batch, 0, ALL)
    original = original_tokens(batch)

    noise = tokens = 0
    for row, (start, end) in pieces_of(batch):
        inputs, targets = sides(result, row, int(batch.documents_BT[row, start]))
        spans: dict[int, list[int]] = {}
        for token in targets:
            if 900 < token < 1_000:
                spans[token] = []
                last = token
            elif token != 1_000:
                spans.setdefault(last, []).append(token)
                noise += 1
        restored = [each for token in inputs for each in spans.get(token, [token])]
        assert restored == original[row, start:end].tolist()
        tokens += end - start
    assert noise / tokens == pytest.approx(0.15, abs=0.03)


@given(length=st.integers(1, 200), seed=st.integers(0, 50), share=st.floats(0.05, 0.6), mean=st.floats(1.0, 8.0))
def test_spans_have_their_number_and_length(length: int, seed: int, share: float, mean: float) -> None:
    generator = np.random.default_rng(seed)
    transform = CorruptSpans(1, share, mean, first_sentinel=9, end_token=1, pad_token=0)

    noise = transform.noise(generator.random(length), generator.random(length))

    assert len(noise) == length
    if length > 1:
        wanted = min(max(round(length * share), 1), length - 1)
        spans = min(max(round(wanted / mean), 1), wanted, length - wanted)
        assert noise.sum() == wanted
        assert (np.diff(np.append(0, noise.astype(int))) == 1).sum() == spans
        assert not noise[0]


def test_edits_are_as_many_as_asked_for_and_the_target_is_the_text(stream: BatchStream) -> None:
    batch = stream.batch(0)
    original = original_tokens(batch)
    quiet = EditTokens(3, 0.0, 0.0, 0.0, VOCABULARY, END)(batch, 0, ALL)
    only_delete = EditTokens(3, 0.0, 0.2, 0.0, VOCABULARY, END)(batch, 0, ALL)
    only_insert = EditTokens(3, 0.2, 0.0, 0.0, VOCABULARY, END)(batch, 0, ALL)

    used = (batch.documents_BT != PADDING_DOCUMENT).sum()
    for result in (quiet, only_delete, only_insert):
        assert np.array_equal(result.targets_BT[result.target_documents_BT >= 0], original[batch.documents_BT >= 0])
    assert np.array_equal(quiet.inputs_BT[quiet.input_documents_BT >= 0], original[batch.documents_BT >= 0])
    assert (only_delete.input_documents_BT >= 0).sum() / used == pytest.approx(0.8, abs=0.02)
    assert (only_insert.input_documents_BT >= 0).sum() / used > 1.0


def test_tokens_that_are_not_learnt_are_never_targets_and_still_seen(tmp_path: Path) -> None:
    documents = [[*range(1, 31), END]] * 4
    mask = np.array([number % 2 for _ in range(4) for number in range(31)], np.uint8)
    masked = build_store(tmp_path, [documents], row_tokens=31, masks=[mask])
    batch = BatchStream(masked, end_token=END, seed=1, batch_rows=4).batch(0)

    result = MaskTokens(1, 0.9, MASK, VOCABULARY)(batch, 0, np.arange(4))

    assert original_tokens(batch)[:, :-1].tolist() == [list(range(1, 31))] * 4
    assert set(result.targets_BT[result.targets_BT != IGNORED].tolist()) <= set(range(2, 31, 2))
