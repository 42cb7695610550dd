"""AdamW whose memory takes two bytes a parameter.

Blocks of 256 neighbours share a scale, their largest value; each keeps a root of its share of it in 8 bits, so that
steps are fine where values are small: the mean of gradients as sign and square root, the mean of squares as fourth
root, which reach down to 6e-5 and 2e-10 of the scale. Rounding is at random, so that changes too small for 8 bits still
add up. The idea of blocks: Dettmers et al. 2022, arXiv 2110.02861, whose levels are a table; a root needs no search.
"""

import math
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor

BLOCK = 256
"""Neighbours that share a scale."""
CHUNK = 1 << 16
"""Numbers that are worked on at once: what is made of them stays in the processor's cache."""
SMALLEST = 4096
"""Tensors of fewer numbers keep float32: gains and biases, whose steps matter and whose room does not."""
MEAN_LEVELS, SQUARE_LEVELS = 127, 255


def quantise_mean(numbers: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Signed numbers (blocks, 256) as int8, and the scale of each block; noise is uniform in [0, 1)."""
    scale = numbers.abs().amax(dim=1, keepdim=True)
    root = (numbers.abs() / scale.clamp(min=torch.finfo(torch.float32).tiny)).sqrt_()
    level = root.mul_(MEAN_LEVELS).add_(noise).floor_().clamp_(max=MEAN_LEVELS)
    return level.copysign_(numbers).to(torch.int8), scale[:, 0]


def read_mean(level: Tensor, scale: Tensor) -> Tensor:
    """What `quantise_mean` has kept, in float32."""
    root = level.float().div_(MEAN_LEVELS)
    return root.mul_(root.abs()).mul_(scale[:, None])


def quantise_square(numbers: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers from zero on (blocks, 256) as uint8, and the scale of each block.

    What is above zero stays above it: updates are divided by its root.
    """
    scale = numbers.amax(dim=1, keepdim=True)
    root = (numbers / scale.clamp(min=torch.finfo(torch.float32).tiny)).sqrt_().sqrt_()
    level = root.mul_(SQUARE_LEVELS).add_(noise).floor_().clamp_(max=SQUARE_LEVELS)
    return torch.maximum(level, (numbers > 0).float()).to(torch.uint8), scale[:, 0]


def read_square(level: Tensor, scale: Tensor) -> Tensor:
    """What `quantise_square` has kept, in float32."""
    root = level.float().div_(SQUARE_LEVELS)
    return root.square_().square_().mul_(scale[:, None])


class EightBitAdamW(torch.optim.Optimizer):
    """AdamW as torch computes it, from moments in 8 bits to moments in 8 bits, a chunk of a parameter at a time."""

    def __init__(self, params: Any, *, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # gives no loss
        """Updates every parameter that has a gradient."""
        assert closure is None, "the loop has computed the gradients"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "step" not in state:
            state |= {"step": torch.zeros(()), **_no_moments(parameter)}
        state["step"] += 1
        step = float(state["step"])
        if "exp_avg_scale" not in state:
            _adamw(parameter, gradient, state["exp_avg"], state["exp_avg_sq"], step=step, group=group)
            return
        noise = _noise().roll(random.Random(int(step)).randrange(CHUNK))  # noqa: S311  (rounding keeps no secrets)
        flat, flat_gradient = parameter.view(-1), gradient.reshape(-1)
        for numbers, blocks in _chunks(parameter.numel()):
            mean, square = (
                read(state[key][numbers_of(blocks)].view(-1, BLOCK), state[f"{key}_scale"][blocks])
                for key, read in (("exp_avg", read_mean), ("exp_avg_sq", read_square))
            )
            count = numbers.stop - numbers.start
            here, there = mean.view(-1)[:count], square.view(-1)[:count]
            _adamw(flat[numbers], flat_gradient[numbers], here, there, step=step, group=group)
            fresh = noise[: mean.numel()].view(-1, BLOCK)
            for key, (level, scale) in {
                "exp_avg": quantise_mean(mean, fresh),
                "exp_avg_sq": quantise_square(square, fresh.flip(1)),
            }.items():
                state[key][numbers_of(blocks)] = level.view(-1)
                state[f"{key}_scale"][blocks] = scale


def numbers_of(blocks: slice) -> slice:
    """The places of the numbers in some blocks."""
    return slice(blocks.start * BLOCK, blocks.stop * BLOCK)


def _adamw(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, *, step: float, group: dict[str, Any]
) -> None:
    """Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2, in the order in which torch computes it."""
    (beta1, beta2), rate = group["betas"], group["lr"]
    weight.mul_(1 - rate * group["weight_decay"])
    mean.lerp_(gradient, 1 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = square.sqrt().div_(math.sqrt(1 - beta2**step)).add_(group["eps"])
    weight.addcdiv_(mean, root, value=-rate / (1 - beta1**step))


def _no_moments(parameter: Tensor) -> dict[str, Tensor]:
    if parameter.numel() < SMALLEST:
        return {"exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
    num_blocks = -(-parameter.numel() // BLOCK)
    return {
        "exp_avg": torch.zeros(num_blocks * BLOCK, dtype=torch.int8),
        "exp_avg_scale": torch.zeros(num_blocks),
        "exp_avg_sq": torch.zeros(num_blocks * BLOCK, dtype=torch.uint8),
        "exp_avg_sq_scale": torch.zeros(num_blocks),
    }


def _chunks(numel: int) -> Iterator[tuple[slice, slice]]:
    """Places of numbers, and of the blocks that they fill."""
    for start in range(0, numel, CHUNK):
        stop = min(start + CHUNK, numel)
        yield slice(start, stop), slice(start // BLOCK, -(-stop // BLOCK))


@cache
def _noise() -> Tensor:
    """Uniform in [0, 1); read from another place at every step, because fresh numbers cost more than all else."""
    return torch.rand(CHUNK, generator=torch.Generator().manual_seed(0))
