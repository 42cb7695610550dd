"""Corruptions of batches, for denoising and for robustness: pure functions of (seed, step, position).

The position is that in the global batch, so neither the number of processes nor that of threads changes a token. What a
row does not hold, padding, is never changed, and nothing reaches across a document's border.

Shape letters: B rows, T tokens of a row, V vocabulary.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel
from headrace.tokens.batch import IGNORED, PADDING_DOCUMENT, Batch
from headrace.tokens.permutation import mix, round_keys

Places = NDArray[np.int64]
DRAW_CHOICE, DRAW_FATE, DRAW_TOKEN = range(3)
"""Independent draws at a position."""
ROUNDING = 1e-6
"""What a product of a share and a whole number may be off by."""


@dataclass(frozen=True)
class Draws:
    """Numbers for each position of some rows of a step, the same whoever asks."""

    seed: int
    step: int
    places: Places
    """Of the rows in the global batch."""
    row_tokens: int

    def numbers(self, which: int) -> NDArray[np.float64]:
        """In [0, 1), (B, T); those of one kind say nothing of those of another."""
        numbers_BT = np.empty((len(self.places), self.row_tokens))
        fill_draws(round_keys(self.seed, self.step, which), self.places, numbers_BT)
        return numbers_BT

    def tokens(self, vocabulary_size: int) -> NDArray[np.int32]:
        """A token for each position, any as likely as any other."""
        return (self.numbers(DRAW_TOKEN) * vocabulary_size).astype(np.int32)


@dataclass(frozen=True)
class MaskTokens:
    """BERT's masked language modelling: some tokens are to be told from all others, before and after.

    The inputs become the tokens themselves, each at the place of its target. Of the chosen ones 80 % become the mask,
    10 % a token at random, 10 % stay; all others are no targets. Source: Devlin et al. 2019, arXiv 1810.04805, 3.1.
    """

    seed: int
    share: float
    mask_token: int
    vocabulary_size: int
    starts_word_V: NDArray[np.bool_] | None = None
    """Tokens that begin a word: all tokens of a word are chosen together. None: each for itself."""
    final_share: float | None = None
    """Where the share goes in `num_steps`, step by step. None: it stays."""
    num_steps: int = 1

    def __call__(self, batch: Batch, step: int, places: Places) -> Batch:
        draws = Draws(self.seed, step, places, batch.targets_BT.shape[1])
        choice_BT, used_BT = draws.numbers(DRAW_CHOICE), batch.documents_BT != PADDING_DOCUMENT
        original_BT = original_tokens(batch)
        if self.starts_word_V is not None:
            choice_BT = np.take_along_axis(choice_BT, self._word_starts(batch, original_BT), axis=1)
        share = share_at(step, first=self.share, last=self.final_share, num_steps=self.num_steps)
        chosen_BT = (choice_BT < share) & used_BT & (batch.targets_BT != IGNORED)
        changed_BT = masked(original_BT, draws, self.mask_token, self.vocabulary_size)
        return replace(
            batch,
            tokens_BT=np.where(chosen_BT, changed_BT, original_BT).astype(np.int32),
            targets_BT=np.where(chosen_BT, batch.targets_BT, IGNORED).astype(np.int32),
        )

    def _word_starts(self, batch: Batch, original_BT: NDArray[np.int32]) -> NDArray[np.int64]:
        """The place of the first token of each token's word."""
        assert self.starts_word_V is not None
        place_BT = np.broadcast_to(np.arange(original_BT.shape[1]), original_BT.shape)
        begins_BT = self.starts_word_V[original_BT] | (batch.positions_BT == 0)
        return np.asarray(np.maximum.accumulate(np.where(begins_BT, place_BT, 0), axis=1))


@dataclass(frozen=True)
class MaskNextTokens:
    """GPT-BERT's masking: in some rows, masked tokens are to be told one place early, and all of a document is seen.

    Those are the first `rows_share` of the places in a global batch, whose rows are in random order; where that is no
    whole number of rows, it is over the steps. There every chosen
    target is masked where it is read, in the place behind; a piece's last target is read nowhere, and may be chosen.
    The other rows stay as they are. Source: Charpentier & Samuel 2024, arXiv 2410.24159, section 2.
    """

    seed: int
    share: float
    rows_share: float
    batch_rows: int
    mask_token: int
    vocabulary_size: int
    final_share: float | None = None
    num_steps: int = 1

    def __call__(self, batch: Batch, step: int, places: Places) -> Batch:
        draws = Draws(self.seed, step, places, batch.targets_BT.shape[1])
        share = share_at(step, first=self.share, last=self.final_share, num_steps=self.num_steps)
        masked_B1 = (places < self._num_masked(step))[:, None]
        chosen_BT = masked_B1 & (draws.numbers(DRAW_CHOICE) < share) & (batch.targets_BT != IGNORED)
        # A token is read in the place behind its target, if that is of the same piece.
        read_BT = np.zeros_like(chosen_BT)
        read_BT[:, 1:] = chosen_BT[:, :-1] & (batch.positions_BT[:, 1:] > 0)
        changed_BT = masked(batch.tokens_BT, draws, self.mask_token, self.vocabulary_size)
        return replace(
            batch,
            tokens_BT=np.where(read_BT, changed_BT, batch.tokens_BT).astype(np.int32),
            targets_BT=np.where(masked_B1 & ~chosen_BT, IGNORED, batch.targets_BT).astype(np.int32),
            prefix_BT=np.broadcast_to(masked_B1, chosen_BT.shape).copy(),
        )

    def _num_masked(self, step: int) -> int:
        """Masked rows of a step: after any number of steps, as many as the share says, less a part of one."""
        rows = self.rows_share * self.batch_rows
        return math.floor((step + 1) * rows + ROUNDING) - math.floor(step * rows + ROUNDING)


@dataclass(frozen=True)
class CutPrefix:
    """Every piece is cut at random: what lies before the cut is seen by all of it and not to be told.

    Source: Raffel et al. 2020, arXiv 1910.10683, section 3.2.1.
    """

    seed: int

    def __call__(self, batch: Batch, step: int, places: Places) -> Batch:
        row_tokens = batch.tokens_BT.shape[1]
        chance_BT = Draws(self.seed, step, places, row_tokens).numbers(DRAW_CHOICE)
        place_T = np.arange(row_tokens)
        begins_BT = (batch.positions_BT == 0) | (batch.documents_BT == PADDING_DOCUMENT)
        first_BT = np.maximum.accumulate(np.where(begins_BT, place_T, 0), axis=1)
        # Read from behind, the place where the next piece begins.
        next_BT = np.where(begins_BT, place_T, row_tokens)
        end_BT = np.minimum.accumulate(next_BT[:, ::-1], axis=1)[:, ::-1]
        end_BT = np.concatenate([end_BT[:, 1:], np.full((len(end_BT), 1), row_tokens)], axis=1)
        length_BT = end_BT - first_BT
        cut_BT = 1 + (np.take_along_axis(chance_BT, first_BT, axis=1) * (length_BT - 1)).astype(np.int64)
        place_BT = batch.positions_BT
        # The last place of the prefix does not see what comes next: that is the first target.
        return replace(
            batch,
            targets_BT=np.where(place_BT >= cut_BT - 1, batch.targets_BT, IGNORED).astype(np.int32),
            prefix_BT=(place_BT < cut_BT) & (batch.documents_BT != PADDING_DOCUMENT),
        )


def share_at(step: int, *, first: float, last: float | None, num_steps: int) -> float:
    """A share that goes from one number to another, step by step."""
    return first if last is None else first + (last - first) * min(1.0, step / max(1, num_steps - 1))


def masked(original_BT: NDArray[np.int32], draws: Draws, mask_token: int, vocabulary_size: int) -> NDArray[np.int32]:
    """What each token becomes where it is chosen: in 80 % the mask, in 10 % a token at random, in 10 % itself."""
    fate_BT, random_BT = draws.numbers(DRAW_FATE), draws.tokens(vocabulary_size)
    return np.where(fate_BT < 0.8, mask_token, np.where(fate_BT < 0.9, random_BT, original_BT)).astype(np.int32)


@dataclass(frozen=True)
class ReplaceInputs:
    """Some inputs become others, targets stay: a model that must not rely on every token before.

    `drop` of them become one token that says nothing (input-token dropout), `swap` of them a token at random.
    """

    seed: int
    drop: float
    swap: float
    drop_token: int
    vocabulary_size: int

    def __call__(self, batch: Batch, step: int, places: Places) -> Batch:
        draws = Draws(self.seed, step, places, batch.tokens_BT.shape[1])
        choice_BT, random_BT = draws.numbers(DRAW_CHOICE), draws.tokens(self.vocabulary_size)
        # What begins a document is not one of its tokens: it stays.
        inside_BT = (batch.documents_BT != PADDING_DOCUMENT) & (batch.positions_BT > 0)
        swapped_BT = np.where(choice_BT < self.drop + self.swap, random_BT, batch.tokens_BT)
        changed_BT = np.where(choice_BT < self.drop, self.drop_token, swapped_BT)
        return replace(batch, tokens_BT=np.where(inside_BT, changed_BT, batch.tokens_BT).astype(np.int32))


def original_tokens(batch: Batch) -> NDArray[np.int32]:
    """The token at each place, as its target is, also where the store says that it is not learnt; padding as it is.

    A token that is no target is the next place's input, or, at the end of its piece, unknown: the input it has stays.
    """
    original_BT = np.where(batch.targets_BT != IGNORED, batch.targets_BT, batch.tokens_BT)
    goes_on_BT = (batch.documents_BT[:, 1:] == batch.documents_BT[:, :-1]) & (batch.positions_BT[:, 1:] > 0)
    goes_on_BT &= (batch.targets_BT[:, :-1] == IGNORED) & (batch.documents_BT[:, :-1] != PADDING_DOCUMENT)
    original_BT[:, :-1] = np.where(goes_on_BT, batch.tokens_BT[:, 1:], original_BT[:, :-1])
    return original_BT.astype(np.int32)


@kernel
def fill_draws(keys_R: NDArray[np.uint64], places_B: NDArray[np.int64], numbers_BT: NDArray[np.float64]) -> None:
    """Fills in the numbers that belong to rows at these places."""
    for b in range(len(places_B)):
        row_key = mix(keys_R[0] + np.uint64(places_B[b]) * np.uint64(0x9E3779B97F4A7C15))
        for t in range(numbers_BT.shape[1]):
            bits = mix(mix(row_key + np.uint64(t)) ^ keys_R[1])
            numbers_BT[b, t] = np.float64(bits >> np.uint64(11)) * 2.0**-53
