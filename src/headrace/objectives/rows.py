"""Objectives on rows of tokens: the cross-entropy of their targets. What rows and targets are makes them differ."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headrace.objectives.cross_entropy import NOTHING, Extra
from headrace.objectives.guesses import guesses_of
from headrace.objectives.objective import Computing
from headrace.tokens import Batch


@dataclass(frozen=True)
class RowObjective:
    """The cross-entropy of the targets in packed rows, in nats."""

    extra: Extra = NOTHING
    row_tokens: int | None = None
    """Length of the rows that micro-batches are counted in, where a stage begins with shorter ones."""

    def parts(self, batch: Batch, micro_batch_rows: int) -> Iterator[Batch]:
        if self.row_tokens is not None:
            micro_batch_rows *= self.row_tokens // batch.tokens_BT.shape[1]
        for start in range(0, batch.num_rows, micro_batch_rows):
            yield batch.rows(start, start + micro_batch_rows)

    def count(self, batch: Batch) -> int:
        return batch.num_targets

    def loss(self, model: nn.Module, part: Batch, how: Computing) -> Tensor:
        return guesses_of(model, part, how).summed_loss(self.extra, compiled=how.compiled)

    def measure(self, model: nn.Module, part: Batch, how: Computing) -> Tensor:
        return torch.tensor([float(batch_losses(model, part, how).sum(dtype=torch.float64)), float("nan")]).double()


def batch_losses(model: nn.Module, batch: Batch, how: Computing) -> Tensor:
    """Negative log-likelihood of the targets in nats, float32, in order; those that are ignored may be left out."""
    # A compiled model keeps its graph for training: the one without gradients would have to be compiled as well (11 s).
    with torch.set_grad_enabled(how.compiled):
        return guesses_of(model, batch, how).losses()
