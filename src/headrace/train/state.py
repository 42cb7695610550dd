"""Everything that training changes, and its form on disk."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from headrace.config import Config
from headrace.models.decoder import Decoder

MOMENTS = ("exp_avg", "exp_avg_sq")


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
    optimizer: torch.optim.AdamW
    progress: Progress = field(default_factory=Progress)

    def snapshot(self) -> dict[str, Tensor]:
        """Copies of all tensors, by name; a memory copy, so the loop may go on at once while they are written."""
        tensors = {}
        for name, parameter in self.model.named_parameters():
            tensors[f"model.{name}"] = parameter.detach().clone()
            moments = self.optimizer.state.get(parameter, {})
            tensors |= {f"{moment}.{name}": moments[moment].clone() for moment in MOMENTS if moments}
        return tensors

    def restore(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Takes over what `snapshot` gave, to the bit."""
        self.progress = progress
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])
                if progress.step:
                    moments = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS}
                    self.optimizer.state[parameter] = {"step": torch.tensor(float(progress.step)), **moments}

    def restore_model(self, tensors: dict[str, Tensor]) -> None:
        """Takes over the weights only."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])
