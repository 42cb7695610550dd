"""Long rows that are read a segment at a time: each is learnt from while only its own activations are kept.

A segment sees all of its row that came before, through keys and values that no gradient goes into.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from headrace.models.segments import EarlierSegments
from headrace.objectives.guesses import guesses_of
from headrace.objectives.objective import Computing
from headrace.objectives.rows import RowObjective
from headrace.tokens import Batch


class Segment(NamedTuple):
    """Some places of some rows, and what came before them."""

    batch: Batch
    earlier: EarlierSegments


@dataclass(frozen=True)
class SegmentObjective:
    """What an objective on rows learns, a segment after the other; to be taken in the order in which they are cut."""

    rows: RowObjective
    segment_tokens: int

    def parts(self, batch: Batch, micro_batch_rows: int) -> Iterator[Segment]:
        for part in self.rows.parts(batch, micro_batch_rows):
            earlier = EarlierSegments(torch.from_numpy(part.documents_BT))
            for start in range(0, part.tokens_BT.shape[1], self.segment_tokens):
                yield Segment(part.columns(start, start + self.segment_tokens), earlier.at(start))

    def count(self, batch: Batch | Segment) -> int:
        return (batch.batch if isinstance(batch, Segment) else batch).num_targets

    def loss(self, model: nn.Module, part: Segment, how: Computing) -> Tensor:
        guesses = guesses_of(model, part.batch, how, earlier=part.earlier)
        return guesses.summed_loss(self.rows.extra, compiled=how.compiled)

    @torch.no_grad()
    def measure(self, model: nn.Module, part: Segment, how: Computing) -> Tensor:
        losses = guesses_of(model, part.batch, how, earlier=part.earlier).losses()
        return torch.tensor([float(losses.sum(dtype=torch.float64)), float("nan")]).double()
