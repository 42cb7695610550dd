"""What a text repeats, in kernels: word n-grams, lines and paragraphs, and character n-grams.

Equality is that of 64-bit hashes of the sequence of words (of characters), not of the strings themselves: ("ab", "c")
and
("a", "bc") are two n-grams, and two different ones of a text of 10**6 words fall together once in 4 * 10**7 texts.
A repeated n-gram begins with a repeated (n - 1)-gram, and one follows a word later. So only 2-grams are looked at
everywhere;
of each longer kind only those few whose parts repeat.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.measure.lean import kernel
from headrace.corpus.measure.segment import PRIME, SHIFT, Words, find_chunk, mix

TOP_NGRAMS, DUPLICATE_NGRAMS = (2, 3, 4), (5, 6, 7, 8, 9, 10)
LONGEST = 10
NUM_NGRAM_COUNTS = 11
"""Top characters for 2, 3, 4; duplicate characters for 5 to 10; positions of repeated 5-grams and 10-grams."""

EXAMINED_CHARACTERS = 1 << 16
"""Character n-grams are sought in the text's beginning: it bounds memory, and longer texts say no more."""


class Scratch(NamedTuple):
    """Arrays for looking for repeats, used again for every text; `positions` and so on have room for all words."""

    keys: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int32]
    prints: npt.NDArray[np.uint32]
    """32 bits of a hash: a table for character n-grams."""


def empty_scratch(capacity: int) -> Scratch:
    """Room for a text of so many words, lines or examined characters."""
    table = 2 << capacity.bit_length()
    examined = 4 << min(capacity, EXAMINED_CHARACTERS).bit_length()
    return Scratch(
        np.empty(table, np.uint64),
        np.empty(max(table, 2 * examined), np.int32),
        np.empty(capacity + 1, np.int32),
        np.empty(capacity + 1, np.uint64),
        np.empty(capacity + 1, np.int32),
        np.empty(examined, np.uint32),
    )


@kernel
def table_size(number: int) -> int:
    """Slots for so many different keys: a power of two, at most 0.7 full."""
    size = 16
    while size * 7 < number * 10:
        size *= 2
    return size


@kernel
def count_duplicates(hashes: np.ndarray, lengths: np.ndarray, scratch: Scratch) -> tuple[int, int]:
    """Second and later occurrences of any hash: their number and the sum of their lengths."""
    keys = scratch.keys[: table_size(len(hashes))]
    keys[:] = 0
    number = characters = 0
    for i in range(len(hashes)):
        slot = find_chunk(keys, hashes[i])
        if keys[slot] == hashes[i]:
            number += 1
            characters += lengths[i]
        keys[slot] = hashes[i]
    return number, characters


@kernel
def count_ngrams(words: Words, num_words: int, scratch: Scratch, counts: np.ndarray) -> None:
    """Writes the NUM_NGRAM_COUNTS counts of a text."""
    counts[:NUM_NGRAM_COUNTS] = 0
    num_candidates = 0
    for n in range(2, LONGEST + 1):
        if num_words < n:
            return
        if n == 2:
            num_candidates = _all_pairs(words, num_words, scratch)
        else:
            num_candidates = _lengthen(words, scratch, num_candidates, n)
        if n <= 4:
            counts[n - 2] = _top_characters(words, scratch, num_candidates, n)
        num_candidates = _keep_repeated(scratch, num_candidates)
        if n >= 5:
            counts[n - 2] = _duplicate_characters(words, scratch, num_candidates, n)
            if n == 5 or n == LONGEST:
                counts[NUM_NGRAM_COUNTS - 2 + (n == LONGEST)] = num_candidates
        if num_candidates == 0 and n >= 4:
            return


@kernel
def _all_pairs(words: Words, num_words: int, scratch: Scratch) -> int:
    number = num_words - 1
    keys = scratch.keys[: table_size(number)]
    keys[:] = 0
    mask = np.uint64(len(keys) - 1)
    scratch.counts[: len(keys)] = 0
    for i in range(number):
        value = (words.hashes[i] * PRIME) ^ words.hashes[i + 1]
        value ^= value >> SHIFT
        value |= np.uint64(value == np.uint64(0))
        slot = value & mask
        while keys[slot] != value and keys[slot] != np.uint64(0):
            slot = (slot + np.uint64(1)) & mask
        keys[slot] = value
        scratch.counts[slot] += 1
        scratch.positions[i], scratch.hashes[i], scratch.slots[i] = i, value, slot
    return number


@kernel
def _lengthen(words: Words, scratch: Scratch, number: int, n: int) -> int:
    """From the repeated (n - 1)-grams to the n-grams that may be repeated, counted."""
    positions, hashes, slots, kept = scratch.positions, scratch.hashes, scratch.slots, 0
    for i in range(number - 1):
        if positions[i + 1] == positions[i] + 1:
            positions[kept] = positions[i]
            hashes[kept] = mix(hashes[i] * PRIME ^ words.hashes[positions[i] + n - 1])
            kept += 1
    keys = scratch.keys[: table_size(kept)]
    keys[:] = 0
    scratch.counts[: len(keys)] = 0
    for i in range(kept):
        slot = find_chunk(keys, hashes[i])
        keys[slot] = hashes[i]
        scratch.counts[slot] += 1
        slots[i] = slot
    return kept


@kernel
def _top_characters(words: Words, scratch: Scratch, number: int, n: int) -> int:
    """Length of the most frequent n-gram, written with spaces, times its count; the first one of equally frequent ones.

    If none is repeated that is the text's first, although it may be no candidate.
    """
    most, position = 1, 0
    for i in range(number):
        count = scratch.counts[scratch.slots[i]]
        if count > most:
            most, position = count, scratch.positions[i]
    characters: int = (words.sums[position + n] - words.sums[position] + n - 1) * most
    return characters


@kernel
def _keep_repeated(scratch: Scratch, number: int) -> int:
    kept = 0
    for i in range(number):
        slot = scratch.slots[i]
        scratch.positions[kept], scratch.hashes[kept] = scratch.positions[i], scratch.hashes[i]
        scratch.slots[kept] = slot
        kept += scratch.counts[slot] > 1
    return kept


@kernel
def _duplicate_characters(words: Words, scratch: Scratch, number: int, n: int) -> int:
    """Characters of n-grams that occurred before, scanning from the left and jumping over each one that is counted."""
    characters = next_position = 0
    for i in range(number):
        position = scratch.positions[i]
        if position < next_position:
            continue
        if scratch.counts[scratch.slots[i]] == 0:  # seen
            characters += words.sums[position + n] - words.sums[position]
            next_position = position + n
        else:
            scratch.counts[scratch.slots[i]] = 0
    return characters


@kernel
def count_character_ngrams(points: np.ndarray, n: int, scratch: Scratch) -> tuple[int, int, int]:
    """Of the n-grams of characters: how many there are, second and later occurrences, occurrences of the frequent ones.

    Frequent are the repeated n-grams, but only the most frequent of them, as many as the square root of the number of
    different n-grams. Source: BigScience's and Data-Juicer's character repetition.
    """
    number = len(points) - n + 1
    if number <= 0:
        return 0, 0, 0
    size = 2 * table_size(number)
    prints, mask = scratch.prints[:size], np.uint64(size - 1)
    prints[:] = 0
    scratch.counts[: 2 * size] = 0
    factor, value, later, others = PRIME, np.uint64(0), 0, 0
    for _ in range(n - 2):
        factor *= PRIME
    for i in range(n - 1):
        value = value * PRIME + np.uint64(points[i])
    for i in range(n - 1, len(points)):  # without a branch: what meets another n-gram in its slot is left for later
        value = value * PRIME + np.uint64(points[i])
        key = value ^ value >> SHIFT
        value -= factor * np.uint64(points[i - n + 1])
        slot, print_ = key & mask, np.uint32(key >> SHIFT) | np.uint32(1)
        seen = prints[slot]
        is_free, is_same = seen == np.uint32(0), seen == print_
        prints[slot] = print_ if is_free else seen
        scratch.slots[later] = slot
        later += is_same
        scratch.hashes[others] = key
        others += not (is_free or is_same)
    later = _place_others(scratch, others, size, later)
    return number, later, _frequent(scratch, later, number)


@kernel
def _place_others(scratch: Scratch, others: int, first_slot: int, later: int) -> int:
    """Looks for second and later occurrences among n-grams that found no slot of their own."""
    keys = scratch.keys[: table_size(others)]
    keys[:] = 0
    for i in range(others):
        key = scratch.hashes[i] | np.uint64(scratch.hashes[i] == np.uint64(0))
        slot = find_chunk(keys, key)
        scratch.slots[later] = first_slot + slot
        later += keys[slot] == key
        keys[slot] = key
    return later


@kernel
def _frequent(scratch: Scratch, later: int, number: int) -> int:
    """Occurrences of the most frequent n-grams, given the slots of second and later occurrences."""
    counts, repeated = scratch.counts, 0
    for i in range(later):
        slot = scratch.slots[i]
        counts[slot] += 1
    for i in range(later):
        slot = scratch.slots[i]
        if counts[slot]:
            scratch.positions[repeated] = counts[slot] + 1
            repeated += 1
            counts[slot] = 0
    most = min(repeated, int(np.sqrt(number - later)))
    return _sum_of_largest(scratch.positions[:repeated], most, counts)


@kernel
def _sum_of_largest(values: np.ndarray, number: int, tally: np.ndarray) -> int:
    largest = 0
    for value in values:
        largest = max(largest, value)
    tally[: largest + 1] = 0
    for value in values:
        tally[value] += 1
    total = 0
    while number > 0:
        taken = min(number, tally[largest])
        total += taken * largest
        number -= taken
        largest -= 1
    return total
