"""Token ids to the vectors that enter the first block.

Shape letters: B batch, T time, D width.
"""

import torch
from torch import Tensor, nn

from headrace.models.config import ModelConfig
from headrace.models.dropout import drop
from headrace.models.norms import build_norm
from headrace.models.positions import sinusoids


class TokenEmbedding(nn.Embedding):
    """A vector per token, and what the config adds to it: scale, type, position, norm, dropout."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__(vocabulary_size, config.width)
        self.config = config
        if config.token_types:
            self.token_type = nn.Embedding(config.token_types, config.width)
        if config.positions == "learned":
            assert config.max_positions is not None, "a config with learned positions says how many"
            self.position = nn.Embedding(config.max_positions, config.width)
        if config.embedding_norm:
            self.norm = build_norm(config)

    def embed(
        self,
        token_BT: Tensor,
        position_BT: Tensor,
        token_type_BT: Tensor | None = None,
        *,
        prompt: nn.Module | None = None,
    ) -> Tensor:
        """The vectors (B, T, D). Without `token_type_BT` every token is of type 0.

        prompt: puts other vectors in place of those of some tokens, by their positions.
        """
        config, x_BTD = self.config, self(token_BT)
        if prompt is not None:
            x_BTD = prompt(x_BTD, position_BT)
        if config.embedding_scale != 1.0:
            x_BTD = x_BTD * config.embedding_scale
        if config.token_types:
            x_BTD = x_BTD + self.token_type(torch.zeros_like(token_BT) if token_type_BT is None else token_type_BT)
        if config.positions == "learned":
            x_BTD = x_BTD + self.position(position_BT.long())
        elif config.positions == "sinusoidal":
            x_BTD = x_BTD + sinusoids(config.width, position_BT)
        if config.embedding_norm:
            x_BTD = self.norm(x_BTD)
        return drop(x_BTD, config.dropout) if config.dropout and self.training else x_BTD
