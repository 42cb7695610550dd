"""The optimiser and the gradient's last checks before it."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from headrace.errors import DivergenceError
from headrace.models.initial import learning_rate_scale
from headrace.models.transformer import Transformer
from headrace.train.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.AdamW:
    """AdamW over all parameters; matrices decay, vectors do not. One fused pass over memory per step.

    A model that is scaled across widths has one more group, with the rate of its inner matrices.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {(config.weight_decay, 1.0): [], (0.0, 1.0): []}
    for name, parameter in model.named_parameters():
        decay = config.weight_decay if parameter.dim() >= 2 else 0.0
        scale = learning_rate_scale(name, model.config) if isinstance(model, Transformer) else 1.0
        groups.setdefault((decay, scale), []).append(parameter)
    described = [
        {"params": parameters, "weight_decay": decay, "rate_scale": scale}
        for (decay, scale), parameters in groups.items()
    ]
    return torch.optim.AdamW(described, lr=0.0, betas=(config.beta1, config.beta2), eps=config.epsilon, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives every group the rate of the schedule, scaled as the group's parameters are."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_scale"]


def finish_gradient(
    parameters: Iterable[nn.Parameter], *, num_targets: float, loss: float, largest_norm: float, step: int
) -> float:
    """Turns summed gradients into means over valid tokens, clips them, and returns their norm before clipping.

    Raises DivergenceError, before anything is updated, if the loss or any gradient is not finite.
    """
    assert num_targets > 0, "a packed batch has at least one target"
    gradients = gradients_of(parameters)
    torch._foreach_mul_(gradients, 1.0 / num_targets)
    norm = torch.nn.utils.get_total_norm(gradients)
    if not (torch.isfinite(norm) and loss == loss and abs(loss) != float("inf")):
        raise DivergenceError(
            f"step {step}: the loss is {loss} and the gradient's norm {float(norm)}; nothing was updated with them. "
            "Lower train.learning_rate (try a third), or run with train.precision=fp32, and run again."
        )
    if norm > largest_norm:
        torch._foreach_mul_(gradients, largest_norm / (norm + 1e-6))
    return float(norm)


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradient of each parameter, made zero where the step has not reached it."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return gradients
