"""Damaged texts beside whole ones: both sides together hold the text, and are read one token late."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_batches import batches

from headrace.tokens.batch import IGNORED, PADDING_DOCUMENT, Batch
from headrace.tokens.corrupt import original_tokens
from headrace.tokens.denoise import CorruptSpans, Denoising, InfillSpans, pieces_of

FIRST, CLOSE, PAD, MASK, START = 999, 1_000, 0, 777, 888
few = settings(max_examples=60, deadline=None)
SPANS = st.builds(
    lambda seed, share, mean: CorruptSpans(seed, share, mean, FIRST, end_token=CLOSE, pad_token=PAD),
    st.integers(0, 9),
    st.floats(0.05, 0.6),
    st.floats(1.0, 5.0),
)


def side(tokens_BT: np.ndarray, documents_BT: np.ndarray, document: int) -> list[int]:
    row = int(np.argmax((documents_BT == document).any(axis=1)))
    return tokens_BT[row][documents_BT[row] == document].tolist()


def both_sides(result: Denoising, document: int) -> tuple[list[int], list[int]]:
    return (
        side(result.inputs_BT, result.input_documents_BT, document),
        side(result.targets_BT, result.target_documents_BT, document),
    )


@few
@given(batches(shortest=2), SPANS)
def test_each_gap_has_a_sentinel_of_its_own_on_both_sides(batch: Batch, spans: CorruptSpans) -> None:
    result = spans(batch, 3, np.arange(batch.num_rows))
    original = original_tokens(batch)

    for row, (start, end) in pieces_of(batch):
        inputs, targets = both_sides(result, int(batch.documents_BT[row, start]))
        gaps = [token for token in inputs if 900 < token <= FIRST]
        assert gaps == [FIRST - number for number in range(len(gaps))]
        told = [token for token in targets if 900 < token <= FIRST]
        room = len(targets) == 0 or targets[-1] != CLOSE  # more was to be said than a row holds
        assert told == gaps[: len(told)]
        if room:
            continue
        said = {gap: [] for gap in gaps}
        for token in targets[:-1]:
            if token in said:
                current = token
            else:
                said[current].append(token)
        assert all(said.values())
        restored = [each for token in inputs for each in said.get(token, [token])]
        assert restored == original[row, start:end].tolist()


@few
@given(batches(shortest=2), SPANS)
def test_infilling_leaves_one_mask_for_each_gap_and_asks_for_the_whole_text(batch: Batch, spans: CorruptSpans) -> None:
    result = InfillSpans(spans, MASK)(batch, 3, np.arange(batch.num_rows))
    by_sentinels = spans(batch, 3, np.arange(batch.num_rows))
    original = original_tokens(batch)

    assert np.array_equal(result.targets_BT[result.target_documents_BT >= 0], original[batch.documents_BT >= 0])
    with_masks = np.where(
        (by_sentinels.inputs_BT > 900) & (by_sentinels.inputs_BT <= FIRST), MASK, by_sentinels.inputs_BT
    )
    assert np.array_equal(result.inputs_BT, with_masks)
    assert np.array_equal(result.input_documents_BT, by_sentinels.input_documents_BT)


@few
@given(batches(), SPANS, st.booleans())
def test_what_is_written_is_read_one_token_late_behind_the_start(
    batch: Batch, spans: CorruptSpans, fills: bool
) -> None:
    make = InfillSpans(spans, MASK) if fills else spans
    result = make(batch, 1, np.arange(batch.num_rows))

    rows = result.as_batch(START)

    assert rows.source is not None
    assert np.array_equal(rows.targets_BT, result.targets_BT)
    assert (rows.source.targets_BT == IGNORED).all()
    for side_rows in (rows, rows.source):
        for row in range(batch.num_rows):
            last, place = None, 0
            for t in range(side_rows.tokens_BT.shape[1]):
                document = side_rows.documents_BT[row, t]
                place = place + 1 if document == last else 0
                last = document
                assert side_rows.positions_BT[row, t] == (0 if document == PADDING_DOCUMENT else place)
    for row in range(batch.num_rows):
        for t in range(rows.tokens_BT.shape[1]):
            begins = rows.positions_BT[row, t] == 0
            wanted = START if begins else rows.targets_BT[row, t - 1]
            assert rows.documents_BT[row, t] == PADDING_DOCUMENT or rows.tokens_BT[row, t] == wanted
    targets = set(rows.documents_BT[rows.documents_BT >= 0].tolist())
    assert targets <= set(batch.documents_BT[batch.documents_BT >= 0].tolist())
