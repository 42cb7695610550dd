"""A look at the exact overlap, so that no document goes for a chance agreement of keys or for being two steps away.

Within a cluster, documents are taken in order of preference. Each is compared with those before it that stay and that
share a key with it: if the Jaccard similarity of their sets of n-grams is at least the threshold, the document goes and
names that one; otherwise it stays, and later ones are compared with it. So every removed document has at least that
similarity with the document it names, which stays. What is not promised: that no similar pair stays. A document is
compared with at most MOST_COMPARED others, and of a large cluster only the first that stay are remembered (at most
MOST_LEADERS, fewer if they are long); so the work grows with the number of documents, not of pairs. These bounds are
constants, so that the answer depends on no memory limit and no number of workers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.deduplicate.clusters import Rows
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.folding import NO_HAN, Han, folding_table
from headrace.corpus.deduplicate.keys import open_keys, read_rows
from headrace.corpus.deduplicate.partitions import MapFunction
from headrace.corpus.deduplicate.shingles import shingle_sets
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts

Fetch = Callable[[Rows], Texts]
"""The texts of some rows, which are given in ascending order, each once. Must be picklable for several processes."""

BATCH_BYTES = 16_000_000
BATCH_ROWS = 16_384
MOST_COMPARED = 32
MOST_LEADERS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Clusters of two rows and more, one after the other, each in order of preference."""

    rows: Rows
    begins: Rows
    """(clusters + 1,): cluster c is rows[begins[c]:begins[c + 1]]."""
    num_indexed: int
    """Rows below this stay, whatever they are like."""


@dataclass(frozen=True, slots=True, eq=False)
class ConfirmTask:
    """Whole clusters, or one large one."""

    rows: Rows
    clusters: Rows
    """The number of each row's cluster, ascending."""
    pieces: tuple[tuple[int, int], ...]
    """Which rows are looked at together. More than one piece only for one large cluster."""
    num_indexed: int

    def __str__(self) -> str:
        return f"comparing {len(self.rows)} documents from row {self.rows[0]} on"


def candidates(labels: Rows, *, preference: npt.NDArray[np.float64] | None = None, num_indexed: int = 0) -> Candidates:
    """The clusters among labels, with rows of an index first, then by falling preference, then by row."""
    sizes = np.bincount(labels, minlength=len(labels))
    rows = np.flatnonzero(sizes[labels] > 1)
    values = np.zeros(len(rows)) if preference is None else preference[rows]
    rows = rows[np.lexsort((rows, -values, rows >= num_indexed, labels[rows]))]
    begins = np.flatnonzero(np.diff(labels[rows], prepend=-1))
    return Candidates(rows, np.append(begins, len(rows)), num_indexed)


def confirm(
    found: Candidates,
    *,
    num_bytes: npt.NDArray[np.int64],
    keys: Sequence[Path],
    fetch: Fetch,
    config: MinHashConfig,
    han: Han = NO_HAN,
    map_function: MapFunction = map,
) -> Rows:
    """int64 (N,): the row that stays in place of each row; its own for a row that stays.

    num_bytes: (N,) size of each row's text. keys: the files that the clusters were made of.
    """
    assert config.confirm is not None, "only called where the recipe says so"
    survivors = np.arange(len(num_bytes))
    compare = partial(compare_clusters, keys=tuple(keys), fetch=fetch, config=config, han=han)
    tasks = list(plan_comparisons(found, num_bytes))
    for task, twins in zip(tasks, map_function(compare, tasks), strict=True):
        survivors[task.rows] = twins
    return survivors


def plan_comparisons(found: Candidates, num_bytes: npt.NDArray[np.int64]) -> Iterator[ConfirmTask]:
    """Batches of clusters whose texts together are about BATCH_BYTES."""
    costs = np.concatenate(([0], np.cumsum(num_bytes[found.rows])))
    clusters = np.repeat(np.arange(len(found.begins) - 1), np.diff(found.begins))
    ends = found.begins[1:]
    begin = 0
    while begin < len(found.rows):
        end = _reach(costs, begin, BATCH_BYTES)
        whole = int(ends[np.searchsorted(ends, end, side="right") - 1]) if ends[0] <= end else 0
        if whole > begin:
            pieces: tuple[tuple[int, int], ...] = ((0, whole - begin),)
        else:
            whole = int(ends[np.searchsorted(ends, begin, side="right")])
            pieces = tuple(_pieces(costs, begin, whole))
        yield ConfirmTask(found.rows[begin:whole], clusters[begin:whole], pieces, found.num_indexed)
        begin = whole


def _reach(costs: Rows, begin: int, budget: int) -> int:
    """How many rows from one on fit into a batch; at least one does."""
    end = int(np.searchsorted(costs, costs[begin] + budget, side="right")) - 1
    return max(min(end, begin + BATCH_ROWS), begin + 1)


def _pieces(costs: Rows, begin: int, end: int) -> Iterator[tuple[int, int]]:
    first = begin
    while first < end:
        last = min(_reach(costs, first, BATCH_BYTES // 2), end)
        yield first - begin, last - begin
        first = last


def compare_clusters(
    task: ConfirmTask, *, keys: tuple[Path, ...], fetch: Fetch, config: MinHashConfig, han: Han
) -> Rows:
    """The surviving row of each row of a task."""
    files = tuple(map(open_keys, keys))
    table = folding_table(config.unit, han, fold_numbers=False)
    threshold = 1.0 if config.confirm is None else config.confirm
    survivors = task.rows.copy()
    leaders = np.empty(0, np.int64)  # places in the task of rows known to stay, from pieces before
    for begin, end in task.pieces:
        places = np.concatenate((leaders, np.arange(begin, end)))
        rows = task.rows[places]
        ascending = np.sort(rows)
        order = np.searchsorted(ascending, rows)
        sets, offsets = shingle_sets(fetch(ascending), table, config.ngram)
        always = (np.arange(len(places)) < len(leaders)) | (rows < task.num_indexed)
        twins = np.arange(len(places))
        lead(sets, offsets, order, read_rows(files, rows), task.clusters[places], always, twins, threshold)
        survivors[places] = rows[twins]
        stays = twins == np.arange(len(places))
        leaders = _remembered(places[stays], np.diff(offsets)[order][stays])
    return survivors


def _remembered(places: Rows, num_shingles: Rows) -> Rows:
    """The first of the rows that stay, as many as are taken along to the next piece."""
    return places[np.cumsum(num_shingles) <= BATCH_BYTES // 16][:MOST_LEADERS]


@kernel
def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """The share of common elements of two sorted lists of numbers, taken as sets. Not both are empty."""
    common = union = first = second = 0
    while first < len(one) and second < len(other):
        left, right = one[first], other[second]
        union += 1
        common += left == right
        if left <= right:
            first = skip_equal(one, first)
        if right <= left:
            second = skip_equal(other, second)
    while first < len(one):
        union += 1
        first = skip_equal(one, first)
    while second < len(other):
        union += 1
        second = skip_equal(other, second)
    return common / union


@kernel
def skip_equal(values: np.ndarray, index: int) -> int:
    """Where the next other value of a sorted list stands."""
    following = index + 1
    while following < len(values) and values[following] == values[index]:
        following += 1
    return following


@kernel
def share_a_key(keys: np.ndarray, row: int, other: int) -> bool:
    """Whether two rows of (rows, bands) agree in a band."""
    band = 0
    while band < len(keys[row]) and keys[row, band] != keys[other, band]:
        band += 1
    return band < len(keys[row])


@kernel
def lead(
    sets: np.ndarray,
    offsets: np.ndarray,
    order: np.ndarray,
    keys: np.ndarray,
    clusters: np.ndarray,
    always: np.ndarray,
    twins: np.ndarray,
    threshold: float,
) -> None:
    """Writes into twins, where each row names itself, the row that stays in place of each that goes.

    Row i has the keys keys[i] and the shingles of sets[offsets[order[i]]:offsets[order[i] + 1]]. The rows of a cluster
    stand together, preferred ones first. always: rows that stay whatever they are like.
    """
    leaders = np.empty(MOST_LEADERS, np.int64)
    number = 0
    for row in range(len(clusters)):
        if row > 0 and clusters[row] != clusters[row - 1]:
            number = 0
        if not always[row]:
            own = sets[offsets[order[row]] : offsets[order[row] + 1]]
            compared = 0
            for leader in leaders[:number]:
                if compared == MOST_COMPARED:
                    break
                if share_a_key(keys, row, leader):
                    compared += 1
                    theirs = sets[offsets[order[leader]] : offsets[order[leader] + 1]]
                    if jaccard(own, theirs) >= threshold:
                        twins[row] = leader
                        break
        if twins[row] == row and number < MOST_LEADERS:
            leaders[number] = row
            number += 1
