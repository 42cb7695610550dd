"""Objectives on rows of tokens: the cross-entropy of their targets. What rows and targets are makes them differ.

Shape letters: N tokens, D width, V vocabulary, B rows, T tokens of a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headrace.models.rows import Rows, SourceRows
from headrace.models.transformer import Transformer
from headrace.objectives.cross_entropy import NOTHING, Extra, chunk_tokens, summed_cross_entropy, token_losses
from headrace.objectives.objective import Computing
from headrace.tokens import Batch
from headrace.tokens.batch import IGNORED

FEW = 0.5
"""Share of valid targets below which the others are taken out before the head."""


@dataclass(frozen=True)
class RowObjective:
    """The cross-entropy of the targets in packed rows, in nats."""

    extra: Extra = NOTHING

    def parts(self, batch: Batch, micro_batch_rows: int) -> Iterator[Batch]:
        for start in range(0, batch.num_rows, micro_batch_rows):
            yield batch.rows(start, start + micro_batch_rows)

    def count(self, batch: Batch) -> int:
        return batch.num_targets

    def loss(self, model: nn.Module, part: Batch, how: Computing) -> Tensor:
        assert isinstance(model, Transformer), "rows are read by one of our models"
        hidden_ND, target_N = valid_states(model, part, how)
        return summed_cross_entropy(
            hidden_ND,
            model.head_weight,
            target_N,
            bias_V=model.head_bias,
            compiled=how.compiled,
            extra=self.extra,
        )

    def measure(self, model: nn.Module, part: Batch, how: Computing) -> Tensor:
        return torch.tensor([float(batch_losses(model, part, how).sum(dtype=torch.float64)), float("nan")]).double()


def batch_losses(model: nn.Module, batch: Batch, how: Computing) -> Tensor:
    """Negative log-likelihood of the targets in nats, float32, in order; those that are ignored may be left out."""
    assert isinstance(model, Transformer), "rows are read by one of our models"
    # A compiled model keeps its graph for training: the one without gradients would have to be compiled as well (11 s).
    with torch.set_grad_enabled(how.compiled):
        hidden_ND, target_N = valid_states(model, batch, how)
    return token_losses(hidden_ND.detach(), model.head_weight, target_N, bias_V=model.head_bias)


def valid_states(model: Transformer, batch: Batch, how: Computing) -> tuple[Tensor, Tensor]:
    """What is compared with the head's weight (N, D), and the targets (N,), of all places or, where few have targets,
    of those; and of some that count for nothing, so that compiled code sees few different numbers of them.
    """
    target_N = torch.from_numpy(batch.targets_BT).flatten()
    with how.autocast():
        hidden_ND = model.hidden_states(as_rows(batch)).flatten(0, 1)
        if batch.num_targets < FEW * len(target_N):
            place_N = torch.nonzero(target_N != IGNORED)[:, 0]
            filling = -len(place_N) % min(chunk_tokens(model.head_weight), len(target_N)) if how.compiled else 0
            hidden_ND = hidden_ND[torch.cat([place_N, place_N.new_zeros(filling)])]
            target_N = torch.cat([target_N[place_N], target_N.new_full((filling,), IGNORED)])
        return model.predictions(hidden_ND), target_N


def as_rows(batch: Batch) -> Rows:
    """A batch as models read it, sharing its memory."""
    source = None
    if batch.source is not None:
        source = SourceRows(*_tensors(batch.source))
    prefix_BT = None if batch.prefix_BT is None else torch.from_numpy(batch.prefix_BT)
    return Rows(*_tensors(batch), prefix_BT=prefix_BT, source=source)


def _tensors(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(batch.tokens_BT), torch.from_numpy(batch.positions_BT), torch.from_numpy(batch.documents_BT)
