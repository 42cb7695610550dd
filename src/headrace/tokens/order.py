"""Which row is which sample: an endless list of rows that is computed, not stored."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.permutation import permute_from, round_keys


class RowOrder(Protocol):
    """An endless list of rows, a pure function of the place in it."""

    def rows(self, first: int, count: int) -> NDArray[np.int64]:
        """The rows that are samples [first, first + count)."""
        ...


@dataclass(frozen=True)
class Shuffled:
    """Every row once an epoch, each epoch in an order of its own."""

    num_rows: int
    seed: int

    def rows(self, first: int, count: int) -> NDArray[np.int64]:
        epoch, place = divmod(first, self.num_rows)
        rows = np.empty(count, np.int64)
        done = 0
        while done < count:
            part = rows[done : done + self.num_rows - place]
            permute_from(place, part, self.num_rows, round_keys(self.seed, epoch))
            done, place, epoch = done + len(part), 0, epoch + 1
        return rows
