"""Everything that training changes, and its form on disk."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from headrace.config import Config
from headrace.models.decoder import Decoder
from headrace.train.optimizer import Optimizer

MODEL = "model."
"""Begins the names of weights among all tensors."""


class Progress(Config):
    """The part of the state that is not tensors. What batch comes next follows from `step` alone."""

    step: int = 0
    """Optimiser steps done."""
    best_step: int | None = None
    """Step with the lowest validation loss so far."""
    best_loss: float | None = None
    """That loss, in nats per token."""
    num_worse: int = 0
    """Measurements since then."""


@dataclass
class TrainState:
    """Weights, optimiser moments and progress."""

    model: Decoder
    optimizer: Optimizer
    progress: Progress = field(default_factory=Progress)

    def snapshot(self) -> dict[str, Tensor]:
        """Copies of all tensors, by name; a memory copy, so the loop may go on at once while they are written."""
        weights = {f"{MODEL}{name}": parameter.detach() for name, parameter in self.model.named_parameters()}
        return {name: tensor.clone() for name, tensor in {**weights, **self.optimizer.state()}.items()}

    def restore(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Takes over what `snapshot` gave, to the bit."""
        self.progress = progress
        self.restore_model(tensors)
        moments = {name: tensor for name, tensor in tensors.items() if not name.startswith(MODEL)}
        self.optimizer.restore(moments, num_updates=progress.step)

    def restore_model(self, tensors: dict[str, Tensor]) -> None:
        """Takes over the weights only."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"{MODEL}{name}"])
