"""Documents whose keys agree, directly or through others, as clusters; and who of a cluster stays.

A unit of work takes one column of keys and one range of hashes, and walks over all documents with a table from key to
the first row that had it; what it finds are edges (first row, later row), one for each later row, so a key that a
million documents share costs a million edges and not half a billion pairs. The edges are united by a union-find whose
roots are the smallest rows, so the clusters do not depend on the order in which units of work finish.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.deduplicate.keys import KeyFile, blocks, open_keys
from headrace.corpus.deduplicate.partitions import (
    EMPTY,
    MapFunction,
    Partitioning,
    find_slot,
    partition_of,
    plan_partitions,
)
from headrace.corpus.kernel import kernel

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ROW_BYTES = 8
EDGES_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class JoinTask:
    """One unit of work."""

    column: int
    partition: int

    def __str__(self) -> str:
        return f"joining band {self.column}, part {self.partition}"


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """What all units of work share."""

    files: tuple[KeyFile, ...]
    mask: Path | None
    """A file of one byte a row, 0 for rows that take no part."""
    partitioning: Partitioning
    folder: Path


def cluster(
    keys: Sequence[Path],
    *,
    folder: Path,
    memory_limit_bytes: int,
    takes_part: Mask | None = None,
    num_processes: int = 1,
    map_function: MapFunction = map,
) -> Rows:
    """int64 (N,): the smallest row of each row's cluster; its own for a row that is alone or takes no part.

    keys: files of `write_keys` in the order of the rows. folder: scratch space, its name as unique as the inputs; what
    a killed run left there is used again. map_function: as `map`, perhaps with `num_processes` processes.
    The limit holds for all processes together, above what they need for themselves; the answer takes 8 bytes a row of
    it, and lies in a file in `folder` where that is more than half.
    """
    files = tuple(map(open_keys, keys))
    num_rows = sum(file.num_rows for file in files)
    assert takes_part is None or len(takes_part) == num_rows, "the mask has one entry a row"
    assert len({file.num_columns for file in files}) <= 1, "all units have keys of the same bands"
    folder.mkdir(parents=True, exist_ok=True)
    budget = memory_limit_bytes // (2 * num_processes)
    partitioning = plan_partitions(num_rows if takes_part is None else int(takes_part.sum()), budget)
    plan = JoinPlan(files, _write_mask(takes_part, folder), partitioning, folder)
    parents = _new_parents(num_rows, folder, memory_limit_bytes)
    num_columns = files[0].num_columns if files else 0
    tasks = [JoinTask(band, part) for band in range(num_columns) for part in range(partitioning.number)]
    for edges in map_function(partial(join, plan), tasks):
        for pairs in _read_edges(edges):
            unite(parents, pairs)
    flatten(parents)
    for task in tasks:
        _edges_path(plan, task).unlink()
    return parents


def join(plan: JoinPlan, task: JoinTask) -> Path:
    """Writes the edges of a band and a partition, unless they are there, and returns where."""
    path = _edges_path(plan, task)
    if path.exists():
        return path
    table_keys = np.empty(plan.partitioning.table_size, np.uint64)
    table_rows = np.full(plan.partitioning.table_size, EMPTY, np.int64)
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        for first_row, keys in blocks(plan.files, task.column):
            takes_part = _read_mask(plan.mask, first_row, len(keys))
            edges = np.empty((len(keys), 2), np.int64)
            where = np.array([first_row, task.partition, plan.partitioning.number])
            number = join_block(keys, takes_part, where, table_keys, table_rows, edges)
            edges[:number].tofile(file)
    unfinished.replace(path)
    return path


@kernel
def join_block(
    keys: np.ndarray,
    takes_part: np.ndarray,
    where: np.ndarray,
    table_keys: np.ndarray,
    table_rows: np.ndarray,
    edges: np.ndarray,
) -> int:
    """Enters a block of keys into the table and writes an edge for each that is there; returns the number of edges.

    where: int64 (3,), the row of the first key, the partition, the number of partitions.
    """
    number = 0
    for index in range(len(keys)):
        key = keys[index]
        if not takes_part[index] or partition_of(key, where[2]) != where[1]:
            continue
        slot = find_slot(table_keys, table_rows, key)
        if table_rows[slot] == EMPTY:
            table_keys[slot] = key
            table_rows[slot] = where[0] + index
        else:
            edges[number, 0] = table_rows[slot]
            edges[number, 1] = where[0] + index
            number += 1
    return number


@kernel
def find_root(parents: np.ndarray, row: int) -> int:
    """The smallest row known to belong with a row; halves the way for the next time."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


@kernel
def unite(parents: np.ndarray, edges: np.ndarray) -> None:
    """Makes the two rows of each edge belong together. Parents are never larger than their children."""
    for index in range(len(edges)):
        one = find_root(parents, edges[index, 0])
        other = find_root(parents, edges[index, 1])
        parents[max(one, other)] = min(one, other)


@kernel
def flatten(parents: np.ndarray) -> None:
    """Makes every row's parent its root."""
    for row in range(len(parents)):
        parents[row] = parents[parents[row]]


def choose_survivors(labels: Rows, *, preference: npt.NDArray[np.float64] | None = None, num_indexed: int = 0) -> Rows:
    """int64 (N,): the row that stays in place of each row; its own for a row that stays.

    preference: the highest of a cluster stays (text length, a score), of equal ones, and by default, the first.
    Among the first `num_indexed` rows nothing is removed, and a cluster with any of them keeps no other.
    """
    values = np.zeros(0) if preference is None else np.ascontiguousarray(preference, np.float64)
    assert not np.isnan(values).any(), "what is preferred is a number"
    survivors = np.full(len(labels), EMPTY, np.int64)
    pick_best(np.ascontiguousarray(labels), values, num_indexed, survivors)
    return survivors


@kernel
def pick_best(labels: np.ndarray, preference: np.ndarray, num_indexed: int, survivors: np.ndarray) -> None:
    """Fills `survivors`, EMPTY before; at a cluster's smallest row it gathers the best row so far."""
    for row in range(len(labels)):
        label = labels[row]
        best = survivors[label]
        is_better = len(preference) > 0 and best != EMPTY and preference[row] > preference[best]
        if best == EMPTY or (is_better and label >= num_indexed):
            survivors[label] = row
    for row in range(len(labels) - 1, -1, -1):  # backwards: the smallest row of a cluster is read until it is reached
        survivors[row] = row if row < num_indexed else survivors[labels[row]]


def _new_parents(num_rows: int, folder: Path, memory_limit_bytes: int) -> Rows:
    if num_rows * ROW_BYTES <= memory_limit_bytes // 2:
        return np.arange(num_rows, dtype=np.int64)
    parents = np.memmap(folder / "labels.bin", np.int64, "w+", shape=(num_rows,))
    for first in range(0, num_rows, EDGES_AT_ONCE):
        parents[first : first + EDGES_AT_ONCE] = np.arange(first, min(first + EDGES_AT_ONCE, num_rows))
    return parents.view(np.ndarray)


def _write_mask(takes_part: Mask | None, folder: Path) -> Path | None:
    if takes_part is None:
        return None
    path = folder / "takes_part.bin"
    takes_part.astype(np.bool_, copy=False).tofile(path)
    return path


def _read_mask(path: Path | None, first: int, number: int) -> Mask:
    return np.ones(number, np.bool_) if path is None else np.fromfile(path, np.bool_, number, offset=first)


def _read_edges(path: Path) -> Iterator[npt.NDArray[np.int64]]:
    with path.open("rb") as file:
        while len(numbers := np.fromfile(file, np.int64, 2 * EDGES_AT_ONCE)):
            yield numbers.reshape(-1, 2)


def _edges_path(plan: JoinPlan, task: JoinTask) -> Path:
    return plan.folder / f"edges-{task.column:04d}-{task.partition:05d}-of-{plan.partitioning.number:05d}.bin"
