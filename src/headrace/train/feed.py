"""What a stage reads, step by step, and how that becomes a loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from headrace.models.task_folder import Task
from headrace.objectives.objective import Objective
from headrace.tokens.read_ahead import Steps


class Stream(Steps[Any], Protocol):
    """Batches that may be read ahead of their steps. Each knows its `num_tokens`."""

    @property
    def num_threads(self) -> int:
        """How many threads may well read ahead."""
        ...


@dataclass(frozen=True)
class HeadNeeded:
    """A head, and what its classes are called."""

    task: Task
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Feed:
    """The batches of a stage and of its validation, and what is learnt from them."""

    objective: Objective
    stream: Stream
    micro_batch_rows: int
    """Rows that a process handles at once, where batches are rows."""
    num_steps: int
    steps_per_epoch: float
    held_out: Stream
    """Batch b is the b-th of the held-out set."""
    num_held_out: int
    held_out_rows: int
    row_tokens: int
    """The longest context that the model sees."""
    step_tokens: int
    """That a step reads, about."""
    head: HeadNeeded | None = None
    """What the model needs to tell classes."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the stage's summary says of the data."""
    documents: Callable[[int], list[str]] = lambda _: []
    """Ids of what the base batch of a step is made of, where that is known."""
    for_compiled: "Callable[[], Feed] | None" = None
    """Makes the same in batches of one shape, where this one's have many: for kernels that are compiled."""
