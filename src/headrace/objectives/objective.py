"""What the loop asks of an objective, and what the objective asks of it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from torch import Tensor, nn


class Computing(Protocol):
    """How products are computed."""

    @property
    def compiled(self) -> bool:
        """Whether kernels are fused by a compiler."""
        ...

    def autocast(self) -> AbstractContextManager[object]:
        """Where products run in the chosen precision."""
        ...


class Objective(Protocol):
    """A loss over what a batch holds. A part is as much of a batch as a process handles at once."""

    def parts(self, batch: Any, micro_batch_rows: int) -> Iterator[Any]:
        """A batch cut into parts. What is learnt does not depend on where it is cut."""
        ...

    def count(self, batch: Any) -> int:
        """Valid targets in a batch, or in a part: what the sum of its losses is divided by."""
        ...

    def loss(self, model: nn.Module, part: Any, how: Computing) -> Tensor:
        """The sum of the losses of a part's valid targets, which can be differentiated once."""
        ...

    def measure(self, model: nn.Module, part: Any, how: Computing) -> Tensor:
        """Sums over a part's valid targets, float64 (2,): of the losses, and of how many were told right.

        The second is not a number where nobody asks for it.
        """
        ...
