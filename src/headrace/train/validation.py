"""The held-out loss while training: the same rows each time, a mean over their tokens."""

from dataclasses import dataclass

import torch

from headrace.models.decoder import Decoder
from headrace.objectives import token_losses
from headrace.parallel import Group
from headrace.tokens import Batch, BatchStream
from headrace.trace import span
from headrace.train.numerics import Numerics


@dataclass(frozen=True)
class Validation:
    """A fixed set of held-out rows and when to look at them."""

    stream: BatchStream
    """Batch b holds the b-th micro-batch of the set."""
    num_batches: int
    every_steps: int

    def due(self, step: int, num_steps: int) -> bool:
        """At every multiple of `every_steps`, and at the end of the stage."""
        return step % self.every_steps == 0 or step == num_steps

    def measure(self, model: Decoder, numerics: Numerics, group: Group) -> float:
        """Mean negative log-likelihood per held-out token, in nats; equal bits in every process."""
        sums = torch.zeros(2, dtype=torch.float64)
        with span("validate"):
            for number in range(group.rank, self.num_batches, group.size):
                batch = self.stream.batch(number)
                sums[0] += batch_losses(model, batch, numerics).sum(dtype=torch.float64)
                sums[1] += batch.num_targets
            group.add_up([sums])
        return float(sums[0] / sums[1])


def batch_losses(model: Decoder, batch: Batch, numerics: Numerics) -> torch.Tensor:
    """Negative log-likelihood of every target in nats, float32 (rows x tokens,); zero for padding."""
    inputs = (batch.tokens_BT, batch.positions_BT, batch.documents_BT)
    # A compiled model keeps its graph for training: the one without gradients would have to be compiled as well (11 s).
    with numerics.autocast(), torch.set_grad_enabled(numerics.compiled):
        hidden_BTD = model(*(torch.from_numpy(array) for array in inputs)).detach()
    return token_losses(hidden_BTD.flatten(0, 1), model.head_weight, torch.from_numpy(batch.targets_BT).flatten())
