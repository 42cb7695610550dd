"""A model in the form that reads fastest and learns no more.

Shape letters: D width, O outputs.

On a CPU, a step of generation is the time to read every weight once. oneDNN reads its own layout of a matrix about
twice as fast as rows in order, which it would otherwise rearrange at each product (bf16, one core: 1,024 x 512 with
one row of input 37 us against 88, with 16 rows 46 against 92).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from headrace.models.norms import LayerNorm, RMSNorm

ROWS_AT_ONCE = 16  # what the layout is chosen for; others are as quick within a few per cent


class PackedLinear(nn.Module):
    """A linear layer in bf16 whose weights lie as the processor's products want them."""

    def __init__(self, weight_OD: Tensor, bias_O: Tensor | None) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight_OD.detach().bfloat16(), ROWS_AT_ONCE)
        self.bias = None if bias_O is None else bias_O.detach().bfloat16()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


class QuickRMSNorm(nn.Module):
    """RMSNorm as one fused operation, rounded once."""

    def __init__(self, norm: RMSNorm) -> None:
        super().__init__()
        self.gain = norm.weight.detach().float().repeat(2)
        self.epsilon = norm.epsilon

    def forward(self, x: Tensor) -> Tensor:
        # x beside -x has mean 0, and its variance is the mean square of x: what torch has one kernel for (8 us
        # against 18).
        both = functional.layer_norm(torch.cat([x, -x], dim=-1), self.gain.shape, self.gain, None, self.epsilon)
        return both[..., : x.shape[-1]]


class QuickLayerNorm(nn.Module):
    """LayerNorm that reads bf16 and computes in float32 within one operation."""

    def __init__(self, norm: LayerNorm) -> None:
        super().__init__()
        self.gain, self.shift = norm.weight.detach().float(), norm.bias.detach().float()
        self.epsilon = norm.epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.gain.shape, self.gain, self.shift, self.epsilon)


def can_pack() -> bool:
    """Whether this machine's torch has such layouts."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def multiplies_bf16() -> bool:
    """Whether this processor has instructions for products in bf16; without them float32 is faster."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def pack_parts(module: nn.Module) -> None:
    """Puts quick parts in the place of every linear layer and norm within a module. They hold no parameters."""
    for name, part in list(module.named_children()):
        if isinstance(part, nn.Linear) and can_pack():
            setattr(module, name, PackedLinear(part.weight, part.bias))
        elif isinstance(part, RMSNorm):
            setattr(module, name, QuickRMSNorm(part))
        elif isinstance(part, LayerNorm):
            setattr(module, name, QuickLayerNorm(part))
        else:
            pack_parts(part)
