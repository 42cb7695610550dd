"""How the next token is drawn."""

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from headrace.config import Config


class SamplingConfig(Config):
    """How a continuation is drawn from the model's probabilities."""

    max_tokens: PositiveInt = 100
    """Longest continuation, in tokens; the end of the document ends it sooner."""
    temperature: float = Field(default=0.8, ge=0)
    """Divides the logits: below 1 likelier tokens gain, 0 always takes the likeliest."""
    top_k: int | None = Field(default=50, gt=0)
    """Draws from this many likeliest tokens only. None: from all."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Draws from the fewest tokens that hold this much probability. Source: Holtzman et al. 2019, arXiv 1904.09751."""


def draw(logits_V: Tensor, config: SamplingConfig, generator: torch.Generator) -> int:
    """One token id, drawn as configured; the likeliest if the temperature is 0."""
    if config.temperature == 0:
        return int(logits_V.argmax())
    count = min(config.top_k or len(logits_V), len(logits_V))
    best_K, token_K = logits_V.float().topk(count)
    probability_K = torch.softmax((best_K - best_K[0]) / config.temperature, dim=0)  # never above 0: cannot overflow
    before_K = probability_K.cumsum(0) - probability_K
    probability_K = probability_K.masked_fill(before_K >= config.top_p, 0.0)
    return int(token_K[torch.multinomial(probability_K, 1, generator=generator)])
