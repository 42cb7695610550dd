"""What of a block is computed once more on the way back, so that nothing of it is kept on the way forward."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Recomputed = Literal["nothing", "attention", "feed_forward", "block"]
"""Of a block: none of it, one of its two halves, or all. What is recomputed keeps its input alone."""


def recompute(function: Callable[..., Tensor], *given: Any) -> Tensor:
    """The function's result; its gradient runs the function again, with the random numbers of the first time.

    Where no gradient is asked for, nothing is kept anyway. Source: Chen et al. 2016, arXiv 1604.06174.
    """
    if not torch.is_grad_enabled():
        return function(*given)
    result: Tensor = checkpoint(function, *given, use_reentrant=False)
    return result
