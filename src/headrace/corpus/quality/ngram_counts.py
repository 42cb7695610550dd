"""Counting n-grams of symbols: each distinct n-gram is an entry that knows its context and its suffix.

The n-gram (a, b, c) has the context (a, b) and the suffix (b, c). Entries of all orders lie in one open-addressing
table, found by a 64-bit key of the whole n-gram; with ten million entries, two share a key once in 400,000 models.

Counts are those of Kneser and Ney: an n-gram of the highest order, or at the beginning of a text, counts how often it
was seen; a shorter one counts how many different symbols were seen before it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import kernel
from headrace.corpus.quality.symbols import Whole, extend, mix

ROOT, START = 0, 1
"""Entries of the empty n-gram, and of the beginning of a text."""

START_HASH = np.uint64(0x2545F4914F6CDD1D)
FIRST_ROOM = 1 << 12
HIGHEST_ORDER = 6


class Entries(NamedTuple):
    """E entries with room for more; slots hold 0 or the number of an entry."""

    slots: npt.NDArray[np.uint32]
    """(twice the room,), a power of two."""
    keys: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.uint32]
    contexts: npt.NDArray[np.uint32]
    suffixes: npt.NDArray[np.uint32]
    orders: npt.NDArray[np.uint8]
    size: npt.NDArray[np.int64]
    """(1,) E"""


def new_entries() -> Entries:
    """Entries that hold the root and the beginning of a text."""
    entries = _allocate(FIRST_ROOM)
    entries.size[0] = 1
    add_symbol(entries, START_HASH)
    return entries


def reserve(entries: Entries, num: int) -> Entries:
    """The same entries with room for so many more."""
    size = int(entries.size[0])
    if size + num <= len(entries.keys):
        return entries
    larger = _allocate(1 << (2 * (size + num) - 1).bit_length())
    for name in Entries._fields[1:]:
        old, new = getattr(entries, name), getattr(larger, name)
        new[: min(size, len(old))] = old[:size]
    fill_slots(larger)
    return larger


def _allocate(room: int) -> Entries:
    return Entries(
        slots=np.zeros(2 * room, np.uint32),
        keys=np.empty(room, np.uint64),
        counts=np.zeros(room, np.uint32),
        contexts=np.zeros(room, np.uint32),
        suffixes=np.zeros(room, np.uint32),
        orders=np.zeros(room, np.uint8),
        size=np.zeros(1, np.int64),
    )


@kernel
def find_slot(entries: Entries, key: Whole) -> Whole:
    """Slot that holds the entry with a key, or the empty slot where it belongs."""
    mask = np.uint64(len(entries.slots) - 1)
    slot = key & mask
    while entries.slots[slot] and entries.keys[entries.slots[slot]] != key:
        slot = slot + np.uint64(1) & mask
    return slot


@kernel
def fill_slots(entries: Entries) -> None:
    """Fills in the slots of all entries but the root."""
    for entry in range(1, entries.size[0]):
        entries.slots[find_slot(entries, entries.keys[entry])] = entry


@kernel
def add_symbol(entries: Entries, symbol: Whole) -> Whole:
    """Entry of an n-gram of one symbol, made with a count of 0 if there is none."""
    key = mix(symbol)
    slot = find_slot(entries, key)
    return _new(entries, slot, key) if entries.slots[slot] == 0 else np.int64(entries.slots[slot])


@kernel
def _new(entries: Entries, slot: Whole, key: Whole) -> Whole:
    """A new entry of order 1."""
    entry = entries.size[0]
    entries.size[0] += 1
    entries.slots[slot] = entry
    entries.keys[entry] = key
    entries.orders[entry] = 1
    return entry


@kernel
def count_symbols(hashes: np.ndarray, order: int, entries: Entries) -> None:
    """Counts all n-grams of a text up to an order. There must be room for order * len(hashes) more entries."""
    before = np.zeros(HIGHEST_ORDER + 1, np.int64)  # n-gram of each order that ends one symbol before
    here = np.zeros(HIGHEST_ORDER + 1, np.int64)
    before[1] = START
    for last in range(len(hashes)):
        here[1] = add_symbol(entries, hashes[last])
        key = mix(hashes[last])
        longest = min(order, last + 2)
        for length in range(2, longest + 1):
            first = last - length + 1
            key = extend(key, hashes[first] if first >= 0 else START_HASH)
            slot = find_slot(entries, key)
            if entries.slots[slot] == 0:
                entry = _new(entries, slot, key)
                entries.orders[entry] = length
                entries.contexts[entry] = before[length - 1]
                entries.suffixes[entry] = here[length - 1]
                entries.counts[here[length - 1]] += 1
            here[length] = entries.slots[slot]
        entries.counts[here[longest]] += 1
        before, here = here, before
