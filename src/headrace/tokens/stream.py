"""Batches as a pure function of (seed, step): no state to save but the step.

Step s of a run takes samples [s x rows, (s + 1) x rows) of an endless list; sample i is row i mod R of epoch i div R,
in the epoch's own permutation. Ranks take neighbouring slices of the same global batch, so the order is the same for
any number.

Shape letters: B rows, T tokens of a row.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.batch import Batch
from headrace.tokens.store import TokenStore

if TYPE_CHECKING:
    from headrace.tokens.order import RowOrder


class BatchStream:
    """The global batches of a run, or one rank's part of each."""

    def __init__(
        self, store: TokenStore, *, end_token: int, seed: int, batch_rows: int, rank: int = 0, world_size: int = 1
    ) -> None:
        if batch_rows % world_size:
            raise ValueError(
                f"a global batch of {batch_rows} rows cannot be shared equally by {world_size} processes; "
                "change train.global_batch_tokens or the number of processes"
            )
        # The kernels' compiler takes half a second to load, which nobody who only names a stream should wait for.
        from headrace.tokens.order import Shuffled
        from headrace.tokens.rows import RowGatherer

        self._gatherer = RowGatherer(store, end_token)
        self._order: RowOrder = Shuffled(store.plan.num_rows, seed)
        self.batch_rows = batch_rows
        share = batch_rows // world_size
        self._slice = slice(rank * share, (rank + 1) * share)

    def row_numbers(self, step: int) -> NDArray[np.int64]:
        """The rows of the global batch of a step, in order, all ranks together."""
        return self._order.rows(step * self.batch_rows, self.batch_rows)

    def batch(self, step: int) -> Batch:
        """This rank's rows of a step."""
        return self._gatherer.gather(self.row_numbers(step)[self._slice])
