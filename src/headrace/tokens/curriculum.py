"""An order that begins sorted and anneals into a random one, computed in constant memory like any other.

At place p of an epoch of n rows, a sorted row is due with chance 1 - p / (a n), so after a share a of the epoch no
more; in between, rows are random. The sorted ones are every k-th of all in order of score, so what is left for the
random places is a fair sample of easy and hard at any time.

Shape letters: N rows, R rounds.
"""

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel
from headrace.tokens.packing import PackingPlan
from headrace.tokens.permutation import half_of_bits, permuted


def rank_rows(plan: PackingPlan, scores: NDArray[np.float64], *, descending: bool) -> NDArray[np.int64]:
    """The rows of each source of a plan by the mean score of their tokens, lowest first; source by source.

    scores: of every document. Raises ValueError if one is missing (NaN).
    """
    if missing := int(np.isnan(scores).sum()):
        raise ValueError(f"{missing:,} of {len(scores):,} documents have no score")
    if not plan.num_rows:
        return np.empty(0, np.int64)
    lengths = plan.segments["length"].astype(np.float64)
    weighted = lengths * scores[plan.segments["document"]]
    tokens = np.add.reduceat(lengths, plan.row_starts[:-1])
    means = np.add.reduceat(weighted, plan.row_starts[:-1]) / tokens
    ranked = np.empty(plan.num_rows, np.int64)
    for source in plan.sources:
        inside = slice(source.first, source.first + source.count)
        ranked[inside] = source.first + np.argsort(-means[inside] if descending else means[inside], kind="stable")
    return ranked


@kernel
def rank_at(place: int, num_rows: int, random_after: float, keys_R: NDArray[np.uint64]) -> int:
    """Which row, counted in order of score, comes at a place of the epoch. random_after: 0 for never."""
    if random_after <= 0:
        return place
    total = int(np.floor(random_after * num_rows / 2))
    before, after = _sorted_before(place, num_rows, random_after), _sorted_before(place + 1, num_rows, random_after)
    if after > before:
        return (2 * before + 1) * num_rows // (2 * total)
    wanted = permuted(place - before, num_rows - total, half_of_bits(num_rows - total), keys_R)
    low, high = wanted, num_rows - 1
    while low < high:  # the first rank up to which more rows than wanted are not among the sorted ones
        middle = (low + high) // 2
        if middle + 1 - _sorted_up_to(middle, num_rows, total) > wanted:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def _sorted_before(place: int, num_rows: int, random_after: float) -> int:
    """Sorted rows that come before a place."""
    until = random_after * num_rows
    if place >= until:
        return int(np.floor(until / 2))
    return int(np.floor(place - place * (place / (2 * until))))


@kernel
def _sorted_up_to(rank: int, num_rows: int, total: int) -> int:
    """Ranks up to this one that are among the sorted rows: the q-th of those is (2 q + 1) n / (2 total)."""
    return ((2 * total * (rank + 1) - 1) // num_rows + 1) // 2 if total else 0
