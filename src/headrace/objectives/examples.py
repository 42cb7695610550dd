"""Objectives on labelled examples.

Shape letters: N examples or sequences of a part, C classes, B rows, T tokens of a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from headrace.examples.stream import ExampleBatch, ExamplePart
from headrace.models.foreign.model import ForeignClassifier, ForeignTagger
from headrace.models.heads import Classifier, Places, Tagger
from headrace.models.rows import Rows
from headrace.objectives.guesses import asked
from headrace.objectives.objective import Computing
from headrace.objectives.reading import as_rows
from headrace.objectives.rows import RowObjective


class OnExamples:
    """What all objectives on examples have in common: a batch of examples is cut into parts already."""

    def parts(self, batch: ExampleBatch, micro_batch_rows: int) -> Iterator[ExamplePart]:
        """The parts of a batch."""
        return iter(batch.parts)


@dataclass(frozen=True)
class ClassifyObjective(OnExamples):
    """The cross-entropy of each text's class, or the sum of the binary ones of all classes, in nats per example."""

    weight_C: Tensor | None = None
    """What an example of each class counts for; where several may hold, what its presence counts for."""
    smoothing: float = 0.0

    def count(self, batch: ExampleBatch) -> int:
        return batch.num_examples

    def loss(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        return self._loss_of(*self._told(model, part, how))

    def _loss_of(self, logits_NC: Tensor, label: Tensor) -> Tensor:
        if label.dim() == 2:
            target_NC = label * (1.0 - self.smoothing) + 0.5 * self.smoothing
            return functional.binary_cross_entropy_with_logits(
                logits_NC, target_NC, pos_weight=self.weight_C, reduction="sum"
            )
        return functional.cross_entropy(
            logits_NC, label, weight=self.weight_C, label_smoothing=self.smoothing, reduction="sum"
        )

    @torch.no_grad()
    def measure(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        logits_NC, label = self._told(model, part, how)
        right_N = (logits_NC.argmax(1) == label) if label.dim() == 1 else ((logits_NC > 0) == (label > 0)).all(1)
        return torch.stack([self._loss_of(logits_NC, label).double(), right_N.sum().double()])

    def _told(self, model: nn.Module, part: ExamplePart, how: Computing) -> tuple[Tensor, Tensor]:
        assert part.labels is not None, "what is learnt has a label"
        label = torch.from_numpy(part.labels)
        return class_logits(model, part, how), label.long() if label.dim() == 1 else label


@dataclass(frozen=True)
class TagObjective(OnExamples):
    """The cross-entropy of each word's tag, in nats per word."""

    def count(self, batch: ExampleBatch) -> int:
        return batch.num_targets

    def loss(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        logits_NC, target_N = tag_logits(model, part, how)
        return functional.cross_entropy(logits_NC, target_N, reduction="sum")

    @torch.no_grad()
    def measure(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        logits_NC, target_N = tag_logits(model, part, how)
        loss = functional.cross_entropy(logits_NC, target_N, reduction="sum")
        return torch.stack([loss.double(), (logits_NC.argmax(1) == target_N).sum().double()])


@dataclass(frozen=True)
class TextObjective(OnExamples):
    """The cross-entropy of the tokens that are asked, in nats per token: translations, answers."""

    rows: RowObjective = field(default_factory=RowObjective)

    def count(self, batch: ExampleBatch) -> int:
        return batch.num_targets

    def loss(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        return self.rows.loss(model, part.rows, how)

    def measure(self, model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
        return self.rows.measure(model, part.rows, how)


def class_logits(model: nn.Module, part: ExamplePart, how: Computing) -> Tensor:
    """Float32 logits (N, C) of each text of a part."""
    assert isinstance(model, Classifier | ForeignClassifier), "classes are told by a classifier"
    places = Places(torch.from_numpy(part.first_N), torch.from_numpy(part.last_N))
    with how.autocast():
        logits_NC = model(rows_of(part), places)
    return logits_NC.float()


def tag_logits(model: nn.Module, part: ExamplePart, how: Computing) -> tuple[Tensor, Tensor]:
    """Float32 logits (N, C) of each place that is asked, over all rows end to end, and its tag (N,)."""
    assert isinstance(model, Tagger | ForeignTagger), "tags are told by a tagger"
    place_N, target_N = asked(part.rows)
    with how.autocast():
        logits_NC = model(rows_of(part), place_N)
    return logits_NC.float(), target_N


def rows_of(part: ExamplePart) -> Rows:
    """A part's rows as models read them."""
    rows = as_rows(part.rows)
    return rows if part.token_types_BT is None else rows._replace(token_type_BT=torch.from_numpy(part.token_types_BT))
