"""Probabilities of n-grams, and a table to look them up in: modified Kneser-Ney, interpolated.

With c the count of an n-gram, D its discount and C the sum of the counts after its context,

    P(symbol | context) = max(c - D, 0) / C + backoff(context) * P(symbol | context without its first symbol)

where backoff(context) = sum of the discounts after it / C, so that probabilities sum to 1; below one symbol lies the
even distribution over the vocabulary. Source: Chen & Goodman 1999, Computer Speech & Language 13(4), section 3.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import kernel
from headrace.corpus.quality.ngram_counts import HIGHEST_ORDER, ROOT, START, START_HASH, Entries
from headrace.corpus.quality.symbols import Whole, extend, mix

NO_ENTRY = -1

ROOM_PER_ENTRY = 2
"""At least so many slots per entry, rounded up to a power of two: a full table is slow to search."""

LEAST_DISCOUNT = 0.1
"""Something must be left for what was not seen."""


class NgramTable(NamedTuple):
    """Slots of 16 bytes: key (0 in an empty slot), log2 of the probability, log2 of the backoff."""

    slots: npt.NDArray[np.uint64]
    """(2 * slots,) the even ones are keys; the number of slots is a power of two."""
    logs: npt.NDArray[np.float32]
    """(4 * slots,) the same memory: log2 of probability and backoff are the third and fourth of each slot."""
    order: int
    unseen: float
    """log2 of the probability of a symbol that was never seen, before the backoffs of its contexts."""


def view_table(slots: npt.NDArray[np.uint64], order: int, unseen: float) -> NgramTable:
    """The table whose slots these are."""
    return NgramTable(slots, slots.view(np.float32), order, unseen)


def estimate(entries: Entries, order: int, *, vocabulary: int | None = None) -> NgramTable:
    """The table of what was counted. vocabulary: how many symbols there can be; by default those that were counted."""
    size = int(entries.size[0])
    by_count = np.zeros((order + 1, 5), np.int64)
    is_counted = np.arange(size) > START
    np.add.at(by_count, (entries.orders[:size][is_counted], np.minimum(entries.counts[:size][is_counted], 4)), 1)
    discounts = np.stack([discounts_of(row) for row in by_count])
    totals, backoffs = np.zeros(size), np.zeros(size)
    add_totals(entries, discounts, totals, backoffs)
    num_symbols = vocabulary or int(np.sum(entries.orders[:size][is_counted] == 1))
    probabilities = np.zeros(size)
    interpolate(entries, discounts, totals, backoffs, 1.0 / max(num_symbols, 1), probabilities)
    slots = np.zeros(2 << int(size * ROOM_PER_ENTRY).bit_length(), np.uint64)
    table = view_table(slots, order, float(np.log2(backoffs[ROOT] / max(num_symbols, 1))))
    fill_table(entries, np.log2(np.maximum(probabilities, np.finfo(np.float32).tiny)), np.log2(backoffs), table)
    slots.setflags(write=False)  # as it is when it comes from a disk: kernels are compiled for the two apart
    return view_table(slots, order, table.unseen)


def discounts_of(by_count: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(4,) what is taken off counts of 0, 1, 2, and 3 or more. by_count: (5,) how many n-grams have each count, 1 to 4.

    Where a count does not occur, as in tiny texts, the formula has nothing to go by: half of the count up to 1.5 then.
    """
    discounts = np.array([0.0, 0.5, 1.0, 1.5])
    once, twice = by_count[1:3]
    if once and twice:
        share = once / (once + 2 * twice)
        for count in (1, 2, 3):
            if by_count[count]:
                best = count - (count + 1) * share * by_count[count + 1] / by_count[count]
                discounts[count] = np.clip(best, LEAST_DISCOUNT, count)
    return discounts


@kernel
def add_totals(entries: Entries, discounts: np.ndarray, totals: np.ndarray, backoffs: np.ndarray) -> None:
    """Fills in, for every entry as a context: the sum of counts after it, and its backoff (1 if there is none)."""
    for entry in range(START + 1, entries.size[0]):
        count = entries.counts[entry]
        totals[entries.contexts[entry]] += count
        backoffs[entries.contexts[entry]] += discounts[entries.orders[entry], min(count, 3)]
    for entry in range(entries.size[0]):
        backoffs[entry] = backoffs[entry] / totals[entry] if totals[entry] > 0 else 1.0


@kernel
def interpolate(
    entries: Entries,
    discounts: np.ndarray,
    totals: np.ndarray,
    backoffs: np.ndarray,
    even: float,
    probabilities: np.ndarray,
) -> None:
    """Fills in the probability of each entry; suffixes come before what they are suffixes of."""
    for entry in range(START + 1, entries.size[0]):
        count, context = entries.counts[entry], entries.contexts[entry]
        shorter = even if entries.orders[entry] == 1 else probabilities[entries.suffixes[entry]]
        rest = count - discounts[entries.orders[entry], min(count, 3)]
        probabilities[entry] = (rest / totals[context] if count else 0.0) + backoffs[context] * shorter


@kernel
def find(table: NgramTable, key: Whole) -> Whole:
    """Slot of the n-gram with a key, or `NO_ENTRY`."""
    mask = np.uint64(len(table.slots) // 2 - 1)
    slot = key & mask
    while table.slots[slot * np.uint64(2)] != key:
        if table.slots[slot * np.uint64(2)] == 0:
            return NO_ENTRY
        slot = slot + np.uint64(1) & mask
    return np.int64(slot)


@kernel
def fill_table(entries: Entries, log_probabilities: np.ndarray, log_backoffs: np.ndarray, table: NgramTable) -> None:
    """Fills in all entries but the root."""
    mask = np.uint64(len(table.slots) // 2 - 1)
    for entry in range(START, entries.size[0]):
        slot = entries.keys[entry] & mask
        while table.slots[slot * np.uint64(2)] != 0:
            slot = slot + np.uint64(1) & mask
        table.slots[slot * np.uint64(2)] = entries.keys[entry]
        table.logs[slot * np.uint64(4) + np.uint64(2)] = log_probabilities[entry]
        table.logs[slot * np.uint64(4) + np.uint64(3)] = log_backoffs[entry]


@kernel
def log_probability(
    hashes: np.ndarray, last: int, table: NgramTable, before: np.ndarray, known: int, here: np.ndarray
) -> tuple[float, int]:
    """log2 of the probability of hashes[last] after those before it, and the length of the longest n-gram found.

    before: slots of the n-grams that end one symbol earlier, by length up to `known`; here: filled in for this symbol.
    """
    longest = min(table.order, last + 2)
    bits = np.float64(table.unseen)
    key = mix(hashes[last])
    matched = 0
    slot = find(table, key)
    while slot != NO_ENTRY:
        matched += 1
        here[matched] = slot
        bits = np.float64(table.logs[slot * 4 + 2])
        if matched == longest:
            break
        first = last - matched
        key = extend(key, hashes[first] if first >= 0 else START_HASH)
        slot = find(table, key)
    for length in range(max(matched, 1), known + 1):
        bits += table.logs[before[length] * 4 + 3]
    return bits, matched


@kernel
def bits_of(hashes: np.ndarray, table: NgramTable) -> float:
    """What it takes to say these symbols from the beginning of a text, in bits."""
    before = np.zeros(HIGHEST_ORDER + 1, np.int64)
    here = np.zeros(HIGHEST_ORDER + 1, np.int64)
    before[1] = find(table, mix(START_HASH))
    known = min(1, table.order - 1)
    bits = 0.0
    for last in range(len(hashes)):
        more, matched = log_probability(hashes, last, table, before, known, here)
        bits -= more
        known = min(matched, table.order - 1)
        before, here = here, before
    return bits
