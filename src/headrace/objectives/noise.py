"""What objectives on rows do to the rows: masks, gaps, prefixes, as pure functions of (seed, step, place)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.objectives.config import (
    CausalAndMaskedConfig,
    CausalConfig,
    FullDenoisingConfig,
    MaskedConfig,
    PrefixConfig,
    RowObjectiveConfig,
    SpanDenoisingConfig,
)
from headrace.objectives.special_tokens import MASK, SENTINEL, num_sentinels
from headrace.tokens.batch import Batch
from headrace.tokens.corrupt import CutPrefix, MaskNextTokens, MaskTokens, Places
from headrace.tokens.denoise import CorruptSpans, Denoising, EditTokens, InfillSpans
from headrace.tokens.stream import Transform
from headrace.tokens.vocabulary import num_ids

MASKS = (MASK, "[MASK]", "<mask>")
"""What vocabularies call the token that stands for another."""


@dataclass(frozen=True)
class Noise:
    """What is needed to make the noise of an objective."""

    tokenizer: Tokenizer
    end_token: int
    seed: int
    num_steps: int
    """Of the stage, for what changes in its course."""
    row_tokens: int
    batch_rows: int
    start_token: int | None = None
    """What the rows that an encoder-decoder writes begin with. None: the end token."""

    def transform(self, config: RowObjectiveConfig) -> Transform | None:
        """What happens to every batch; None: nothing. Raises InputError for a token that the vocabulary lacks."""
        if isinstance(config, CausalConfig):
            return None
        if isinstance(config, PrefixConfig):
            return CutPrefix(self.seed)
        if isinstance(config, SpanDenoisingConfig | FullDenoisingConfig):
            return self._denoising(config)
        size, mask = num_ids(self.tokenizer), mask_token(self.tokenizer)
        if isinstance(config, CausalAndMaskedConfig):
            return MaskNextTokens(
                self.seed,
                config.rate,
                config.masked_share,
                self.batch_rows,
                mask_token=mask,
                vocabulary_size=size,
                final_share=config.final_rate,
                num_steps=self.num_steps,
            )
        starts_V = starts_word(self.tokenizer) if config.whole_words else None
        return MaskTokens(self.seed, config.rate, mask, size, starts_V, config.final_rate, self.num_steps)

    def _denoising(self, config: SpanDenoisingConfig | FullDenoisingConfig) -> Transform:
        end, size = self.end_token, num_ids(self.tokenizer)
        if isinstance(config, FullDenoisingConfig) and config.edits:
            make: Callable[[Batch, int, Places], Denoising] = EditTokens(
                self.seed, config.insert, config.delete, config.substitute, size, end
            )
        else:
            first = first_sentinel(self.tokenizer, config, self.row_tokens)
            spans = CorruptSpans(self.seed, config.rate, config.mean_span, first, end_token=end, pad_token=end)
            is_full = isinstance(config, FullDenoisingConfig)
            make = InfillSpans(spans, mask_token(self.tokenizer)) if is_full else spans

        start = end if self.start_token is None else self.start_token

        def transform(batch: Batch, step: int, places: Places) -> Batch:
            return make(batch, step, places).as_batch(start)

        return transform


def last_of(config: RowObjectiveConfig) -> RowObjectiveConfig:
    """The objective as it is when its stage ends."""
    if isinstance(config, MaskedConfig | CausalAndMaskedConfig) and config.final_rate is not None:
        return config.model_copy(update={"rate": config.final_rate, "final_rate": None})
    return config


def mask_token(tokenizer: Tokenizer) -> int:
    """The id of the token that stands for another. Raises InputError if there is none."""
    found = next((number for name in MASKS if (number := tokenizer.token_to_id(name)) is not None), None)
    if found is None:
        raise InputError(
            f"the vocabulary has no token that masks others, such as {MASK!r}. Add one: "
            f"`tokens: {{vocabulary: {{special_tokens: [{MASK!r}]}}}}`."
        )
    return int(found)


def first_sentinel(tokenizer: Tokenizer, config: SpanDenoisingConfig | FullDenoisingConfig, row_tokens: int) -> int:
    """The id of the sentinel of a text's first gap; those of the others are below it, one by one."""
    if isinstance(config, FullDenoisingConfig):
        return 0  # one mask stands for all
    wanted = num_sentinels(config, row_tokens)
    found = (tokenizer.token_to_id(SENTINEL.format(number)) for number in range(wanted))
    ids = [number for number in found if number is not None]
    if len(ids) < wanted or ids != list(range(ids[0], ids[0] - wanted, -1)):
        raise InputError(
            f"the vocabulary has not the {wanted} tokens {SENTINEL.format(0)} to {SENTINEL.format(wanted - 1)}, each "
            "one id below the one before, that stand for gaps. Let the recipe train a vocabulary, or use T5's."
        )
    return int(ids[0])


def starts_word(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Which tokens begin a word (V,): in WordPiece those without `##`, in byte-level BPE those that begin with a space.

    There tokens of signs and of Chinese characters begin one too: their first byte is no letter's.
    """
    starts_V = np.ones(num_ids(tokenizer), bool)
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    pieces = any(name.startswith("##") for name in vocabulary)
    for name, number in vocabulary.items():
        starts_V[number] = not name.startswith("##") if pieces else not name[:1].isascii() or not name[:1].isalpha()
    return starts_V
