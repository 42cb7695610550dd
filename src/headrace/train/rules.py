"""Rules for updates that torch does not have."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class DecoupledSGD(torch.optim.SGD):
    """SGD whose weight decay is a step of its own, as in AdamW: weight -= rate x decay x weight, then the update.

    torch's adds the decay to the gradient, from where it enters the momentum. Source: Loshchilov & Hutter 2019, arXiv
    1711.05101, algorithm 1.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # gives no loss
        """Decays and updates every parameter that has a gradient."""
        assert closure is None, "the loop has computed the gradients"
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            if group["weight_decay"] and (parameters := with_gradient(group)):
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            group["weight_decay"] = 0.0
        super().step()
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay


class Lion(torch.optim.Optimizer):
    """weight -= rate x (sign(beta1 x momentum + (1 - beta1) x gradient) + decay x weight), then
    momentum = beta2 x momentum + (1 - beta2) x gradient.

    Source: Chen et al. 2023, arXiv 2302.06675, algorithm 2.
    """

    def __init__(self, params: Any, *, lr: float, betas: tuple[float, float], weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # gives no loss
        """Updates every parameter that has a gradient; a few passes over memory, each for all parameters at once."""
        assert closure is None, "the loop has computed the gradients"
        for group in self.param_groups:
            if not (parameters := with_gradient(group)):
                continue
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            momenta = [self._momentum(parameter) for parameter in parameters]
            beta1, beta2 = group["betas"]
            updates = torch._foreach_lerp(momenta, gradients, 1 - beta1)
            torch._foreach_sign_(updates)
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, updates, alpha=-group["lr"])
            torch._foreach_lerp_(momenta, gradients, 1 - beta2)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "exp_avg" not in state:
            state["exp_avg"] = torch.zeros_like(parameter)
        momentum: Tensor = state["exp_avg"]
        return momentum


def with_gradient(group: dict[str, Any]) -> list[Tensor]:
    """The parameters of a group that a step changes."""
    return [parameter for parameter in group["params"] if parameter.grad is not None]
