"""What stands at every byte of a text: one look at each, and then plain sums over bytes that the processor does 32 at
a time.

A page holds a copy of the text and a byte of `kinds` and one of `marks` for each of its bytes, `PAD` bytes in, so that
neighbours and eight bytes at once can be read everywhere. All bytes of a character share its kind; those after its
first have CONTINUES.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel
from headrace.corpus.measure.characters import (
    BREAK,
    CONTINUES,
    INSIDE,
    IS_BREAK,
    IS_LETTER,
    IS_SPACE,
    IS_UPPER,
    LETTER,
    MARK,
    NUM_ASCII,
    NUM_LANES,
    SPACE,
    UPPER_LANE,
    Alphabet,
    decode,
    signed,
)

WORD_BEGINS, WORD_ENDED, CHUNK_BEGINS, EVENT = (1 << bit for bit in range(4))
"""Marks. WORD_ENDED: the byte before it was a word's last; CHUNK_BEGINS: white space is before it and none is here;
EVENT: a line may end here, or something stand that rules ask for (see `lines.event_at`)."""

PAD = 8
MOST_IN_A_LANE = 255
CURLY_APOSTROPHE, BRACKETS, DOT = ord("’"), ord("{"), ord(".")
LOWER, PAST_1, PAST_2 = np.uint8(0x20), np.uint64(1), np.uint64(2)

SEED = np.uint64(0x9E3779B97F4A7C15)
PRIME = np.uint64(0xD6E8FEB86659FD93)
SHIFT = np.uint64(32)
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


class Page(NamedTuple):
    """One text at a time; `wide...` are the same memory, eight bytes in one number."""

    bytes: npt.NDArray[np.uint8]
    wide: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.uint8]
    marks: npt.NDArray[np.uint8]
    wide_marks: npt.NDArray[np.uint64]
    is_ascii: npt.NDArray[np.bool_]
    """(1,)"""


def empty_page(capacity: int) -> Page:
    """Room for so many bytes."""
    text, kinds, marks = np.zeros((3, (capacity // 8 + 5) * 8), np.uint8)
    return Page(text, text.view(np.uint64), kinds, marks, marks.view(np.uint64), np.ones(1, np.bool_))


@inner_kernel
def read_page(text: np.ndarray, alphabet: Alphabet, page: Page, counts: np.ndarray) -> None:
    """Writes the page of a text; adds its characters in each lane and all characters to `counts`, int64."""
    end, begin, seen = len(text), 0, 0
    while begin < end:
        stop, lane_sum = min(begin + MOST_IN_A_LANE, end), np.uint64(0)
        for i in range(begin, stop):
            byte = text[i]
            page.bytes[np.uint64(i + PAD)] = byte
            page.kinds[np.uint64(i + PAD)] = alphabet.byte_kinds[byte]
            lane_sum += alphabet.byte_lanes[byte]
            seen |= signed(byte)
        empty_lanes(lane_sum, counts)
        begin = stop
    counts[NUM_LANES] += end
    for i in range(PAD):
        page.kinds[i] = page.kinds[end + PAD + i] = IS_SPACE
        page.bytes[end + PAD + i] = page.bytes[end + 2 * PAD + i] = 0
    page.is_ascii[0] = seen < NUM_ASCII
    if seen >= NUM_ASCII:
        _read_rest(text, alphabet, page, counts)
    _mark(page, end)


@inner_kernel
def empty_lanes(lane_sum: np.uint64, counts: np.ndarray) -> None:
    """Adds each lane to its count."""
    for lane in range(NUM_LANES):
        counts[lane] += np.int64(lane_sum >> np.uint64(8 * lane) & np.uint64(255))


@inner_kernel
def _read_rest(text: np.ndarray, alphabet: Alphabet, page: Page, counts: np.ndarray) -> None:
    """Kinds and counts of the characters that are not ASCII."""
    i, kinds = 0, page.kinds
    while i < len(text):
        if text[i] < NUM_ASCII:
            i += 1
            continue
        point, size = decode(text, i)
        of_class = alphabet.classes[point]
        flags, lanes = alphabet.flags[of_class], alphabet.lanes[of_class]
        before, kind = signed(kinds[i + PAD - 1]), 0
        if flags & LETTER:
            kind = INSIDE | IS_LETTER
        elif flags & SPACE:
            kind = IS_SPACE
        elif flags & MARK:
            kind = before & INSIDE
        elif point == CURLY_APOSTROPHE and before & IS_LETTER and i + size < len(text):
            after, _ = decode(text, i + size)
            kind = INSIDE * (alphabet.flags[alphabet.classes[after]] & LETTER != 0)
        for k in range(1, size):
            kinds[i + k + PAD] = kind | CONTINUES
        is_upper = signed(lanes >> np.uint64(8 * UPPER_LANE)) & 1
        kinds[i + PAD] = kind | IS_UPPER * is_upper | IS_BREAK * (flags & BREAK != 0)
        empty_lanes(lanes, counts)
        counts[NUM_LANES] -= size - 1
        i += size


@inner_kernel
def _mark(page: Page, end: int) -> None:
    kinds, text = page.kinds, page.bytes
    for i in range(np.uint64(PAD), np.uint64(end + PAD + 1)):
        kind, before, earlier, after = kinds[i], kinds[i - PAST_1], kinds[i - PAST_2], kinds[i + PAST_1]
        byte, last, following, later = text[i], text[i - PAST_1], text[i + PAST_1] | LOWER, text[i + PAST_2] | LOWER
        joins = (kind >> 1 & before >> 2 & earlier >> 1) | (kind >> 2 & before >> 1 & after >> 1)
        goes_on = (kind & before) | joins | (kind & before) >> 4 & (byte == last) | kind >> 6
        space, was_space = kind >> 3, before >> 3
        begins = ~(space | goes_on) & 1
        ended = (space | begins) & ~was_space & 1
        letter = byte | LOWER
        event = (
            (letter == BRACKETS)
            | (letter == ord("j"))
            | (letter == ord("p")) & (following == ord("s"))
            | (letter == ord("v")) & (following == ord("a"))
            | (letter == ord("f")) & (later == ord("u"))
            | (letter == ord("c")) & (following == ord("a")) & (later == ord("r"))
            | (letter == ord("k")) & (last | LOWER == ord("o"))
            | (byte == DOT) & (last == DOT)
        )
        page.marks[i] = np.uint8(
            begins | ended << 1 | (~space & was_space & 1) << 2 | (kind >> 7 | np.uint8(event)) << 3
        )


@inner_kernel
def strip_part(page: Page, begin: int, end: int) -> tuple[int, int]:
    """The part of the page's text without white space at its ends; begin = end if nothing is left."""
    while begin < end and page.kinds[begin + PAD] & IS_SPACE:
        begin += 1
    while begin < end and page.kinds[end - 1 + PAD] & IS_SPACE:
        end -= 1
    return begin, end


@inner_kernel
def sum_part(page: Page, begin: int, end: int) -> tuple[int, int, int]:
    """Of a part of the page's text: words between white space, characters, upper-case characters."""
    words = uppers = continuing = 0
    if begin < end:
        words = signed(~(page.kinds[begin + PAD] >> 3 | page.marks[begin + PAD] >> 2) & 1)  # is amid one
    first = begin
    while first < end:
        stop = min(first + MOST_IN_A_LANE, end)
        some_words = some_uppers = some_continuing = np.uint8(0)
        for i in range(np.uint64(first + PAD), np.uint64(stop + PAD)):
            kind = page.kinds[i]
            some_words = np.uint8(some_words + (page.marks[i] >> 2 & 1))
            some_uppers = np.uint8(some_uppers + (kind >> 5 & 1))
            some_continuing = np.uint8(some_continuing + (kind >> 6 & 1))
        words, uppers = words + signed(some_words), uppers + signed(some_uppers)
        continuing += signed(some_continuing)
        first = stop
    return words, end - begin - continuing, uppers


@inner_kernel
def eight_bytes(page: Page, begin: int) -> np.uint64:
    """The page's text from byte `begin` on, the first byte in the lowest bits."""
    place, shift = np.uint64(begin + PAD), np.uint64(8) * (np.uint64(begin) & np.uint64(7))
    word = place >> np.uint64(3)
    high = page.wide[word + np.uint64(1)] << np.uint64(1) << (np.uint64(63) - shift)
    eight: np.uint64 = page.wide[word] >> shift | high
    return eight


@inner_kernel
def hash_part(page: Page, begin: int, end: int) -> np.uint64:
    """The hash of a part of the page's text."""
    value = SEED * np.uint64(end - begin)
    while end - begin > 8:
        value = (value ^ eight_bytes(page, begin)) * PRIME
        value ^= value >> SHIFT
        begin += 8
    if begin < end:
        value = (value ^ eight_bytes(page, begin) & ALL_BITS >> np.uint64(64 - 8 * (end - begin))) * PRIME
        value ^= value >> SHIFT
    return mix(value)


@inner_kernel
def hash_bytes(text: np.ndarray) -> np.uint64:
    """What `hash_part` gives for this text, for one that is on no page."""
    value, begin, end = SEED * np.uint64(len(text)), 0, len(text)
    while begin < end:
        eight = np.uint64(0)
        for i in range(min(8, end - begin)):
            eight |= np.uint64(text[begin + i]) << np.uint64(8 * i)
        value = (value ^ eight) * PRIME
        value ^= value >> SHIFT
        begin += 8
    return mix(value)


@inner_kernel
def mix(value: np.uint64) -> np.uint64:
    """A number whose every bit depends on every bit; never 0, which marks free slots."""
    value = (value ^ (value >> SHIFT)) * PRIME
    value ^= value >> SHIFT
    return value | np.uint64(value == np.uint64(0))
