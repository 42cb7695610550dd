"""First pass over the text: which anchors occur twice in the whole corpus.

Each unit of text leaves its distinct anchors as a sorted file, about 0.1 byte for each byte of text. All of them
together become a table of bits that a hash points into: it says "twice" for every anchor that occurs twice, and for a
few that do not, which costs the second pass time and changes no result. So its size may follow the memory there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.deduplicate.partitions import MapFunction
from headrace.corpus.deduplicate.text_config import SubstringsConfig
from headrace.corpus.deduplicate.tokens import Hashes, tokenize
from headrace.corpus.deduplicate.windows import chunks, find_anchors
from headrace.corpus.texts import Texts

Bits = npt.NDArray[np.uint8]

ANCHORS, REPEATED = "anchors.npy", "repeated.npy"
SLOTS_PER_ANCHOR = 8
LEAST_SLOTS_LOG2 = 13
HASH_BITS = 64


@dataclass(frozen=True, slots=True)
class HashRange:
    """What a worker needs to know to treat all hashes whose first bits are equal."""

    folders: tuple[Path, ...]
    """Those that one pass left, in the order of the ledger."""

    index: int
    num_bits_log2: int
    """The range is the `index`-th of 2**num_bits_log2 equal parts."""

    slots_log2: int = 0
    """Table positions of the whole table."""

    @property
    def bounds(self) -> tuple[int, int]:
        """First hash inside, last hash inside."""
        size = 1 << (HASH_BITS - self.num_bits_log2)
        return self.index * size, (self.index + 1) * size - 1

    def __str__(self) -> str:
        return f"hashes {self.index + 1} of {1 << self.num_bits_log2}"

    def within(self, hashes: Hashes) -> slice:
        """Where the range lies in sorted hashes."""
        first, last = self.bounds
        begin = np.searchsorted(hashes, np.uint64(first))
        return slice(int(begin), int(np.searchsorted(hashes, np.uint64(last), side="right")))


def collect_anchors(texts: Texts, config: SubstringsConfig, folder: Path) -> None:
    """Writes the anchors of a unit's documents into a folder that exists."""
    found: list[Hashes] = [np.empty(0, np.uint64)]
    for _, part in chunks(texts):
        _, anchors, hashes = find_anchors(tokenize(part), config.min_tokens)
        found.append(hashes[np.flatnonzero(np.diff(anchors, prepend=-1))])
    distinct, counts = np.unique(spread(np.concatenate(found)), return_counts=True)
    np.save(folder / ANCHORS, distinct)
    np.save(folder / REPEATED, distinct[counts > 1])


def spread(anchors: Hashes) -> Hashes:
    """Smallest hashes made evenly distributed again: a bijection."""
    spread = anchors * np.uint64(0xD6E8FEB86659FD93)
    spread ^= spread >> np.uint64(32)
    spread *= np.uint64(0xD6E8FEB86659FD93)
    return spread


def mark_repeated(
    folders: Sequence[Path], table: Path, *, memory_limit_bytes: int, map_function: MapFunction = map
) -> None:
    """Writes the table of anchors that occur twice. No task holds more than the limit, nor does the table.

    folders: what `collect_anchors` filled, of all units of the corpus, and of those deduplicated before.
    """
    num_anchors = sum(len(np.load(folder / ANCHORS, mmap_mode="r")) for folder in folders)
    most_slots = max(memory_limit_bytes * 8 // 4, 1 << LEAST_SLOTS_LOG2)
    slots_log2 = min((num_anchors * SLOTS_PER_ANCHOR).bit_length(), most_slots.bit_length() - 1)
    slots_log2 = max(slots_log2, LEAST_SLOTS_LOG2)
    # a task holds its hashes, a sorted copy and the byte per slot that becomes a bit
    needed_bytes = 4 * 8 * num_anchors + (1 << slots_log2)
    parts_log2 = min(parts_within(needed_bytes, memory_limit_bytes), slots_log2 - 3)
    tasks = [HashRange(tuple(folders), index, parts_log2, slots_log2) for index in range(1 << parts_log2)]
    whole = np.lib.format.open_memmap(table, "w+", np.uint8, ((1 << slots_log2) // 8,))
    size = len(whole) >> parts_log2
    for index, part in enumerate(map_function(_mark_range, tasks)):
        whole[index * size : (index + 1) * size] = part
    whole.flush()


def parts_within(needed_bytes: int, limit_bytes: int) -> int:
    """Logarithm of the number of parts, a power of two, of which each stays below the limit."""
    return max(0, (-(-needed_bytes // max(limit_bytes, 1)) - 1).bit_length())


def is_marked(table: Bits, anchors: Hashes) -> npt.NDArray[np.bool_]:
    """Whether each anchor's bit is set."""
    slots = spread(anchors) >> np.uint64(HASH_BITS + 1 - (len(table) * 8).bit_length())
    bits = table[slots >> np.uint64(3)] >> (np.uint8(7) - (slots & np.uint64(7)).astype(np.uint8))
    return np.asarray(bits & np.uint8(1), np.bool_)


def _mark_range(task: HashRange) -> Bits:
    """The range's part of the table."""
    found: list[Hashes] = [np.empty(0, np.uint64)]
    for folder in task.folders:
        for name in (ANCHORS, REPEATED):  # one that a unit holds twice is in both, so it is found twice
            hashes = np.load(folder / name, mmap_mode="r")
            found.append(np.array(hashes[task.within(hashes)]))
    hashes = np.sort(np.concatenate(found))
    twice = hashes[1:][hashes[1:] == hashes[:-1]]
    slots = (twice >> np.uint64(HASH_BITS - task.slots_log2)).astype(np.int64)
    num_slots = 1 << (task.slots_log2 - task.num_bits_log2)
    is_set = np.zeros(num_slots, np.bool_)
    is_set[slots - task.index * num_slots] = True
    return np.packbits(is_set)
