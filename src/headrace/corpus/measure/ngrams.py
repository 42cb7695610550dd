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

from headrace.corpus.kernel import inner_kernel
from headrace.corpus.measure.characters import signed
from headrace.corpus.measure.page import PRIME, SHIFT, mix
from headrace.corpus.measure.segment import Words, find_chunk

TOP_NGRAMS, DUPLICATE_NGRAMS = (2, 3, 4), (5, 6, 7, 8, 9, 10)
LONGEST = 10
ONE, TWO = np.uint64(1), np.uint64(2)
NUM_NGRAM_COUNTS = 11
"""Top characters for 2, 3, 4; duplicate characters for 5 to 10; positions of repeated 5-grams and 10-grams."""

EXAMINED_CHARACTERS = 1 << 16
"""Character n-grams are sought in the text's beginning: it bounds memory, and longer texts say no more."""


class Scratch(NamedTuple):
    """Arrays for looking for repeats, used again for every text; `positions` and so on have room for all words."""

    keys: npt.NDArray[np.uint64]
    firsts: npt.NDArray[np.int32]
    """Hash -> one more than the place where it was met first; 0: the slot is free."""
    counts: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int32]
    prints: npt.NDArray[np.uint32]
    """32 bits of a hash: a table for character n-grams."""
    tally: npt.NDArray[np.int32]
    """Zeros, for as many slots as all tables for character n-grams together may have."""
    others: npt.NDArray[np.int32]
    marks: npt.NDArray[np.uint8]
    """How often each of many slots was met, see `_keep_met_again`."""


def empty_scratch(capacity: int) -> Scratch:
    """Room for a text of so many words, lines or examined characters."""
    table = 2 << capacity.bit_length()
    examined = 4 << min(capacity, EXAMINED_CHARACTERS).bit_length()
    return Scratch(
        np.empty(table, np.uint64),
        np.empty(2 * table, np.int32),
        np.empty(max(table, examined), np.int32),
        np.empty(capacity + 1, np.int32),
        np.empty(capacity + 1, np.uint64),
        np.empty(capacity + 1, np.int32),
        np.empty(examined, np.uint32),
        np.zeros(4 * examined, np.int32),
        np.empty(capacity + 1, np.int32),
        np.empty(8 * table, np.uint8),
    )


@inner_kernel
def table_size(number: int) -> int:
    """Slots for so many different keys: a power of two, at most 0.7 full."""
    size = 16
    while size * 7 < number * 10:
        size *= 2
    return size


@inner_kernel
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


@inner_kernel
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


@inner_kernel
def _all_pairs(words: Words, num_words: int, scratch: Scratch) -> int:
    number = num_words - 1
    for i in range(np.uint64(number)):
        value = (words.hashes[i] * PRIME) ^ words.hashes[i + ONE]
        scratch.hashes[i] = value ^ value >> SHIFT
    kept = _keep_met_again(scratch, number)
    _count_each(scratch, kept)
    return kept


@inner_kernel
def _lengthen(words: Words, scratch: Scratch, number: int, n: int) -> int:
    """From the repeated (n - 1)-grams to the n-grams that may be repeated, counted."""
    positions, hashes, kept = scratch.positions, scratch.hashes, np.uint64(0)
    for i in range(np.uint64(max(number - 1, 0))):
        position, after = positions[i], positions[i + ONE]
        positions[kept] = position
        hashes[kept] = mix(hashes[i] * PRIME ^ words.hashes[np.uint64(position + n - 1)])
        kept += np.uint64(after == position + 1)
    _count_each(scratch, signed(kept))
    return signed(kept)


@inner_kernel
def _count_each(scratch: Scratch, number: int) -> None:
    """Writes to `slots` where each hash stands first, and to `counts` at that place how often it stands anywhere."""
    hashes, counts, firsts = scratch.hashes, scratch.counts, scratch.firsts[: table_size(number + min(number, 1 << 16))]
    firsts[:] = 0
    counts[:number] = 0
    mask, others = np.uint64(len(firsts) - 1), np.uint64(0)
    for i in range(np.uint64(number)):  # without a branch: what meets another hash in its slot is left for later
        found = np.uint64(firsts[hashes[i] & mask])
        first = found - ONE if found else i
        is_placed = hashes[first] == hashes[i]
        firsts[hashes[i] & mask] = first + ONE
        counts[first] += is_placed
        scratch.slots[i] = first
        scratch.others[others] = i
        others += np.uint64(not is_placed)
    for k in range(others):
        i = scratch.others[k]
        slot = hashes[i] + ONE & mask
        while firsts[slot] and hashes[firsts[slot] - 1] != hashes[i]:
            slot = slot + ONE & mask
        first_place = firsts[slot] - 1 if firsts[slot] else i
        firsts[slot] = first_place + 1
        counts[first_place] += 1
        scratch.slots[i] = first_place


@inner_kernel
def _top_characters(words: Words, scratch: Scratch, number: int, n: int) -> int:
    """Length of the most frequent n-gram, written with spaces, times its count; the first one of equally frequent ones.

    If none is repeated that is the text's first, although it may be no candidate.
    """
    most, position = 1, 0
    for i in range(number):
        if scratch.counts[i] > most:
            most, position = scratch.counts[i], scratch.positions[i]
    characters: int = (words.sums[position + n] - words.sums[position] + n - 1) * most
    return characters


@inner_kernel
def _keep_repeated(scratch: Scratch, number: int) -> int:
    kept = np.uint64(0)
    for i in range(np.uint64(number)):
        slot = scratch.slots[i]
        scratch.positions[kept], scratch.hashes[kept] = scratch.positions[i], scratch.hashes[i]
        scratch.slots[kept] = slot
        kept += np.uint64(scratch.counts[np.uint64(slot)] > 1)
    return signed(kept)


@inner_kernel
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


@inner_kernel
def count_character_ngrams(points: np.ndarray, n: int, scratch: Scratch) -> tuple[int, int, int]:
    """Of the n-grams of characters: how many there are, second and later occurrences, occurrences of the frequent ones.

    Frequent are the repeated n-grams, but only the most frequent of them, as many as the square root of the number of
    different n-grams. Source: BigScience's and Data-Juicer's character repetition.
    """
    number = len(points) - n + 1
    if number <= 0:
        return 0, 0, 0
    _hash_windows(points, n, scratch.hashes)
    left, later, first_slot = _keep_met_again(scratch, number), 0, 0
    while left:
        left, later, first_slot = _place(scratch, left, later, first_slot)
    return number, later, _frequent(scratch, later, number)


@inner_kernel
def _keep_met_again(scratch: Scratch, number: int) -> int:
    """Leaves, of so many hashes, those whose slot others fall into too: all that are repeated, and few others.

    What is met once, most of any text, is thus told by a byte in a small table. Writes to `positions` where they were;
    returns how many are left.
    """
    hashes, marks = scratch.hashes, scratch.marks[: 4 * table_size(number)]
    marks[:] = 0
    mask, kept = np.uint64(len(marks) - 1), np.uint64(0)
    for i in range(np.uint64(number)):  # 0, 1, 3, 7 ... 255: met never, once, twice or more
        slot = hashes[i] & mask
        marks[slot] = marks[slot] << ONE | ONE
    for i in range(np.uint64(number)):
        key = hashes[i]
        hashes[kept], scratch.positions[kept] = key, i
        kept += np.uint64(marks[key & mask] >> ONE) & ONE
    return signed(kept)


@inner_kernel
def _hash_windows(points: np.ndarray, n: int, hashes: np.ndarray) -> None:
    """Hashes n points from each on, in both halves at once: each hash has to wait for the one before."""
    number = np.uint64(len(points) - n + 1)
    half = number // TWO
    factor, value, other = ONE, np.uint64(0), np.uint64(0)
    for i in range(np.uint64(n)):
        factor *= PRIME
        value = value * PRIME + np.uint64(points[i])
        other = other * PRIME + np.uint64(points[i + half])
    last = np.uint64(n - 1)
    for i in range(half):
        hashes[i], hashes[i + half] = _spread(value), _spread(other)
        value = value * PRIME + (np.uint64(points[i + last + ONE]) - factor * np.uint64(points[i]))
        if i + half + ONE < number:
            other = other * PRIME + (np.uint64(points[i + half + last + ONE]) - factor * np.uint64(points[i + half]))
    if half + half < number:
        hashes[number - ONE] = _spread(other)


@inner_kernel
def _spread(value: np.uint64) -> np.uint64:
    """A bijection after which numbers that differ in low bits alone differ in high ones too."""
    value *= PRIME
    return value ^ value >> SHIFT


@inner_kernel
def _place(scratch: Scratch, number: int, later: int, first_slot: int) -> tuple[int, int, int]:
    """Gives n-grams slots of a table that follows others; `slots` gets those of second and later occurrences.

    Without a branch: what meets another n-gram in its slot is left for a further table. Returns how many are, how many
    later occurrences there are so far, and where further slots begin.
    """
    hashes, size = scratch.hashes, 2 * table_size(number)
    prints, mask, offset = scratch.prints[:size], np.uint64(size - 1), np.uint64(first_slot)
    prints[:] = 0
    left, found = np.uint64(0), np.uint64(later)
    for i in range(np.uint64(number)):
        key = hashes[i]
        slot, print_ = key & mask, np.uint32(key >> SHIFT) | np.uint32(1)
        seen = prints[slot]
        is_free, is_same = seen == np.uint32(0), seen == print_
        prints[slot] = print_ if is_free else seen
        scratch.slots[found] = slot + offset
        found += np.uint64(is_same)
        hashes[left] = _spread(key)
        left += np.uint64(not (is_free or is_same))
    return signed(left), signed(found), first_slot + size


@inner_kernel
def _frequent(scratch: Scratch, later: int, number: int) -> int:
    """Occurrences of the most frequent n-grams, given the slots of second and later occurrences."""
    tally, repeated = scratch.tally, np.uint64(0)
    for i in range(np.uint64(later)):
        tally[np.uint64(scratch.slots[i])] += 1
    for i in range(np.uint64(later)):
        slot = np.uint64(scratch.slots[i])
        scratch.positions[repeated] = tally[slot] + 1
        repeated += np.uint64(tally[slot] != 0)
        tally[slot] = 0
    most = min(signed(repeated), int(np.sqrt(number - later)))
    return _sum_of_largest(scratch.positions[: signed(repeated)], most, scratch.counts)


@inner_kernel
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
