"""The decoder: each token sees those before it in its document.

Shape letters: B batch, T time, D width, V vocabulary.
"""

import torch
from torch import Tensor

from headrace.models.cache import KeyValueCache
from headrace.models.config import ModelConfig
from headrace.models.initial import initialise
from headrace.models.rows import Rows
from headrace.models.segments import EarlierSegments
from headrace.models.transformer import Transformer, places_of

__all__ = ["Decoder", "KeyValueCache", "build_decoder"]


class Decoder(Transformer):
    """Token ids in, final hidden states out; `head_weight` turns those into logits."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__(config, vocabulary_size)
        self.add_blocks(causal=True)
        self.add_head()

    def forward(
        self,
        token_BT: Tensor,
        position_BT: Tensor,
        document_BT: Tensor,
        *,
        prefix_BT: Tensor | None = None,
        earlier: EarlierSegments | None = None,
    ) -> Tensor:
        """Final hidden states (B, T, D) of packed rows.

        prefix_BT: bool, tokens that all of their document may see. All of it set, the decoder reads as an encoder does.
        earlier: what came before in rows that are read a segment at a time.
        """
        x_BTD = self.embed(token_BT, position_BT)
        return self.scaled(self.run(x_BTD, position_BT, document_BT, prefix_BT=prefix_BT, earlier=earlier))

    def hidden_states(self, rows: Rows) -> Tensor:
        """Final hidden states (B, T, D) of packed rows."""
        given = (rows.token_BT, rows.position_BT, rows.document_BT)
        return self(*given, prefix_BT=rows.prefix_BT, earlier=rows.earlier)

    def logits(self, token_BT: Tensor) -> Tensor:
        """Logits (B, T, V) of whole rows that are one document each."""
        return self.compare(self(token_BT, places_of(token_BT), torch.zeros_like(token_BT)))


def build_decoder(config: ModelConfig, vocabulary_size: int, *, seed: int) -> Decoder:
    """A decoder with fresh weights that depend on nothing but the arguments."""
    decoder = Decoder(config, vocabulary_size)
    initialise(decoder, config, seed=seed)
    return decoder
