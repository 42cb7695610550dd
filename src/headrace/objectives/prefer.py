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
from headrace.objectives.examples import OnExamples
from headrace.objectives.guesses import asked, foreign_logits
from headrace.objectives.objective import Computing
from headrace.objectives.reading import as_rows

Without = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class PreferObjective(OnExamples):
    """DPO: -log sigmoid(beta x how much more the model prefers the chosen answer than the reference does), per pair.

    The reference is the model that training began with: another one, or this one without its adapter.
    """

    beta: float
    smoothing: float
    reference: nn.Module | None = None
    """None: the model itself, without its adapter."""
    without_adapter: Without = nullcontext
    """Takes the adapter off, where the reference is the model itself."""

    def count(self, batch: ExampleBatch) -> int:
        return batch.num_examples

    def loss(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        return self._summed(self._margins(model, part, how))

    @torch.no_grad()
    def measure(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        margin_N = self._margins(model, part, how)
        return torch.stack([self._summed(margin_N).double(), (margin_N > 0).sum().double()])

    def _summed(self, margin_N: Tensor) -> Tensor:
        """The sum of the losses of pairs that are preferred by so much."""
        reward_N, wrong = self.beta * margin_N, self.smoothing
        return (-(1 - wrong) * functional.logsigmoid(reward_N) - wrong * functional.logsigmoid(-reward_N)).sum()

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
        states_TD = _states(model, part, place_T, how)
        losses_T = _token_losses(model, states_TD, target_T)
    return -torch.zeros(len(part.first_N)).index_add(0, number_T, losses_T)


def _states(model: Transformer, part: ExamplePart, place_T: Tensor, how: Computing) -> Tensor:
    """What is compared with the head's weight at some places (T, D)."""
    with how.autocast():
        return model.predictions(model.hidden_states(as_rows(part.rows)).flatten(0, 1)[place_T])


def _token_losses(model: Transformer, states_TD: Tensor, target_T: Tensor) -> Tensor:
    """Each by itself, and not their sum as `summed_cross_entropy` has it: every pair has a factor of its own."""
    weight_VD, size = model.head_weight.to(states_TD.dtype), chunk_tokens(model.head_weight)
    bias_V = None if model.head_bias is None else model.head_bias.to(states_TD.dtype)
    losses = [
        functional.cross_entropy(
            functional.linear(states_TD[start : start + size], weight_VD, bias_V).float(),
            target_T[start : start + size],
            reduction="none",
        )
        for start in range(0, len(target_T), size)
    ]
    return torch.cat(losses)
