"""T5's positions: a learnt bias of the attention scores per head and per bucket of distances.

Shape letters: H heads, T query time, S key time. Source: Raffel et al. 2019, arXiv 1910.10683, section 2.1.
"""

import math

import torch
from torch import Tensor, nn

from headrace.models.config import ModelConfig


class RelativeBias(nn.Module):
    """The table of a stack, shared by its blocks."""

    def __init__(self, config: ModelConfig, *, causal: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(config.relative_buckets, config.heads))
        self.max_distance = config.relative_distance
        self.causal = causal

    def forward(self, query_T: Tensor, key_S: Tensor) -> Tensor:
        """The bias (H, T, S) between queries and keys at given places of a row.

        Documents lie in one piece, so the distance of places is the distance of positions.
        """
        buckets = bucket_of(
            key_S[None, :] - query_T[:, None],
            num_buckets=len(self.weight),
            max_distance=self.max_distance,
            causal=self.causal,
        )
        return self.weight[buckets].permute(2, 0, 1)


def bucket_of(distance: Tensor, *, num_buckets: int, max_distance: int, causal: bool) -> Tensor:
    """The bucket of each distance, key minus query: one each for near ones, ever wider ones for far ones.

    causal: keys behind the query share the bucket of distance 0; otherwise they have half of the buckets.
    """
    offset = torch.zeros_like(distance)
    if causal:
        far = (-distance).clamp(min=0)
    else:
        num_buckets //= 2
        offset, far = (distance > 0) * num_buckets, distance.abs()
    exact = num_buckets // 2
    share = torch.log(far.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    wide = (exact + (share * (num_buckets - exact)).long()).clamp(max=num_buckets - 1)
    return offset + torch.where(far < exact, far, wide)
