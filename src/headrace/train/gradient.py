"""From summed gradients to the one that is handed to the optimiser."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from headrace.errors import DivergenceError


def finish_gradient(
    parameters: Iterable[nn.Parameter],
    *,
    num_targets: float,
    loss: float,
    largest_norm: float,
    step: int,
    may_be_refused: bool = False,
) -> float:
    """Turns summed gradients into means over valid tokens, clips them, and returns their norm before clipping.

    Raises DivergenceError, before anything is updated, if the loss or any gradient is not finite; unless the step may
    be refused, which the caller then has to do.
    """
    assert num_targets > 0, "a packed batch has at least one target"
    gradients, norm = mean_gradients(parameters, num_targets)
    if not (may_be_refused or (torch.isfinite(norm) and math.isfinite(loss))):
        raise DivergenceError(
            f"step {step}: the loss is {loss} and the gradient's norm {float(norm)}; nothing was updated with them. "
            "Lower train.learning_rate (try a third), or run with train.precision=fp32, and run again."
        )
    clip(gradients, norm, largest_norm)
    return float(norm)


def mean_gradients(parameters: Iterable[nn.Parameter], num_targets: float) -> tuple[list[Tensor], Tensor]:
    """Summed gradients, made means over so many targets where they lie, and their norm."""
    gradients = gradients_of(parameters)
    torch._foreach_mul_(gradients, 1.0 / num_targets)
    return gradients, torch.nn.utils.get_total_norm(gradients)


def clip(gradients: list[Tensor], norm: Tensor, largest_norm: float) -> None:
    """Shortens gradients of such a norm together, where it is above the largest."""
    if norm > largest_norm:
        torch._foreach_mul_(gradients, largest_norm / (norm + 1e-6))


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradient of each parameter, made zero where the step has not reached it."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return gradients
