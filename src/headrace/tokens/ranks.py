"""The rows of a global batch shared among processes, so that none waits long for another.

Attention costs the square of a document's length, so rows of equal tokens are not equal work. Which rows there are, and
their order, is no affair of this: any number of processes shares the same batch.

Shape letters: B rows, W processes.
"""

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel
from headrace.tokens.addresses import load_i32, load_i64
from headrace.tokens.packing import SEGMENT, PackingPlan

SWAPS = 64
_SEGMENT_BYTES, _LENGTH_BYTE = SEGMENT.itemsize, 16


def share_sizes(batch_rows: int, world_size: int) -> list[int]:
    """Rows of each process: as many as any other has, or one fewer. Sums over a step are divided once by all its
    tokens, so unequal shares change nothing of what is learnt.

    Raises ValueError if there are fewer rows than processes.
    """
    if batch_rows < world_size:
        raise ValueError(
            f"a global batch of {batch_rows} rows leaves nothing for some of {world_size} processes; "
            "raise train.global_batch_tokens or use fewer processes"
        )
    return [batch_rows // world_size + (rank < batch_rows % world_size) for rank in range(world_size)]


def share_rows(costs_B: NDArray[np.int64], world_size: int) -> list[NDArray[np.int64]]:
    """The places of a batch that each process takes, in order.

    The costliest row goes to the process with the least to do that has room; then rows are swapped as long
    as the busiest process gets less.
    """
    ranks_B = np.empty(len(costs_B), np.int64)
    assign_ranks(costs_B, np.array(share_sizes(len(costs_B), world_size)), ranks_B)
    return [np.flatnonzero(ranks_B == rank) for rank in range(world_size)]


def row_costs(plan: PackingPlan, rows_B: NDArray[np.int64], attention_tokens: int) -> NDArray[np.int64]:
    """Work of each row: its tokens, and for each document's piece its length squared by `attention_tokens`.

    attention_tokens: length of a document at which attention costs as much as everything else.
    """
    costs_B = np.empty(len(rows_B), np.int64)
    base = plan.row_tokens * attention_tokens
    fill_costs(rows_B, base, (plan.segments.ctypes.data, plan.row_starts.ctypes.data), costs_B)
    return costs_B


@kernel
def fill_costs(rows_B: NDArray[np.int64], base: int, plan: tuple[int, int], costs_B: NDArray[np.int64]) -> None:
    """Fills in `base` and the sum of squared lengths of pieces, row by row."""
    segments, row_starts = plan
    for b in range(len(rows_B)):
        costs_B[b] = base
        for number in range(load_i64(row_starts + 8 * rows_B[b]), load_i64(row_starts + 8 * rows_B[b] + 8)):
            length = np.int64(load_i32(segments + _SEGMENT_BYTES * number + _LENGTH_BYTE))
            costs_B[b] += length * length


@kernel
def assign_ranks(costs_B: NDArray[np.int64], sizes_W: NDArray[np.int64], ranks_B: NDArray[np.int64]) -> None:
    """Fills in the process of each row."""
    loads_W, room_W = np.zeros(len(sizes_W), np.int64), sizes_W.copy()
    for row in np.argsort(-costs_B, kind="mergesort"):
        rank = -1
        for other in range(len(sizes_W)):
            if room_W[other] and (rank < 0 or loads_W[other] < loads_W[rank]):
                rank = other
        ranks_B[row] = rank
        loads_W[rank] += costs_B[row]
        room_W[rank] -= 1
    for _ in range(SWAPS):
        if not _swap_best(costs_B, ranks_B, loads_W):
            return


@kernel
def _swap_best(costs_B: NDArray[np.int64], ranks_B: NDArray[np.int64], loads_W: NDArray[np.int64]) -> bool:
    """Swaps the row of the busiest process and the one of another that leave the two most alike, if that helps."""
    busiest = np.argmax(loads_W)
    least, one, two = loads_W[busiest], -1, -1
    for row in range(len(costs_B)):
        if ranks_B[row] != busiest:
            continue
        for other in range(len(costs_B)):
            moved = costs_B[row] - costs_B[other]
            if moved <= 0 or ranks_B[other] == busiest:
                continue
            worst = max(loads_W[busiest] - moved, loads_W[ranks_B[other]] + moved)
            if worst < least:
                least, one, two = worst, row, other
    if one < 0:
        return False
    moved = costs_B[one] - costs_B[two]
    loads_W[busiest] -= moved
    loads_W[ranks_B[two]] += moved
    ranks_B[one], ranks_B[two] = ranks_B[two], busiest
    return True
