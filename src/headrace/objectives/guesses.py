"""What a model says of the targets in rows, ready to be compared with them.

Our models give hidden states, which become logits a chunk at a time; those of transformers give logits at once.

Shape letters: N places that are asked, D width, V vocabulary.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from headrace.models.foreign.model import ForeignModel
from headrace.models.segments import EarlierSegments
from headrace.models.transformer import Transformer
from headrace.objectives.cross_entropy import Extra, chunk_tokens, summed_cross_entropy, token_losses
from headrace.objectives.objective import Computing
from headrace.objectives.reading import as_rows
from headrace.tokens import Batch
from headrace.tokens.batch import IGNORED

FEW = 0.5
"""Share of valid targets below which the others are taken out before the head."""


class Guesses(Protocol):
    """What a model guesses at some places of rows."""

    def summed_loss(self, extra: Extra, *, compiled: bool) -> Tensor:
        """Negative log-likelihood of all valid targets in nats, float32, which can be differentiated once."""
        ...

    def losses(self) -> Tensor:
        """That of each, in order, without a gradient; those that are ignored may be left out."""
        ...


@dataclass(frozen=True)
class GuessesOfStates:
    """Hidden states that are compared with the rows of a head."""

    hidden_ND: Tensor
    model: Transformer
    target_N: Tensor

    def summed_loss(self, extra: Extra, *, compiled: bool) -> Tensor:
        model = self.model
        return summed_cross_entropy(
            self.hidden_ND,
            model.head_weight,
            self.target_N,
            bias_V=model.head_bias,
            compiled=compiled,
            extra=extra,
        )

    def losses(self) -> Tensor:
        return token_losses(self.hidden_ND.detach(), self.model.head_weight, self.target_N, bias_V=self.model.head_bias)


@dataclass(frozen=True)
class GuessesOfLogits:
    """Logits of places whose targets are all valid."""

    logits_NV: Tensor
    target_N: Tensor

    def summed_loss(self, extra: Extra, *, compiled: bool) -> Tensor:
        plain = functional.cross_entropy(self.logits_NV, self.target_N, reduction="sum")
        if not extra.smoothing and not extra.z_weight:
            return plain
        learnt = functional.cross_entropy(
            self.logits_NV, self.target_N, label_smoothing=extra.smoothing, reduction="sum"
        )
        learnt = learnt + extra.z_weight * self.logits_NV.logsumexp(1).square().sum()
        return plain.detach() + learnt - learnt.detach()  # what is learnt besides is not reported

    def losses(self) -> Tensor:
        return functional.cross_entropy(self.logits_NV.detach(), self.target_N, reduction="none")


def guesses_of(model: nn.Module, batch: Batch, how: Computing, *, earlier: EarlierSegments | None = None) -> Guesses:
    """What a model says of the targets of a batch. earlier: what came before in its rows, if they are segments."""
    if isinstance(model, ForeignModel):
        place_N, target_N = asked(batch)
        return GuessesOfLogits(foreign_logits(model, batch, place_N, how), target_N)
    assert isinstance(model, Transformer), "rows are read by one of our models, or one of transformers"
    hidden_ND, target_N = valid_states(model, batch, how, earlier=earlier)
    return GuessesOfStates(hidden_ND, model, target_N)


def asked(batch: Batch) -> tuple[Tensor, Tensor]:
    """The places that have a target, over all rows end to end, and the targets."""
    target_N = torch.from_numpy(batch.targets_BT).flatten().long()
    place_N = torch.nonzero(target_N != IGNORED)[:, 0]
    return place_N, target_N[place_N]


def foreign_logits(model: ForeignModel, batch: Batch, place_N: Tensor, how: Computing) -> Tensor:
    """Float32 logits (N, V) of some places."""
    with how.autocast():
        return model.logits_at(as_rows(batch), place_N).float()


def valid_states(
    model: Transformer, batch: Batch, how: Computing, *, earlier: EarlierSegments | None = None
) -> tuple[Tensor, Tensor]:
    """What is compared with the head's weight (N, D), and the targets (N,), of all places or, where few have targets,
    of those; and of some that count for nothing, so that compiled code sees few different numbers of them.
    """
    target_N = torch.from_numpy(batch.targets_BT).flatten()
    with how.autocast():
        hidden_ND = model.hidden_states(as_rows(batch)._replace(earlier=earlier)).flatten(0, 1)
        if batch.num_targets < FEW * len(target_N):
            place_N = torch.nonzero(target_N != IGNORED)[:, 0]
            filling = -len(place_N) % min(chunk_tokens(model.head_weight), len(target_N)) if how.compiled else 0
            hidden_ND = hidden_ND[torch.cat([place_N, place_N.new_zeros(filling)])]
            target_N = torch.cat([target_N[place_N], target_N.new_full((filling,), IGNORED)])
        return model.predictions(hidden_ND), target_N
