"""One pass over the bytes of a text: its lines, and everything that is counted by single characters."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.measure.characters import (
    BREAK,
    DECIMAL,
    NOTABLE,
    NUM_ASCII,
    NUM_LANES,
    SPACE,
    UPPER_LANE,
    Alphabet,
    before,
    decode,
    signed,
)
from headrace.corpus.measure.lean import kernel
from headrace.corpus.measure.segment import PRIME, SEED, mix

LOREM_IPSUM, JAVASCRIPT, POLICY, CURLY, BRACKET = (1 << bit for bit in range(5))
"""What a line may hold that rules ask for."""

MOST_IN_A_LANE = 255
NEWLINE, RETURN, DOT, OPEN_BRACKET, OPEN_CURLY, CLOSE_BRACKET = map(ord, "\n\r.[{]")


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8).copy()


JAVASCRIPT_TEXT, LOREM_IPSUM_TEXT, PRIVACY_POLICY = map(_bytes, ("javascript", "lorem ipsum", "privacy policy"))
COOKIE_POLICY, USES_COOKIES, USE_OF_COOKIES = map(_bytes, ("cookie policy", "uses cookies", "use of cookies"))
USE_COOKIES, TERMS_OF_USE = map(_bytes, ("use cookies", "terms of use"))
EDIT, CITATION_NEEDED = map(_bytes, ("edit]", "citation needed]"))


class Lines(NamedTuple):
    """The lines of one text as `str.splitlines` finds them, in arrays that are used again for the next."""

    begins: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    """Without the line break."""
    nexts: npt.NDArray[np.int32]
    """With it."""
    firsts: npt.NDArray[np.int32]
    """The line without white space at its ends (see `strip_lines`)."""
    lasts: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    """Words between white space."""
    characters: npt.NDArray[np.int32]
    uppers: npt.NDArray[np.int32]
    """Upper-case characters."""
    hashes: npt.NDArray[np.uint64]
    events: npt.NDArray[np.uint8]
    """The bits above."""


def empty_lines(capacity: int) -> Lines:
    """Room for so many lines."""
    begins, ends, nexts, firsts, lasts, words, characters, uppers = np.empty((8, capacity), np.int32)
    hashes, events = np.empty(capacity, np.uint64), np.empty(capacity, np.uint8)
    return Lines(begins, ends, nexts, firsts, lasts, words, characters, uppers, hashes, events)


@kernel
def read_lines(text: np.ndarray, alphabet: Alphabet, lines: Lines, counts: np.ndarray) -> int:
    """Fills `lines`, returns their number.

    counts: int64; to it are added the characters in each lane, all characters, "..." and the events but brackets, in
    the
    order in which they are named above.
    """
    end, i, n, begin = len(text), 0, 0, 0
    lane_sum, in_lanes, events, value = np.uint64(0), 0, 0, SEED
    dots, last_dot = 0, -2
    characters, uppers = counts[NUM_LANES], counts[UPPER_LANE]
    while i < end:
        point, size = decode(text, i)
        of_class = alphabet.classes[point] if size > 1 else np.uint8(point)
        flags = alphabet.flags[of_class]
        if flags & BREAK:
            _empty_lanes(lane_sum, in_lanes, counts)
            _write_line(lines, n, begin, i)
            lines.characters[n], lines.uppers[n] = (
                counts[NUM_LANES] - characters,
                counts[UPPER_LANE] - uppers,
            )
            lines.hashes[n], lines.events[n] = mix(value), events
            _empty_lanes(alphabet.lanes[of_class], 1, counts)
            i += size
            if point == RETURN and i < end and text[i] == NEWLINE:
                _empty_lanes(alphabet.lanes[NEWLINE], 1, counts)
                i += 1
            lines.nexts[n] = begin = i
            lane_sum, in_lanes, events, value = np.uint64(0), 0, 0, SEED
            characters, uppers = counts[NUM_LANES], counts[UPPER_LANE]
            n += 1
            continue
        if flags & NOTABLE:
            if point == DOT:
                dots = dots + 1 if last_dot == i - 1 else 1
                last_dot = i
                if dots == 3:
                    counts[NUM_LANES + 1] += 1
                    dots = 0
            else:
                events |= _count_event(text, i, counts)
        lane_sum += alphabet.lanes[of_class]
        in_lanes += 1
        if in_lanes == MOST_IN_A_LANE:
            _empty_lanes(lane_sum, in_lanes, counts)
            lane_sum, in_lanes = np.uint64(0), 0
        value = (value ^ np.uint64(point)) * PRIME
        i += size
    _empty_lanes(lane_sum, in_lanes, counts)
    if begin < end:
        _write_line(lines, n, begin, end)
        lines.characters[n], lines.uppers[n] = counts[NUM_LANES] - characters, counts[UPPER_LANE] - uppers
        lines.hashes[n], lines.events[n] = mix(value), events
        n += 1
    return n


@kernel
def _write_line(lines: Lines, n: int, begin: int, end: int) -> None:
    lines.begins[n], lines.ends[n], lines.nexts[n] = begin, end, end


@kernel
def _empty_lanes(lane_sum: np.uint64, in_lanes: int, counts: np.ndarray) -> None:
    counts[NUM_LANES] += in_lanes
    for lane in range(NUM_LANES):
        counts[lane] += np.int64(lane_sum >> np.uint64(8 * lane) & np.uint64(255))


@kernel
def _count_event(text: np.ndarray, i: int, counts: np.ndarray) -> int:
    event = event_at(text, i)
    if event & LOREM_IPSUM:
        counts[NUM_LANES + 2] += 1
    if event & JAVASCRIPT:
        counts[NUM_LANES + 3] += 1
    if event & POLICY:
        counts[NUM_LANES + 4] += 1
    if event & CURLY:
        counts[NUM_LANES + 5] += 1
    return event


@kernel
def event_at(text: np.ndarray, i: int) -> int:
    """What rules ask for, if the rare letter in it (j, k, v, p, f) or the bracket is at byte i; 0 if nothing is."""
    byte = text[i]
    if byte == OPEN_CURLY:
        return CURLY
    if byte == OPEN_BRACKET:
        return BRACKET
    letter = byte | 0x20
    if letter == ord("j"):
        return JAVASCRIPT * matches(text, i, JAVASCRIPT_TEXT)
    if letter == ord("p"):
        return LOREM_IPSUM * matches(text, i - 7, LOREM_IPSUM_TEXT)
    if letter == ord("v"):
        return POLICY * matches(text, i - 3, PRIVACY_POLICY)
    if letter == ord("f"):
        return POLICY * matches(text, i - 7, TERMS_OF_USE)
    if letter == ord("k") and i > 0 and text[i - 1] | 0x20 == ord("o"):
        return POLICY * (
            matches(text, i - 3, COOKIE_POLICY)
            or matches(text, i - 8, USES_COOKIES)
            or matches(text, i - 10, USE_OF_COOKIES)
            or matches(text, i - 7, USE_COOKIES)
        )
    return 0


@kernel
def matches(text: np.ndarray, begin: int, pattern: np.ndarray) -> bool:
    """Whether the pattern, of small letters and other characters, stands at the byte, letters in either case."""
    if begin < 0 or begin + len(pattern) > len(text):
        return False
    for k in range(len(pattern)):
        byte, wanted = text[begin + k], pattern[k]
        if byte != wanted and not (ord("a") <= wanted <= ord("z") and byte | 0x20 == wanted):
            return False
    return True


@kernel
def citation_end(text: np.ndarray, begin: int, end: int, alphabet: Alphabet) -> int:
    """Where the citation ends whose bracket is at byte `begin` ("[12]", "[]", "[edit]", "[citation needed]"); or 0."""
    if _reads(text, begin + 1, end, EDIT):
        return begin + 1 + len(EDIT)
    if _reads(text, begin + 1, end, CITATION_NEEDED):
        return begin + 1 + len(CITATION_NEEDED)
    i = begin + 1
    while i < end:
        if text[i] == CLOSE_BRACKET:
            return i + 1
        point, size = decode(text, i)
        if not alphabet.flags[alphabet.classes[point]] & DECIMAL:
            return 0
        i += size
    return 0


@kernel
def strip_lines(text: np.ndarray, alphabet: Alphabet, lines: Lines, num_lines: int) -> bool:
    """Fills `firsts`, `lasts` and `words`; returns whether every line break is a single newline character."""
    is_plain = True
    for n in range(num_lines):
        end, after = lines.ends[n], lines.nexts[n]
        lines.firsts[n], lines.lasts[n] = strip(text, lines.begins[n], end, alphabet)
        lines.words[n] = words_in(text, lines.firsts[n], lines.lasts[n], alphabet)
        is_plain &= after == end or (after == end + 1 and text[end] == NEWLINE)
    return is_plain


@kernel
def split_at_newlines(text: np.ndarray, alphabet: Alphabet, lines: Lines) -> int:
    """Fills `lines`, but for `events`, with what newline characters alone separate; returns their number."""
    begin = n = 0
    while begin < len(text):
        end = begin
        while end < len(text) and text[end] != NEWLINE:
            end += 1
        lines.begins[n], lines.ends[n], lines.nexts[n] = begin, end, min(end + 1, len(text))
        lines.firsts[n], lines.lasts[n] = strip(text, begin, end, alphabet)
        lines.words[n] = words_in(text, begin, end, alphabet)
        lines.hashes[n], lines.characters[n] = hash_part(text, begin, end)
        lines.uppers[n] = _count_upper(text, begin, end, alphabet)
        begin = end + 1
        n += 1
    return n


@kernel
def _count_upper(text: np.ndarray, i: int, end: int, alphabet: Alphabet) -> int:
    number = 0
    while i < end:
        point, size = decode(text, i)
        number += signed(alphabet.lanes[alphabet.classes[point]] >> np.uint64(8 * UPPER_LANE)) & 1
        i += size
    return number


@kernel
def _reads(text: np.ndarray, begin: int, end: int, pattern: np.ndarray) -> bool:
    if begin + len(pattern) > end:
        return False
    k = 0
    while k < len(pattern) and text[begin + k] == pattern[k]:
        k += 1
    return k == len(pattern)


@kernel
def strip(text: np.ndarray, begin: int, end: int, alphabet: Alphabet) -> tuple[int, int]:
    """The part of the text without white space at its ends; begin = end if nothing is left."""
    while begin < end:
        point, size = decode(text, begin)
        if not alphabet.flags[alphabet.classes[point]] & SPACE:
            break
        begin += size
    while begin < end:
        last = before(text, end)
        point, _ = decode(text, last)
        if not alphabet.flags[alphabet.classes[point]] & SPACE:
            break
        end = last
    return begin, end


@kernel
def hash_part(text: np.ndarray, begin: int, end: int) -> tuple[np.uint64, int]:
    """The hash that `read_lines` gives to a line of this text, and its number of characters."""
    value, i, length = SEED, begin, 0
    while i < end:
        point, size = decode(text, i)
        value = (value ^ np.uint64(point)) * PRIME
        length += 1
        i += size
    return mix(value), length


@kernel
def words_in(text: np.ndarray, begin: int, end: int, alphabet: Alphabet) -> int:
    """Words between white space."""
    number, was_space, seen = 0, 1, 0
    for i in range(begin, end):  # without a branch, and right if all is ASCII
        byte = signed(text[i])
        is_space = (byte == 32) | ((byte >= 9) & (byte <= 13)) | ((byte >= 28) & (byte <= 31))
        number += was_space & ~is_space & 1
        was_space = signed(is_space)
        seen |= byte
    return number if seen < NUM_ASCII else _words_of_any(text, begin, end, alphabet)


@kernel
def _words_of_any(text: np.ndarray, begin: int, end: int, alphabet: Alphabet) -> int:
    """Words between white space."""
    number, is_inside = 0, False
    while begin < end:
        point, size = decode(text, begin)
        is_space = alphabet.flags[alphabet.classes[point]] & SPACE != 0
        number += not is_space and not is_inside
        is_inside = not is_space
        begin += size
    return number
