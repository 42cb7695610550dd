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
from headrace.corpus.measure.bits import count_ones, eight_at, first_one, marked_at
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
READ_BEHIND = 80
"""Room behind the text, for what reads many bytes at once from its last ones."""
MOST_IN_A_LANE = 255
CURLY_APOSTROPHE, BRACKETS, DOT = ord("’"), ord("{"), ord(".")
LOWER, PAST_1, PAST_2 = np.uint8(0x20), np.uint64(1), np.uint64(2)

SEED = np.uint64(0x9E3779B97F4A7C15)
PRIME = np.uint64(0xD6E8FEB86659FD93)
SHIFT = np.uint64(32)
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE, EIGHT, SIXTEEN, MOST_AT_ONCE = np.uint64(1), np.uint64(8), np.uint64(16), np.uint64(64)
LOW_BYTES = np.array([(1 << 8 * number) - 1 for number in range(9)], np.uint64)
IN_CHUNK, UPPER, MORE = np.uint8(CHUNK_BEGINS), np.uint8(IS_UPPER), np.uint8(CONTINUES)
NOT_ASCII, IN_LEAD = np.uint8(0x80), np.uint8(0x40)


class Page(NamedTuple):
    """One text at a time."""

    bytes: npt.NDArray[np.uint8]
    kinds: npt.NDArray[np.uint8]
    marks: npt.NDArray[np.uint8]
    is_ascii: npt.NDArray[np.bool_]
    """(1,)"""


def empty_page(capacity: int) -> Page:
    """Room for so many bytes."""
    text, kinds, marks = np.zeros((3, PAD + capacity + READ_BEHIND), np.uint8)
    return Page(text, kinds, marks, np.ones(1, np.bool_))


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
    kinds, lane_sum, number, surplus = page.kinds, np.uint64(0), 0, 0
    for base in range(0, len(text), 64):
        place = np.uint64(base + PAD)
        found = marked_at(page.bytes, place, NOT_ASCII) & marked_at(page.bytes, place, IN_LEAD)
        found &= ALL_BITS >> np.uint64(max(base + 64 - len(text), 0))  # behind the text stands what was there before
        while found:
            i = base + signed(first_one(found))
            found &= found - ONE
            point, size = decode(text, i)
            of_class = alphabet.classes[point]
            kind = _kind_of(text, i + size, point, alphabet, signed(kinds[i + PAD - 1]))
            lanes = alphabet.lanes[of_class]
            is_upper = signed(lanes >> np.uint64(8 * UPPER_LANE)) & 1
            is_break = alphabet.flags[of_class] & BREAK != 0
            kinds[i + PAD + 1] = kind | CONTINUES  # a loop would be compiled to a slow call
            if size > 2:
                kinds[i + PAD + 2] = kind | CONTINUES
            if size > 3:
                kinds[i + PAD + 3] = kind | CONTINUES
            kinds[i + PAD] = kind | IS_UPPER * is_upper | IS_BREAK * is_break
            lane_sum += lanes
            surplus += size - 1
            number += 1
            if number == MOST_IN_A_LANE:
                empty_lanes(lane_sum, counts)
                lane_sum, number = np.uint64(0), 0
    empty_lanes(lane_sum, counts)
    counts[NUM_LANES] -= surplus


@inner_kernel
def _kind_of(text: np.ndarray, end: int, point: int, alphabet: Alphabet, before: int) -> int:
    """The kind of a character that ends at byte `end`; `before`: that of the character before it."""
    flags = alphabet.flags[alphabet.classes[point]]
    if flags & LETTER:
        return INSIDE | IS_LETTER
    if flags & SPACE:
        return IS_SPACE
    if flags & MARK:
        return before & INSIDE
    if point == CURLY_APOSTROPHE and before & IS_LETTER and end < len(text):
        after, _ = decode(text, end)
        return INSIDE if alphabet.flags[alphabet.classes[after]] & LETTER else 0
    return 0


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
    words = uppers = continuing = np.uint64(0)
    if begin < end:
        words = np.uint64(~(page.kinds[begin + PAD] >> 3 | page.marks[begin + PAD] >> 2) & 1)  # is amid one
    place, stop = np.uint64(begin + PAD), np.uint64(end + PAD)
    while place < stop:
        outside = MOST_AT_ONCE - min(stop - place, MOST_AT_ONCE)
        words += count_ones(marked_at(page.marks, place, IN_CHUNK) << outside)
        uppers += count_ones(marked_at(page.kinds, place, UPPER) << outside)
        continuing += count_ones(marked_at(page.kinds, place, MORE) << outside)
        place += MOST_AT_ONCE
    return signed(words), end - begin - signed(continuing), signed(uppers)


@inner_kernel
def hash_part(page: Page, begin: int, end: int) -> np.uint64:
    """The hash of a part of the page's text."""
    size, place = np.uint64(end - begin), np.uint64(begin + PAD)
    if size <= SIXTEEN:  # without a branch: most words are that short, and which are shorter still cannot be foreseen
        few = min(size, EIGHT)
        first, second = eight_at(page.bytes, place), eight_at(page.bytes, place + EIGHT)
        return _blend(first & LOW_BYTES[few], second & LOW_BYTES[size - few], size)
    first, second, last = SEED, PRIME, place + size - SIXTEEN
    while place < last:
        first, second = (
            _take_in(first, eight_at(page.bytes, place)),
            _take_in(second, eight_at(page.bytes, place + EIGHT)),
        )
        place += SIXTEEN
    return _blend(first ^ eight_at(page.bytes, last), second ^ eight_at(page.bytes, last + EIGHT), size)


@inner_kernel
def hash_bytes(text: np.ndarray) -> np.uint64:
    """What `hash_part` gives for this text, for one that is on no page."""
    size = len(text)
    if size <= 16:
        return _blend(_up_to_eight(text, 0), _up_to_eight(text, 8), np.uint64(size))
    first, second = SEED, PRIME
    for begin in range(0, size - 16, 16):
        first = _take_in(first, _up_to_eight(text, begin))
        second = _take_in(second, _up_to_eight(text, begin + 8))
    first, second = first ^ _up_to_eight(text, size - 16), second ^ _up_to_eight(text, size - 8)
    return _blend(first, second, np.uint64(size))


@inner_kernel
def _up_to_eight(text: np.ndarray, begin: int) -> np.uint64:
    eight = np.uint64(0)
    for i in range(begin, min(begin + 8, len(text))):
        eight |= np.uint64(text[i]) << np.uint64(8 * (i - begin))
    return eight


@inner_kernel
def _take_in(value: np.uint64, eight: np.uint64) -> np.uint64:
    value = (value ^ eight) * PRIME
    return value ^ value >> SHIFT


@inner_kernel
def _blend(first: np.uint64, second: np.uint64, size: np.uint64) -> np.uint64:
    return mix((_take_in(SEED * size, first) ^ second) * PRIME)


@inner_kernel
def mix(value: np.uint64) -> np.uint64:
    """A number whose every bit depends on every bit; never 0, which marks free slots."""
    value = (value ^ (value >> SHIFT)) * PRIME
    value ^= value >> SHIFT
    return value | np.uint64(value == np.uint64(0))
