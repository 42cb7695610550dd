"""Corruptions that change how long a text is: what a model reads, and what it is to write.

Pure functions of (seed, step, position) like those of `corrupt.py`. Every document's piece is changed for itself, and
both sides are packed in the same order, in rows as long as the batch's.

Shape letters: B rows, T tokens of a row, S spans.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.batch import IGNORED, PADDING_DOCUMENT, Batch
from headrace.tokens.corrupt import DRAW_CHOICE, DRAW_FATE, Draws, Places, original_tokens


@dataclass(frozen=True)
class Denoising:
    """What is read and what is to be written; both padded, with positions that restart and documents as in `Batch`."""

    inputs_BT: NDArray[np.int32]
    input_documents_BT: NDArray[np.int32]
    targets_BT: NDArray[np.int32]
    """IGNORED where a row is padded."""
    target_documents_BT: NDArray[np.int32]

    def as_batch(self, start_token: int) -> Batch:
        """Target rows whose inputs are the targets one place late, behind `start_token`, beside what is read."""
        place_BT = _positions(self.target_documents_BT)
        late_BT = np.roll(self.targets_BT, 1, axis=1)
        used_BT = self.target_documents_BT != PADDING_DOCUMENT
        tokens_BT = np.where(used_BT & (place_BT > 0), late_BT, start_token).astype(np.int32)
        nothing_BT = np.full_like(self.targets_BT, IGNORED)
        positions_BS = _positions(self.input_documents_BT)
        source = Batch(self.inputs_BT, nothing_BT, positions_BS, self.input_documents_BT)
        return Batch(tokens_BT, self.targets_BT, place_BT, self.target_documents_BT, source=source)


@dataclass(frozen=True)
class CorruptSpans:
    """T5's span corruption: spans of the input become one sentinel each, and the target is what they stood for.

    Source: Raffel et al. 2020, arXiv 1910.10683, section 3.1.4; spans as `random_spans_noise_mask` draws them: their
    number and total length are fixed, where they lie is not.
    """

    seed: int
    share: float
    mean_span: float
    first_sentinel: int
    """The sentinel of a piece's first span; of the next one it is one less."""
    end_token: int
    pad_token: int

    def __call__(self, batch: Batch, step: int, places: Places) -> Denoising:
        draws = Draws(self.seed, step, places, batch.tokens_BT.shape[1])
        choice_BT, fate_BT = draws.numbers(DRAW_CHOICE), draws.numbers(DRAW_FATE)
        original_BT = original_tokens(batch)
        result = _Rows(batch, self.pad_token)
        for row, (start, end) in pieces_of(batch):
            inside = slice(start, end)
            noise = self.noise(choice_BT[row, inside], fate_BT[row, inside])
            tokens = original_BT[row, inside]
            result.add(row, start, inputs=self._keep(tokens, noise), targets=self._keep(tokens, ~noise, closed=True))
        return result.finish()

    def noise(self, cuts_T: NDArray[np.float64], gaps_T: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which tokens of a piece are noise, from two numbers at each of its positions."""
        length = len(cuts_T)
        num_noise = min(max(round(length * self.share), 1), length - 1)
        if length < 2:
            return np.zeros(length, bool)
        num_spans = min(max(round(num_noise / self.mean_span), 1), num_noise, length - num_noise)
        noise_S = _partition(cuts_T[: num_noise - 1], num_noise, num_spans)
        rest_S = _partition(gaps_T[: length - num_noise - 1], length - num_noise, num_spans)
        lengths = np.stack([rest_S, noise_S], axis=1).ravel()
        return np.repeat(np.arange(2 * num_spans) % 2 == 1, lengths)

    def _keep(self, tokens: NDArray[np.int32], gone: NDArray[np.bool_], *, closed: bool = False) -> NDArray[np.int32]:
        """The tokens without those that are gone, of each run of which a sentinel is left; closed: the end behind."""
        begins = gone & ~np.append(False, gone[:-1])
        sentinels = self.first_sentinel - np.cumsum(begins) + 1
        kept = np.where(begins, sentinels, tokens)[~gone | begins]
        return np.append(kept, self.end_token).astype(np.int32) if closed else kept.astype(np.int32)


@dataclass(frozen=True)
class EditTokens:
    """Insertions, deletions and replacements at random; the target is the text as it was.

    A position is edited with the chance of all three together; an insertion puts a token at random before it.
    """

    seed: int
    insert: float
    delete: float
    substitute: float
    vocabulary_size: int
    pad_token: int

    def __call__(self, batch: Batch, step: int, places: Places) -> Denoising:
        draws = Draws(self.seed, step, places, batch.tokens_BT.shape[1])
        choice_BT, random_BT = draws.numbers(DRAW_CHOICE), draws.tokens(self.vocabulary_size)
        original_BT = original_tokens(batch)
        result = _Rows(batch, self.pad_token)
        for row, (start, end) in pieces_of(batch):
            tokens, choice, other = (array[row, start:end] for array in (original_BT, choice_BT, random_BT))
            inserted = choice < self.insert
            deleted = ~inserted & (choice < self.insert + self.delete)
            swapped = ~inserted & ~deleted & (choice < self.insert + self.delete + self.substitute)
            changed = np.where(swapped, other, tokens)
            edited = np.insert(changed, np.flatnonzero(inserted), other[inserted])
            stays = np.insert(~deleted, np.flatnonzero(inserted), True)
            result.add(row, start, inputs=edited[stays].astype(np.int32), targets=tokens.astype(np.int32))
        return result.finish()


@dataclass(frozen=True)
class InfillSpans:
    """BART's infilling: spans of the input become one mask each, and the target is the whole text.

    Spans lie as those of `CorruptSpans`; the paper draws the length of each by itself, and may put a mask where nothing
    is missing. Source: Lewis et al. 2020, arXiv 1910.13461, section 2.2.
    """

    spans: CorruptSpans
    mask_token: int

    def __call__(self, batch: Batch, step: int, places: Places) -> Denoising:
        spans = self.spans
        draws = Draws(spans.seed, step, places, batch.tokens_BT.shape[1])
        choice_BT, fate_BT = draws.numbers(DRAW_CHOICE), draws.numbers(DRAW_FATE)
        original_BT = original_tokens(batch)
        result = _Rows(batch, spans.pad_token)
        for row, (start, end) in pieces_of(batch):
            inside = slice(start, end)
            gone = spans.noise(choice_BT[row, inside], fate_BT[row, inside])
            begins = gone & ~np.append(False, gone[:-1])
            tokens = original_BT[row, inside]
            damaged = np.where(begins, self.mask_token, tokens)[~gone | begins]
            result.add(row, start, inputs=damaged.astype(np.int32), targets=tokens)
        return result.finish()


def _positions(document_BT: NDArray[np.int32]) -> NDArray[np.int32]:
    """Places counted from 0 wherever the document changes; 0 in padding."""
    place_BT = np.broadcast_to(np.arange(document_BT.shape[1]), document_BT.shape)
    begins_BT = np.ones(document_BT.shape, bool)
    begins_BT[:, 1:] = document_BT[:, 1:] != document_BT[:, :-1]
    first_BT = np.maximum.accumulate(np.where(begins_BT, place_BT, 0), axis=1)
    return np.where(document_BT == PADDING_DOCUMENT, 0, place_BT - first_BT).astype(np.int32)


def pieces_of(batch: Batch) -> list[tuple[int, tuple[int, int]]]:
    """Row, first and end of every piece in a batch, in order."""
    found = []
    for row in range(batch.num_rows):
        used = int((batch.documents_BT[row] != PADDING_DOCUMENT).sum())
        starts = [*np.flatnonzero(batch.positions_BT[row, :used] == 0).tolist(), used]
        found += [(row, bounds) for bounds in pairwise(starts)]
    return found


def _partition(numbers: NDArray[np.float64], total: int, parts: int) -> NDArray[np.int64]:
    """`total` things in so many runs, none empty; the runs end where the numbers are smallest."""
    ends = np.sort(np.argsort(numbers, kind="stable")[: parts - 1]) + 1
    return np.diff([0, *ends.tolist(), total])


class _Rows:
    """Both sides of a batch in the making. What no longer fits into a row, because more was inserted, is left out."""

    def __init__(self, batch: Batch, pad_token: int) -> None:
        shape = batch.tokens_BT.shape
        self._documents = batch.documents_BT
        self._arrays = [
            np.full(shape, fill, np.int32) for fill in (pad_token, PADDING_DOCUMENT, IGNORED, PADDING_DOCUMENT)
        ]
        self._ends = np.zeros((shape[0], 2), np.int64)

    def add(self, row: int, start: int, *, inputs: NDArray[np.int32], targets: NDArray[np.int32]) -> None:
        document = self._documents[row, start]
        for side, tokens in enumerate((inputs, targets)):
            begin = self._ends[row, side]
            end = min(begin + len(tokens), self._documents.shape[1])
            self._arrays[2 * side][row, begin:end] = tokens[: end - begin]
            self._arrays[2 * side + 1][row, begin:end] = document
            self._ends[row, side] = end

    def finish(self) -> Denoising:
        return Denoising(*self._arrays)
