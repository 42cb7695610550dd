"""Dropout whose random numbers do not cost more than the products around it.

torch draws one number for each element, in one thread: 64 ms for 3 million of them, where this takes 14 (2 cores). Here
each draw of 64 bits decides about four elements.
"""

import torch
from torch import Tensor
from torch.nn import functional

LANE_BITS = 16
LANES = 4  # of a draw


def drop(x: Tensor, rate: float) -> Tensor:
    """`x` with a share of its elements zero and the others scaled up, so that the mean does not move.

    On CPU the share is `rate` to 1 / 65,536; kernels that a compiler makes and other devices draw their own numbers.
    """
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return functional.dropout(x, rate)
    dropped = min(round(rate * 2**LANE_BITS), 2**LANE_BITS - 1)
    draw_N = torch.empty(-(-x.numel() // LANES), dtype=torch.int64).random_(-(2**63), None)
    lane_N = draw_N.view(torch.int16)[: x.numel()]  # evenly from -2**15 to 2**15 - 1
    kept = (lane_N >= dropped - 2 ** (LANE_BITS - 1)).view(x.shape)
    return x * kept.to(x.dtype).mul_(2**LANE_BITS / (2**LANE_BITS - dropped))
