"""The part of a block that looks at one token alone.

Shape letters: B batch, T time, D width, F feed-forward width.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from headrace.models.config import ModelConfig
from headrace.models.fields import Activation

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "relu": functional.relu,
}


class GatedFeedForward(nn.Module):
    """The activation of one product times another product. Source: Shazeer 2020, arXiv 2002.05202."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.gate_up = nn.Linear(config.width, 2 * config.feed_forward, bias=config.feed_forward_bias)
        self.down = nn.Linear(config.feed_forward, config.width, bias=config.feed_forward_bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        gate_BTF, up_BTF = self.gate_up(x_BTD).chunk(2, dim=-1)
        return self.down(self.activation(gate_BTF) * up_BTF)


class PlainFeedForward(nn.Module):
    """Two products with an activation between them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.up = nn.Linear(config.width, config.feed_forward, bias=config.feed_forward_bias)
        self.down = nn.Linear(config.feed_forward, config.width, bias=config.feed_forward_bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x_BTD)))


def build_feed_forward(config: ModelConfig) -> nn.Module:
    """The feed-forward part of a block."""
    return (GatedFeedForward if config.gated else PlainFeedForward)(config)
