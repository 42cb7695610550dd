"""A table of hashes that fits into memory, and how many of them it takes to hold a range of all hashes each.

Hashes are spread by their upper half over partitions, and by both halves within the table of one. A table is never
more than 60 % full; what does not fit is another partition, which costs one more pass over the files.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from headrace.corpus.kernel import kernel
from headrace.errors import CapacityError

Item = TypeVar("Item")
Result = TypeVar("Result")

FULLEST = 0.6
SMALLEST_TABLE = 1 << 10
MOST_PARTITIONS = 1 << 14
SPREAD = 6.0
"""Standard deviations by which a partition may hold more than its share."""

ENTRY_BYTES = 16
EMPTY = np.int64(-1)


class MapFunction(Protocol):
    """`map`, or one that spreads the items over processes; results come in the order of the items."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]: ...


@dataclass(frozen=True, slots=True)
class Partitioning:
    """Into how many ranges hashes are split, and the size of the table for one of them."""

    number: int
    table_size: int
    """A power of two."""


def plan_partitions(num_hashes: int, memory_bytes: int) -> Partitioning:
    """The fewest partitions whose tables fit. Raises CapacityError if the memory is absurdly small."""
    largest = 1 << max(memory_bytes // ENTRY_BYTES, SMALLEST_TABLE).bit_length() - 1
    room = int(largest * FULLEST)
    room -= int(SPREAD * math.sqrt(room))
    number = max(1, math.ceil(num_hashes / room))
    if number > MOST_PARTITIONS:
        raise CapacityError(
            f"deduplication: {num_hashes} hashes under a memory limit of {memory_bytes} bytes for each process would "
            f"take {number} passes, and {MOST_PARTITIONS} are the most. Raise the memory limit, or use fewer processes."
        )
    share = num_hashes / number
    needed = (share + SPREAD * math.sqrt(share) + 1) / FULLEST if number > 1 else num_hashes / FULLEST + 1
    return Partitioning(number, min(largest, 1 << max(math.ceil(needed) - 1, SMALLEST_TABLE - 1).bit_length()))


@kernel
def partition_of(key: np.uint64, number: int) -> np.int64:
    """The partition of a hash."""
    return np.int64(((key >> np.uint64(32)) * np.uint64(number)) >> np.uint64(32))


@kernel
def find_slot(keys: np.ndarray, values: np.ndarray, key: np.uint64) -> np.uint64:
    """Where a hash stands in a table, or the free slot where it would; a slot is free while its value is EMPTY."""
    mask = np.uint64(len(keys) - 1)
    slot = (key ^ (key >> np.uint64(32))) & mask
    while values[slot] != EMPTY and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot
