"""Norms of the residual stream and of queries and keys."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from headrace.models.config import ModelConfig


class RMSNorm(nn.Module):
    """Scales each vector to root mean square 1, then by a learnt gain. Computed in float32, returned in the input's
    dtype.

    Source: Zhang & Sennrich 2019, arXiv 1910.07467; rounding order as in transformers' LlamaRMSNorm.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        x32 = x.float()
        x32 = x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + self.epsilon)
        return self.weight.to(x.dtype) * x32.to(x.dtype)


class LayerNorm(nn.Module):
    """Shifts and scales each vector to mean 0 and variance 1, then by a learnt gain and bias. Computed in float32,
    returned in the input's dtype.

    Source: Ba, Kiros & Hinton 2016, arXiv 1607.06450.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        shape = (x.shape[-1],)
        return functional.layer_norm(x.float(), shape, self.weight, self.bias, self.epsilon).to(x.dtype)


def build_norm(config: ModelConfig) -> nn.Module:
    """The norm of a residual stream."""
    return (RMSNorm if config.norm == "rms" else LayerNorm)(config.width, config.norm_epsilon)
