"""The encoder: each token sees its whole document.

Shape letters: B batch, T time, D width, V vocabulary.
"""

import torch
from torch import Tensor, nn

from headrace.models.config import ModelConfig
from headrace.models.feed_forward import ACTIVATIONS
from headrace.models.norms import build_norm
from headrace.models.rows import Rows
from headrace.models.transformer import Transformer, places_of


class Encoder(Transformer):
    """Token ids in, a hidden state per token out; `predictions` makes those comparable with `head_weight`."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__(config, vocabulary_size)
        self.add_blocks(causal=False)
        if config.head_transform:
            self.transform = HeadTransform(config)
        if config.pooler:
            self.pooler = nn.Linear(config.width, config.width)
        self.add_head()

    def forward(
        self, token_BT: Tensor, position_BT: Tensor, document_BT: Tensor, token_type_BT: Tensor | None = None
    ) -> Tensor:
        """Hidden states (B, T, D) of packed rows."""
        return self.run(self.embed(token_BT, position_BT, token_type_BT), position_BT, document_BT)

    def hidden_states(self, rows: Rows) -> Tensor:
        """Hidden states (B, T, D) of packed rows."""
        return self(rows.token_BT, rows.position_BT, rows.document_BT, rows.token_type_BT)

    def predictions(self, hidden_BTD: Tensor) -> Tensor:
        """What is compared with `head_weight` (and shifted by `head_bias`) to guess tokens."""
        return self.scaled(self.transform(hidden_BTD) if self.config.head_transform else hidden_BTD)

    def pooled(self, first_BD: Tensor) -> Tensor:
        """One vector per document from the hidden state of its first token."""
        assert self.config.pooler, "only an encoder with a pooler has pooled states"
        return torch.tanh(self.pooler(first_BD))

    def hidden(self, token_BT: Tensor) -> Tensor:
        """Hidden states of whole rows that are one document each."""
        return self(token_BT, places_of(token_BT), torch.zeros_like(token_BT))

    def logits(self, token_BT: Tensor) -> Tensor:
        """Logits (B, T, V) of whole rows that are one document each."""
        return self.compare(self.predictions(self.hidden(token_BT)))


class HeadTransform(nn.Module):
    """The layer between the last block and the head of a BERT."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.dense = nn.Linear(config.width, config.width)
        self.norm = build_norm(config)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        return self.norm(self.activation(self.dense(hidden_BTD)))
