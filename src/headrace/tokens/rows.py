"""Rows of a store, as batches.

Shape letters: B rows, T tokens of a row, S shards, C columns.
"""

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.batch import Batch
from headrace.tokens.gather import SHORT_ROW, fill_rows, plane_bytes
from headrace.tokens.packing import PackingPlan
from headrace.tokens.pool import Pool
from headrace.tokens.remote.rows import fill_remote_rows
from headrace.tokens.store import TokenStore

LARGEST_DOCUMENT = 2**31 - 1


class RowGatherer:
    """Fills rows of a plan, by default the store's own. Safe to share between threads."""

    def __init__(self, store: TokenStore, end_token: int, plan: PackingPlan | None = None) -> None:
        plan, shards = plan or store.plan, store.shards
        assert store.num_documents <= LARGEST_DOCUMENT, "document numbers take 31 bits"
        self._store, self._held = store, plan  # the kernel gets only addresses of what they hold
        self._end_token, self._row_tokens = end_token, plan.row_tokens
        self._plan = (plan.segments.ctypes.data, plan.row_starts.ctypes.data, plan.row_tokens)
        addresses = [
            (_address(shard.ids), shard.pointers.ctypes.data, 0 if shard.mask is None else _address(shard.mask))
            for shard in shards
        ]
        self._shards_SC = np.column_stack((store.first_documents[:-1], np.array(addresses, np.int64).reshape(-1, 3)))
        self._kind = np.empty(0, shards[0].ids.dtype if shards else np.uint16)
        self._place_type = np.int16 if plan.row_tokens <= SHORT_ROW else np.int32
        self._pool = Pool()

    def gather(self, rows: NDArray[np.int64]) -> Batch:
        """The given rows, in arrays that nobody else holds."""
        shape = (len(rows), self._row_tokens)
        stride = plane_bytes(*shape)
        block, memory = self._pool.take(4 * stride)
        if self._store.remote is None:
            fill_rows(rows, self._shards_SC, self._plan, self._kind, self._end_token, block.address)
        else:
            fill_remote_rows(
                self._store,
                rows,
                shards_SC=self._shards_SC,
                plan=self._plan,
                end_token=self._end_token,
                out=block.address,
            )
        start = block.start
        return Batch(
            np.ndarray(shape, np.int32, memory, start),
            np.ndarray(shape, np.int32, memory, start + stride),
            np.ndarray(shape, self._place_type, memory, start + 3 * stride),
            np.ndarray(shape, np.int32, memory, start + 2 * stride),
        )


def _address(array: NDArray[np.generic]) -> int:
    """Where an array begins; 0 if it is empty, which it is where the ids lie elsewhere."""
    return array.ctypes.data if len(array) else 0
