"""A model of transformers in our loop: it reads packed rows, and gives logits in place of hidden states.

Shape letters: N places or texts, B rows, T tokens of a row, G rows of a group, L their length, V vocabulary, C classes.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headrace.errors import InputError
from headrace.models.foreign.config import ForeignConfig
from headrace.models.foreign.unpacking import Group, unpack
from headrace.models.heads import Places
from headrace.models.rows import Rows


class Foreign(nn.Module):
    """A model that transformers has built, and its sizes."""

    def __init__(self, inner: Any, config: ForeignConfig) -> None:
        super().__init__()
        self.inner = inner
        self.config = config

    @property
    def vocabulary_size(self) -> int:
        return int(self.inner.get_input_embeddings().num_embeddings)

    @property
    def padding_token(self) -> int:
        """What stands where nothing does; nothing is seen of it, so that any token would do where there is none."""
        found = self.inner.config.get_text_config().pad_token_id
        return 0 if found is None else int(found)

    def run(self, rows: Rows) -> Iterator[tuple[Group, Tensor]]:
        """Logits of the documents in packed rows, a group at a time. Raises InputError for rows it cannot read."""
        if rows.prefix_BT is not None:
            raise InputError(
                f"models of the kind {self.config.family!r} cannot see a prefix as a whole. Train them with the "
                "objective causal, or take a model that headrace has modules for."
            )
        for group in unpack(rows, self.padding_token):
            yield group, self.inner(**self._inputs(group)).logits

    def _inputs(self, group: Group) -> dict[str, Any]:
        inputs, source = group.inputs, group.source
        self._check(max(side.token_GL.shape[1] for side in (inputs, source) if side is not None))
        keeps_nothing = {} if self.config.shape == "encoder" else {"use_cache": False}
        if self.config.shape != "encoder_decoder":
            return {"input_ids": inputs.token_GL, "attention_mask": inputs.mask_GL, **keeps_nothing}
        assert source is not None, "an encoder-decoder reads a source"
        return {
            "input_ids": source.token_GL,
            "attention_mask": source.mask_GL,
            "decoder_input_ids": inputs.token_GL,
            "decoder_attention_mask": inputs.mask_GL,
            **keeps_nothing,
        }

    def _check(self, length: int) -> None:
        most = self.config.max_positions
        if most is not None and length > most:
            raise InputError(
                f"a document of {length:,} tokens, and the model of kind {self.config.family!r} has positions for "
                f"{most:,}. Make tokens.row_tokens, or the objective's max_tokens, smaller."
            )

    def logits_at(self, rows: Rows, place_N: Tensor) -> Tensor:
        """Logits (N, V) of some places, counted over all rows end to end; none of them may be padding."""
        index_T = torch.full((rows.token_BT.numel(),), -1)
        index_T[place_N] = torch.arange(len(place_N))
        found, numbers = [], []
        for group, logits_GLV in self.run(rows):
            index_GL = index_T[group.place_GL]
            wanted_GL = (index_GL >= 0) & group.inputs.mask_GL.bool()
            found.append(logits_GLV[wanted_GL])
            numbers.append(index_GL[wanted_GL])
        if not found:  # rows of padding: nothing, of which a gradient can be taken
            weight = self.inner.get_input_embeddings().weight
            return weight.new_zeros(0, len(weight)) + 0.0 * weight.sum()
        return torch.cat(found)[torch.cat(numbers).argsort()]


class ForeignModel(Foreign):
    """One that guesses tokens."""


class ForeignClassifier(Foreign):
    """One with transformers' own head for classes of texts."""

    def forward(self, rows: Rows, places: Places) -> Tensor:
        """Logits (N, C) of the texts whose first tokens are at the places."""
        found, starts = [], []
        for group, logits_GC in self.run(rows):
            found.append(logits_GC)
            starts.append(group.place_GL[:, 0])
        order_N, start_N = torch.cat(starts).sort().indices, places.first_N
        return torch.cat(found)[order_N][start_N.argsort().argsort()]


class ForeignTagger(Foreign):
    """One with transformers' own head for classes of tokens."""

    def forward(self, rows: Rows, place_N: Tensor) -> Tensor:
        """Logits (N, C) of the tokens at some places."""
        return self.logits_at(rows, place_N)
