"""The held-out loss while training: the same targets each time, a mean over them."""

from dataclasses import dataclass

import torch
from torch import nn

from headrace.parallel import Group
from headrace.trace import span
from headrace.train.feed import Feed
from headrace.train.numerics import Numerics
from headrace.train.trainable import is_noisy


@dataclass(frozen=True)
class Validation:
    """A fixed set of held-out batches and when to look at them."""

    feed: Feed
    every_steps: int

    def due(self, step: int, num_steps: int, *, size: int = 1) -> bool:
        """After a multiple of `every_steps`, and at the end of the stage. size: base batches of the step just done."""
        return step % self.every_steps < size or step == num_steps

    def measure(self, model: nn.Module, numerics: Numerics, group: Group) -> tuple[float, float]:
        """Mean loss of the held-out targets, and the share told right (not a number where nobody asks for it).

        Equal bits in every process.
        """
        sums, objective = torch.zeros(3, dtype=torch.float64), self.feed.objective
        model.train(not is_noisy(model))  # a model that is not would be compiled anew for nothing
        with span("validate"):
            for number in range(group.rank, self.feed.num_held_out, group.size):
                batch = self.feed.held_out.batch(number)
                for part in objective.parts(batch, self.feed.held_out_rows):
                    sums[:2] += objective.measure(model, part, numerics)
                sums[2] += objective.count(batch)
            group.add_up([sums])
        model.train()
        return float(sums[0] / sums[2]), float(sums[1] / sums[2])
