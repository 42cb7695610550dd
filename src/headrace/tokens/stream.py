"""Batches as a pure function of (seed, step): no state to save but the step.

Step s of a run takes samples [s x rows, (s + 1) x rows) of an endless list (`order.py`). Processes share the rows of
the same global batch, so samples and their order are the same for any number of them.

Shape letters: B rows, T tokens of a row.
"""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.batch import Batch
from headrace.tokens.store import TokenStore

if TYPE_CHECKING:
    from headrace.tokens.order import RowOrder

Transform = Callable[[Batch, int, NDArray[np.int64]], Batch]
"""Changes a batch, given its step and the places of its rows in the global batch (`corrupt.py`)."""

FETCHING_THREADS = 4
EQUAL_WORK_TOKENS = 4096
"""Document length at which attention is taken to cost as much as all else, where no model says."""


class BatchStream:
    """The global batches of a run, or one rank's part of each. Safe to share between threads."""

    def __init__(
        self,
        store: TokenStore,
        *,
        end_token: int,
        seed: int,
        batch_rows: int,
        rank: int = 0,
        world_size: int = 1,
        order: "RowOrder | None" = None,
        attention_tokens: int = EQUAL_WORK_TOKENS,
    ) -> None:
        """order: which row is which sample; None: all rows, shuffled by the seed in every epoch.

        Raises ValueError if there are fewer rows than processes.
        """
        # The kernels' compiler takes half a second to load, which nobody who only names a stream should wait for.
        from headrace.tokens.order import Shuffled
        from headrace.tokens.ranks import share_sizes
        from headrace.tokens.rows import RowGatherer

        self.batch_rows, self._rank, self._world_size = batch_rows, rank, world_size
        self.share_rows = share_sizes(batch_rows, world_size)[rank]
        """Rows of this process in every batch."""
        self.store, self._attention_tokens = store, attention_tokens
        self._transform: Transform | None = None
        self._gatherer = RowGatherer(store, end_token)
        self.order: RowOrder = order or Shuffled(store.plan.num_rows, seed)

    @property
    def num_threads(self) -> int:
        """How many threads may well read ahead: those who fetch wait most of the time."""
        return 1 if self.store.remote is None else FETCHING_THREADS

    def row_numbers(self, step: int) -> NDArray[np.int64]:
        """The rows of the global batch of a step, in order, all ranks together."""
        return self.order.rows(step * self.batch_rows, self.batch_rows)

    def places(self, step: int) -> NDArray[np.int64]:
        """The places in the global batch of a step that are this rank's, in order."""
        return self._places(self.row_numbers(step))

    def batch(self, step: int) -> Batch:
        """This rank's rows of a step."""
        rows = self.row_numbers(step)
        if self._world_size == 1 and self._transform is None:
            return self._gatherer.gather(rows)
        places = self._places(rows)
        batch = self._gatherer.gather(rows[places])
        return batch if self._transform is None else self._transform(batch, step, places)

    def document_names(self, step: int) -> list[str]:
        """Ids of the documents in the global batch of a step, each once, by their place in the store."""
        plan, rows = self.store.plan, self.row_numbers(step)
        pieces = [plan.segments[plan.row_starts[row] : plan.row_starts[row + 1]]["document"] for row in rows]
        names = self.store.lineage.table.column("id").take(np.unique(np.concatenate(pieces)))
        return list(names.to_pylist())

    def transformed(self, transform: Transform) -> "BatchStream":
        """The same stream, every batch changed as its step and the places of its rows say, after earlier changes."""
        other, earlier = copy.copy(self), self._transform

        def both(batch: Batch, step: int, places: NDArray[np.int64]) -> Batch:
            return transform(batch if earlier is None else earlier(batch, step, places), step, places)

        other._transform = both
        return other

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        from headrace.tokens.ranks import row_costs, share_rows

        return share_rows(row_costs(self.store.plan, rows, self._attention_tokens), self._world_size)[self._rank]
