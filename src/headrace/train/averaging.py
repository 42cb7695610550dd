"""Averages of weights over steps."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from headrace.train.schedule_config import EMAConfig, TailConfig
from headrace.train.trainable import trainable


@dataclass
class Average:
    """A running average of a model's weights: one more copy of them, and nothing else to remember.

    How many weights it holds follows from the step, so a checkpoint needs the average alone.
    """

    config: EMAConfig | TailConfig
    num_steps: int
    """Of the whole stage."""
    batch_tokens: int
    weights: dict[str, Tensor] = field(default_factory=dict)

    def update(self, model: nn.Module, step: int, *, size: int = 1) -> None:
        """Takes in the weights after a step. size: its base batches."""
        share = self.share_of(step, size=size)
        if share == 0.0:
            return
        parameters = {name: parameter.detach() for name, parameter in trainable(model).items()}
        if share == 1.0:
            self.weights = {name: parameter.clone() for name, parameter in parameters.items()}
        else:
            torch._foreach_lerp_([self.weights[name] for name in parameters], list(parameters.values()), share)

    def share_of(self, step: int, *, size: int = 1) -> float:
        """The share of the weights after a step in the average after it; 0 where it is not looked at.

        step: base batches up to its end. size: those of its own. EMA: (1 - d^size) / (1 - d^step) with d the share that
        a base batch leaves of what was before, which corrects for the start as Adam does. In a tail, weights count as
        often as places of it lie within their step.
        """
        if isinstance(self.config, EMAConfig):
            kept = 0.5 ** (self.batch_tokens / self.config.half_life_tokens)
            return (1.0 - kept**size) / (1.0 - kept**step)
        passed = [place for place in self._tail_steps(self.config) if place <= step]
        return sum(place > step - size for place in passed) / max(1, len(passed))

    def _tail_steps(self, config: TailConfig) -> list[int]:
        length = config.share * self.num_steps
        places = [
            self.num_steps - length * (config.samples - number) / config.samples
            for number in range(1, config.samples + 1)
        ]
        return sorted({max(1, math.ceil(round(place, 6))) for place in places})


@contextmanager
def weights_in_place(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """The model with other weights, for the length of the block."""
    before = {name: parameter.detach().clone() for name, parameter in trainable(model).items()}
    put_weights(model, weights)
    try:
        yield
    finally:
        put_weights(model, before)


@torch.no_grad()
def put_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies weights of what is trained into a model."""
    for name, parameter in trainable(model).items():
        parameter.copy_(weights[name])
