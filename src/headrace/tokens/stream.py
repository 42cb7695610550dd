"""Batches as a pure function of (seed, step): no state to save but the step.

Step s of a run takes samples [s x rows, (s + 1) x rows) of an endless list; sample i is row i mod R of epoch i div R,
in the epoch's own permutation. Ranks take neighbouring slices of the same global batch, so the order is the same for
any number.

Shape letters: B rows, T tokens of a row.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.permutation import permute
from headrace.tokens.store import TokenStore

IGNORED = -100  # a target that counts for nothing; torch's own convention
PADDING_DOCUMENT = -1


@dataclass(frozen=True)
class Batch:
    """Packed rows. Every target is the token after its input in the same document."""

    tokens_BT: NDArray[np.int64]
    targets_BT: NDArray[np.int64]
    """IGNORED where a row is padded."""
    positions_BT: NDArray[np.int64]
    """Count from 0 in each piece of a document."""
    documents_BT: NDArray[np.int64]
    """Document number in the store; PADDING_DOCUMENT where a row is padded."""

    @property
    def num_rows(self) -> int:
        return len(self.tokens_BT)

    @property
    def num_targets(self) -> int:
        return int((self.targets_BT != IGNORED).sum())

    def rows(self, start: int, stop: int) -> "Batch":
        """Some of the rows, as views."""
        cut = slice(start, stop)
        return Batch(self.tokens_BT[cut], self.targets_BT[cut], self.positions_BT[cut], self.documents_BT[cut])


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
        self._store, self._end_token, self._seed = store, end_token, seed
        self.batch_rows = batch_rows
        share = batch_rows // world_size
        self._slice = slice(rank * share, (rank + 1) * share)

    def row_numbers(self, step: int) -> NDArray[np.int64]:
        """The rows of the global batch of a step, in order, all ranks together."""
        sample = step * self.batch_rows + np.arange(self.batch_rows)
        epoch, place = np.divmod(sample, self._store.plan.num_rows)
        rows = np.empty_like(sample)
        for number in np.unique(epoch):
            chosen = epoch == number
            rows[chosen] = permute(place[chosen], self._store.plan.num_rows, seed=self._seed, epoch=int(number))
        return rows

    def batch(self, step: int) -> Batch:
        """This rank's rows of a step."""
        return gather_rows(self._store, self.row_numbers(step)[self._slice], self._end_token)


def gather_rows(store: TokenStore, rows: NDArray[np.int64], end_token: int) -> Batch:
    """The given rows of a store's plan, filled from the store.

    The first token of a document is predicted from `end_token`, that of a later piece from the token before it.
    """
    plan = store.plan
    shape = (len(rows), plan.row_tokens)
    tokens, positions = np.full(shape, end_token, np.int64), np.zeros(shape, np.int64)
    targets, documents = np.full(shape, IGNORED, np.int64), np.full(shape, PADDING_DOCUMENT, np.int64)
    for index, row in enumerate(rows):
        place = 0
        for segment in plan.segments[plan.row_starts[row] : plan.row_starts[row + 1]]:
            number, start, length = int(segment["document"]), int(segment["start"]), int(segment["length"])
            ids = store.document(number)
            here = slice(place, place + length)
            targets[index, here] = ids[start : start + length]
            tokens[index, place] = ids[start - 1] if start else end_token
            tokens[index, place + 1 : place + length] = ids[start : start + length - 1]
            positions[index, here] = np.arange(length)
            documents[index, here] = number
            place += length
    return Batch(tokens, targets, positions, documents)


def read_ahead(stream: BatchStream, start: int, stop: int) -> Iterator[Batch]:
    """The batches of steps [start, stop), each gathered in a thread while the one before is worked on."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        coming = pool.submit(stream.batch, start) if start < stop else None
        for step in range(start, stop):
            assert coming is not None, "a batch is on its way for every step"
            batch = coming.result()
            coming = pool.submit(stream.batch, step + 1) if step + 1 < stop else None
            yield batch
