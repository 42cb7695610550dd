"""What a stage reads, step by step, and how that becomes a loss."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from headrace.models.task_folder import Task
from headrace.objectives.objective import Objective


class Steps(Protocol):
    """Batches as a pure function of the step."""

    @property
    def num_threads(self) -> int:
        """How many threads may well read ahead."""
        ...

    def batch(self, step: int) -> Any:
        """This process's part of a step's batch. It knows its `num_tokens`."""
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
    stream: Steps
    micro_batch_rows: int
    """Rows that a process handles at once, where batches are rows."""
    num_steps: int
    steps_per_epoch: float
    held_out: Steps
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
    for_compiled: "Feed | None" = None
    """The same in batches of one shape, where this one's have many: for kernels that are compiled."""
