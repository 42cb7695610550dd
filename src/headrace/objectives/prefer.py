"""Preferences between two answers. Source: Rafailov et al. 2023, arXiv 2305.18290, equation 7.

Shape letters: N pairs, T tokens that are asked.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from headrace.examples.stream import ExampleBatch, ExamplePart
from headrace.models.foreign.model import ForeignModel
from headrace.models.transformer import Transformer
from headrace.objectives.cross_entropy import chunk_tokens
from headrace.objectives.guesses import asked, foreign_logits
from headrace.objectives.objective import Computing
from headrace.objectives.reading import as_rows

Without = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class PreferObjective:
    """DPO: -log sigmoid(beta x how much more the model prefers the chosen answer than the reference does), per pair.

    The reference is the model that training began with: another one, or this one without its adapter.
    """

    beta: float
    smoothing: float
    reference: nn.Module | None = None
    """None: the model itself, without its adapter."""
    without_adapter: Without = nullcontext
    """Takes the adapter off, where the reference is the model itself."""

    def parts(self, batch: ExampleBatch, micro_batch_rows: int) -> Iterator[ExamplePart]:
        return iter(batch.parts)

    def count(self, batch: ExampleBatch) -> int:
        return batch.num_examples

    def loss(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        margin_N = self.beta * self._margins(model, part, how)
        wrong = self.smoothing
        losses_N = -(1 - wrong) * functional.logsigmoid(margin_N) - wrong * functional.logsigmoid(-margin_N)
        return losses_N.sum()

    @torch.no_grad()
    def measure(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        margin_N = self._margins(model, part, how)
        losses_N = -(1 - self.smoothing) * functional.logsigmoid(self.beta * margin_N)
        losses_N = losses_N - self.smoothing * functional.logsigmoid(-self.beta * margin_N)
        return torch.stack([losses_N.sum().double(), (margin_N > 0).sum().double()])

    def _margins(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        """How much more than the reference the model prefers what was chosen, in nats (N,)."""
        reference = model if self.reference is None else self.reference
        with torch.no_grad(), self.without_adapter(), _whole(reference):
            known = sequence_log_likelihoods(reference, part, how)
        change = sequence_log_likelihoods(model, part, how) - known
        return change[0::2] - change[1::2]


@contextmanager
def _whole(model: nn.Module) -> Iterator[None]:
    """A model that leaves nothing out by chance: what is compared with must not waver."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def sequence_log_likelihoods(model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
    """Summed log-likelihood of the tokens that are asked of each sequence of a part, in nats, float32."""
    place_T, target_T = asked(part.rows)
    number_T = torch.from_numpy(part.rows.documents_BT).flatten().long()[place_T]
    if isinstance(model, ForeignModel):
        losses_T = functional.cross_entropy(foreign_logits(model, part.rows, place_T, how), target_T, reduction="none")
    else:
        assert isinstance(model, Transformer), "answers are read by one of our models, or one of transformers"
        losses_T = _our_losses(model, part, how)
    return -torch.zeros(len(part.first_N)).index_add(0, number_T, losses_T)


def _our_losses(model: Transformer, part: ExamplePart, how: Computing) -> Tensor:
    place_T, target_T = asked(part.rows)
    with how.autocast():
        hidden_TD = model.predictions(model.hidden_states(as_rows(part.rows)).flatten(0, 1)[place_T])
    size = chunk_tokens(model.head_weight)
    return torch.cat([
        _token_losses(model, hidden_TD[start : start + size], target_T[start : start + size])
        for start in range(0, len(place_T), size)
    ])  # fmt: skip


def _token_losses(model: Transformer, hidden_TD: Tensor, target_T: Tensor) -> Tensor:
    """Each by itself, and not their sum as `summed_cross_entropy` has it: every pair has a factor of its own."""
    logits_TV = functional.linear(hidden_TD, model.head_weight.to(hidden_TD.dtype), model.head_bias)
    return functional.cross_entropy(logits_TV.float(), target_T, reduction="none")
