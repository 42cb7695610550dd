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
from headrace.tokens.corrupt import CutPrefix, MaskNextTokens, MaskTokens, ReplaceInputs, original_tokens, share_at
from headrace.tokens.denoise import CorruptSpans, Denoising, EditTokens, pieces_of

END, MASK, VOCABULARY, ROW_TOKENS, BATCH_ROWS = 0, 399, 399, 128, 64
STARTS_WORD = np.arange(400) % 3 == 1
ALL = np.arange(BATCH_ROWS)

TRANSFORMS: dict[str, Callable[[Batch, int, np.ndarray], Any]] = {
    "mask": MaskTokens(3, 0.15, MASK, VOCABULARY),
    "mask words": MaskTokens(3, 0.15, MASK, VOCABULARY, STARTS_WORD),
    "replace": ReplaceInputs(3, 0.1, 0.2, END, VOCABULARY),
    "spans": CorruptSpans(3, 0.15, 3.0, first_sentinel=999, end_token=1_000, pad_token=END),
    "mask next": MaskNextTokens(3, 0.3, 0.5, BATCH_ROWS, MASK, VOCABULARY),
    "prefix": CutPrefix(3),
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
    found = (getattr(result, name) for name in result.__dataclass_fields__)
    return [array for array in found if array is not None]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_row_is_changed_alike_whoever_has_it(name: str, stream: BatchStream) -> None:
    transform, batch = TRANSFORMS[name], stream.batch(2)
    whole = arrays_of(transform(batch, 2, ALL))

    for places in (np.array([5]), np.array([0, 9, 33]), ALL[32:]):
        part = Batch(*(array[places] for array in arrays_of(batch)))
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


def test_the_share_that_is_masked_goes_from_one_number_to_the_other(stream: BatchStream) -> None:
    batch = stream.batch(1)
    falls = MaskTokens(3, 0.5, MASK, VOCABULARY, final_share=0.1, num_steps=5)
    used = (batch.documents_BT != PADDING_DOCUMENT).sum()

    shares = [(falls(batch, step, ALL).targets_BT != IGNORED).sum() / used for step in range(7)]

    assert shares == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1], abs=0.02)
    assert share_at(0, first=0.3, last=0.1, num_steps=1) == 0.3
    assert share_at(9, first=0.3, last=None, num_steps=1) == 0.3


def test_masked_tokens_are_asked_one_place_before_they_are_read(stream: BatchStream) -> None:
    masks = kept = other = chosen = asked = 0
    half = BATCH_ROWS // 2
    for step in range(3):
        batch = stream.batch(step)
        result = TRANSFORMS["mask next"](batch, step, ALL)
        for name in ("tokens_BT", "targets_BT"):
            assert np.array_equal(getattr(result, name)[half:], getattr(batch, name)[half:])
        assert result.prefix_BT[:half].all()
        assert not result.prefix_BT[half:].any()
        for row in range(half):
            for t in range(ROW_TOKENS):
                is_target = result.targets_BT[row, t] != IGNORED
                chosen += is_target
                asked += batch.targets_BT[row, t] != IGNORED
                if is_target:
                    assert result.targets_BT[row, t] == batch.targets_BT[row, t]
                goes_on = t + 1 < ROW_TOKENS and batch.positions_BT[row, t + 1] > 0
                if not (is_target and goes_on):
                    assert not goes_on or result.tokens_BT[row, t + 1] == batch.tokens_BT[row, t + 1]
                    continue
                masks += result.tokens_BT[row, t + 1] == MASK
                kept += result.tokens_BT[row, t + 1] == batch.targets_BT[row, t]
                other += result.tokens_BT[row, t + 1] not in (MASK, batch.targets_BT[row, t])

    assert chosen / asked == pytest.approx(0.3, abs=0.02)
    total = masks + kept + other
    assert masks / total == pytest.approx(0.8, abs=0.02)
    assert kept / total == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_share_of_masked_rows_is_exact_for_any_number_of_processes(world_size: int, store: TokenStore) -> None:
    transform = MaskNextTokens(3, 0.3, 0.25, BATCH_ROWS, MASK, VOCABULARY)
    masked = 0
    for rank in range(world_size):
        part = BatchStream(store, end_token=END, seed=7, batch_rows=BATCH_ROWS, rank=rank, world_size=world_size)
        batch = part.transformed(transform).batch(4)
        masked += int(batch.prefix_BT.all(axis=1).sum())

    assert masked == 16


@pytest.mark.parametrize(("share", "batch_rows"), [(0.5, 1), (0.3, 1), (0.25, 6), (0.1, 5)])
def test_a_share_that_is_no_number_of_rows_is_kept_over_the_steps(
    share: float, batch_rows: int, store: TokenStore
) -> None:
    stream = BatchStream(store, end_token=END, seed=7, batch_rows=batch_rows)
    masking = stream.transformed(MaskNextTokens(3, 0.3, share, batch_rows, MASK, VOCABULARY))

    masked = 0
    for step in range(20):
        masked += int(masking.batch(step).prefix_BT.all(axis=1).sum())
        assert masked == int(share * batch_rows * (step + 1) + 1e-6)


def test_every_piece_is_cut_where_its_prefix_ends(stream: BatchStream) -> None:
    shares = []
    for step in range(2):
        batch = stream.batch(step)
        result = TRANSFORMS["prefix"](batch, step, ALL)
        assert np.array_equal(result.tokens_BT, batch.tokens_BT)
        assert not result.prefix_BT[batch.documents_BT == PADDING_DOCUMENT].any()
        for row, (start, end) in pieces_of(batch):
            length, prefix = end - start, int(result.prefix_BT[row, start:end].sum())
            assert 1 <= prefix <= max(1, length - 1)
            assert result.prefix_BT[row, start : start + prefix].all()
            # The last place of the prefix is asked for the first token behind it, and no place before.
            asked = result.targets_BT[row, start:end] != IGNORED
            assert asked.tolist() == [t >= prefix - 1 for t in range(length)]
            if length > 20:
                shares.append(prefix / length)

    assert len(shares) > 100
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert (min(shares) < 0.1, max(shares) > 0.9) == (True, True)
