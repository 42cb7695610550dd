"""Batches of documents of alike length, one a row: for tasks whose texts must not share a row.

A batch is of one bucket, whose rows are as long as its longest document may be, and has as many rows as its tokens
allow; so little is padding. Like every stream it is a pure function of (seed, step). Opening it looks at every length.

Shape letters: B rows, T tokens of a row.
"""

from bisect import bisect_right
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.batch import Batch
from headrace.tokens.packing import SEGMENT, PackingPlan
from headrace.tokens.permutation import permute
from headrace.tokens.rows import RowGatherer
from headrace.tokens.store import TokenStore


class BucketStream:
    """Every document once an epoch, longer ones than the last bucket in pieces; batches of all buckets mixed."""

    def __init__(
        self, store: TokenStore, *, end_token: int, seed: int, batch_tokens: int, bounds: tuple[int, ...]
    ) -> None:
        """bounds: row lengths of the buckets, going up. Raises ValueError if not even one row fits into a batch."""
        if list(bounds) != sorted(set(bounds)) or not bounds or bounds[-1] > batch_tokens:
            raise ValueError(f"buckets of {bounds} tokens: want lengths that go up, the last at most {batch_tokens:,}")
        plans = [plan for plan in plan_buckets(store.lengths, bounds) if plan.num_rows]
        self._plans, self._seed = plans, seed
        self._gatherers = [RowGatherer(store, end_token, plan) for plan in plans]
        self._batch_rows = [batch_tokens // plan.row_tokens for plan in plans]
        counts = [-(-plan.num_rows // rows) for plan, rows in zip(plans, self._batch_rows, strict=True)]
        self._first_batches = [0, *accumulate(counts)]

    @property
    def steps_per_epoch(self) -> int:
        return self._first_batches[-1]

    def batch(self, step: int) -> Batch:
        """The batch of a step; the last one of a bucket in an epoch has fewer rows."""
        epoch, place = divmod(step, self.steps_per_epoch)
        number = int(permute(np.array([place]), self.steps_per_epoch, seed=self._seed, epoch=epoch)[0])
        bucket = bisect_right(self._first_batches, number) - 1
        num_rows, batch_rows = self._plans[bucket].num_rows, self._batch_rows[bucket]
        start = (number - self._first_batches[bucket]) * batch_rows
        places = np.arange(start, min(start + batch_rows, num_rows))
        return self._gatherers[bucket].gather(permute(places, num_rows, seed=self._seed + 1 + bucket, epoch=epoch))


def plan_buckets(lengths: NDArray[np.int32], bounds: tuple[int, ...]) -> list[PackingPlan]:
    """A plan for each bucket: a piece a row, in the shortest rows that hold it."""
    from headrace.tokens.fit import cut_documents  # brings the kernels' compiler

    segments = np.empty(int((-(-lengths.astype(np.int64) // bounds[-1])).sum()), SEGMENT)
    cut_documents(lengths, bounds[-1], segments)
    bucket_of = np.searchsorted(bounds, segments["length"])
    chosen = [segments[bucket_of == number] for number in range(len(bounds))]
    return [PackingPlan(part, np.arange(len(part) + 1), bound) for part, bound in zip(chosen, bounds, strict=True)]
