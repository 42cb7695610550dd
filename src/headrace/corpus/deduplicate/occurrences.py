"""Which occurrences of a line come after the ones that stay, in the order of all documents, out of core.

A unit of work takes one range of hashes and walks over all lines twice with one table: to count how often each occurs,
and to find those that occur too often and have had their first occurrences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.deduplicate.clusters import Mask
from headrace.corpus.deduplicate.config import LineConfig
from headrace.corpus.deduplicate.keys import BLOCK_ROWS, KeyFile, blocks, open_keys, write_keys
from headrace.corpus.deduplicate.lines import LineHashes
from headrace.corpus.deduplicate.partitions import (
    EMPTY,
    MapFunction,
    Partitioning,
    find_slot,
    partition_of,
    plan_partitions,
)
from headrace.corpus.kernel import kernel

NEVER = np.uint64(0)
"""The hash of a line of a document that takes no part."""


@dataclass(frozen=True, slots=True)
class CountPlan:
    """What all units of work share."""

    files: tuple[KeyFile, ...]
    partitioning: Partitioning
    config: LineConfig
    folder: Path


@dataclass(frozen=True, slots=True)
class CountTask:
    """One unit of work."""

    partition: int

    def __str__(self) -> str:
        return f"counting lines, part {self.partition}"


@dataclass(frozen=True, slots=True, eq=False)
class Repeated:
    """The lines to cut."""

    found: tuple[Path, ...]
    """Files of ascending numbers of lines, counted through all units; each line is in at most one."""
    begins: npt.NDArray[np.int64]
    """(units + 1,): the lines of unit u are numbered [begins[u], begins[u + 1])."""

    def of_unit(self, unit: int) -> Mask:
        """(L,) True for the lines of a unit that are to be cut, in the order of its `line_hashes`."""
        first, last = self.begins[unit], self.begins[unit + 1]
        marks = np.zeros(last - first, np.bool_)
        for path in self.found:
            if path.stat().st_size == 0:
                continue
            numbers = np.memmap(path, np.int64, "r").view(np.ndarray)
            begin, end = np.searchsorted(numbers, (first, last))
            marks[numbers[begin:end] - first] = True
        return marks


def write_line_hashes(path: Path, lines: LineHashes, takes_part: Mask | None = None) -> None:
    """Saves the hashes of a unit; those of documents that take no part are neither counted nor cut."""
    hashes = lines.hashes.copy()
    hashes[hashes == NEVER] = 1
    if takes_part is not None:
        hashes[~np.repeat(takes_part, lines.counts)] = NEVER
    write_keys(path, hashes[:, None])


def find_repeated(
    hashes: Sequence[Path],
    config: LineConfig,
    *,
    folder: Path,
    memory_limit_bytes: int,
    num_processes: int = 1,
    map_function: MapFunction = map,
) -> Repeated:
    """Which lines go.

    hashes: files of `write_line_hashes`, one a unit, in the order of the documents. folder: scratch space, its name as
    unique as the inputs, to be kept as long as the answer; what a killed run left there is used again. map_function: as
    `map`, perhaps with `num_processes` processes; the limit holds for all of them together.
    """
    files = tuple(map(open_keys, hashes))
    begins = np.concatenate(([0], np.cumsum([file.num_rows for file in files], dtype=np.int64)))
    # an entry has two counts besides its hash, 24 bytes instead of 16
    partitioning = plan_partitions(int(begins[-1]), memory_limit_bytes * 2 // 3 // num_processes)
    folder.mkdir(parents=True, exist_ok=True)
    plan = CountPlan(files, partitioning, config, folder)
    tasks = [CountTask(partition) for partition in range(partitioning.number)]
    return Repeated(tuple(map_function(partial(find_in_partition, plan), tasks)), begins)


def find_in_partition(plan: CountPlan, task: CountTask) -> Path:
    """Writes the numbers of a partition's lines that go, unless they are there, and returns where."""
    path = plan.folder / f"repeated-{task.partition:05d}-of-{plan.partitioning.number:05d}.bin"
    if path.exists():
        return path
    size = plan.partitioning.table_size
    keys, counts, seen = np.empty(size, np.uint64), np.full(size, EMPTY, np.int64), np.zeros(size, np.int64)
    for _, block in blocks(plan.files, 0):
        count(block, keys, counts, task.partition, plan.partitioning.number)
    limit = plan.config.seen_more_than
    limits = np.array([plan.config.keep_first, plan.config.keep_first if limit is None else limit])
    found = np.empty(BLOCK_ROWS, np.int64)
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        for first, block in blocks(plan.files, 0):
            is_here = partitions_of(block, plan.partitioning.number) == task.partition
            number = find_late(block, is_here, keys, counts, seen, limits, found)
            (found[:number] + first).tofile(file)
    unfinished.replace(path)
    return path


@kernel
def partitions_of(hashes: np.ndarray, number: int) -> np.ndarray:
    """int64, the partition of each hash; -1 for NEVER."""
    partitions = np.empty(len(hashes), np.int64)
    for index in range(len(hashes)):
        partitions[index] = -1 if hashes[index] == NEVER else partition_of(hashes[index], number)
    return partitions


@kernel
def count(hashes: np.ndarray, keys: np.ndarray, counts: np.ndarray, partition: int, number: int) -> None:
    """Counts the hashes of a block that belong to a partition."""
    for key in hashes:
        if key == NEVER or partition_of(key, number) != partition:
            continue
        slot = find_slot(keys, counts, key)
        if counts[slot] == EMPTY:
            keys[slot] = key
            counts[slot] = 0
        counts[slot] += 1


@kernel
def find_late(
    hashes: np.ndarray,
    is_here: np.ndarray,
    keys: np.ndarray,
    counts: np.ndarray,
    seen: np.ndarray,
    limits: np.ndarray,
    found: np.ndarray,
) -> int:
    """Writes which hashes of a block go: those seen limits[0] times, of all that occur more than limits[1] times."""
    number = 0
    for index in range(len(hashes)):
        if not is_here[index]:
            continue
        slot = find_slot(keys, counts, hashes[index])
        if counts[slot] > limits[1] and seen[slot] >= limits[0]:
            found[number] = index
            number += 1
        seen[slot] += 1
    return number
