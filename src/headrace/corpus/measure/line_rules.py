"""Which lines C4 and RefinedWeb take out of a text, in kernels: for scores of what is left, and for cutting.

Sources: datatrove's C4QualityFilter; the line modifiers of DCLM's RefinedWeb pipeline. Phrases are matched with ASCII
letters
in either case; a full stop in DCLM's "Read more..." is a full stop here and any character there.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel
from headrace.corpus.measure.characters import DECIMAL, LETTER, SPACE, UNSPACED, Alphabet, decode, flags_at
from headrace.corpus.measure.lines import (
    BRACKET,
    CART,
    CURLY,
    ITEMS_IN_CART,
    JAVASCRIPT,
    LOREM_IPSUM,
    OPEN_BRACKET,
    POLICY,
    Lines,
    citation_end,
    event_at,
    matches,
)
from headrace.corpus.texts import read_only

KEEP, ENDS_WELL, HAS_LOREM, HAS_CURLY, IS_CITED = (1 << bit for bit in range(5))
"""What C4 makes of a line: KEEP without, KEEP and ENDS_WELL with the rule on terminal punctuation; HAS_LOREM or
HAS_CURLY:
the whole document goes; IS_CITED: its text changes, because citations are taken out."""

LONGEST_WORD = 1000
FEWEST_WORDS = 3
ENDS = np.array([character in ".?!\"'" for character in map(chr, range(256))])
DOT = ord(".")

MOST_WORDS_OF_A_NOTICE = 10
FEWEST_WORDS_LEFT = 2


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8).copy()


READ_MORE, SIGN_IN = map(_bytes, ("read more...", "sign-in"))
COUNTED_WORDS = "likes shares comments retweets reposts quotes bookmarks upvotes downvotes downloads views followers"
COUNTED = _bytes(COUNTED_WORDS + " ")


class Buffer(NamedTuple):
    """A piece of memory to write text to, and the same memory with the type of all other texts."""

    written: npt.NDArray[np.uint8]
    read: npt.NDArray[np.uint8]


def empty_buffer(capacity: int) -> Buffer:
    """Room for so many bytes."""
    written = np.empty(capacity, np.uint8)
    return Buffer(written, read_only(written))


@inner_kernel
def judge_line(line: np.ndarray, found: tuple[int, int], buffer: Buffer, alphabet: Alphabet) -> int:
    """What C4 makes of a stripped line, of which its words between white space and its events are known.

    If it has citations, its text without them goes to `buffer`; the number of bytes stands in the result from bit 8 on.
    """
    num_words, events = found
    if num_words < FEWEST_WORDS or (len(line) > LONGEST_WORD and longest_word(line, alphabet) > LONGEST_WORD):
        return 0
    if events & BRACKET:
        size = without_citations(line, buffer.written, alphabet)
        if size < len(line):
            events = 0
            for i in range(size):
                events |= event_at(buffer.read[:size], i)
            return _judge(buffer.read[:size], events) | IS_CITED | size << 8
    return _judge(line, events)


@inner_kernel
def _judge(line: np.ndarray, events: int) -> int:
    end = len(line)
    well = end > 0 and ENDS[line[end - 1]]
    if well and end > 2 and line[end - 1] == DOT and line[end - 2] == DOT and line[end - 3] == DOT:
        well = False
    if events & LOREM_IPSUM:
        return HAS_LOREM | KEEP | ENDS_WELL * well
    if events & JAVASCRIPT:
        return 0
    if events & CURLY:
        return HAS_CURLY | KEEP | ENDS_WELL * well
    if events & POLICY:
        return 0
    return KEEP | ENDS_WELL * well


@inner_kernel
def longest_word(text: np.ndarray, alphabet: Alphabet) -> int:
    """The most characters between white space."""
    i = length = longest = 0
    while i < len(text):
        flags, size = flags_at(text, i, alphabet)
        length = 0 if flags & SPACE else length + 1
        longest = max(longest, length)
        i += size
    return longest


@inner_kernel
def without_citations(line: np.ndarray, scratch: np.ndarray, alphabet: Alphabet) -> int:
    """Copies the line without its citations; returns the number of bytes."""
    i = n = 0
    while i < len(line):
        if line[i] == OPEN_BRACKET:
            after = citation_end(line, i, len(line), alphabet)
            if after:
                i = after
                continue
        scratch[n] = line[i]
        n += 1
        i += 1
    return n


@inner_kernel
def notice_part(text: np.ndarray, lines: Lines, n: int, alphabet: Alphabet) -> tuple[int, int]:
    """What of line n, if it is short, RefinedWeb takes for a notice ("3 items in cart"); begin = end if nothing.

    White space before it goes with it ("Sign-in": behind it).
    """
    begin, end = lines.begins[n], lines.ends[n]
    if lines.words[n] > MOST_WORDS_OF_A_NOTICE:
        return begin, begin
    if end - begin >= len(READ_MORE) and matches(text[:end], end - len(READ_MORE), READ_MORE):
        return _widen(text, begin, end - len(READ_MORE), alphabet), end
    if matches(text[:end], begin, SIGN_IN):
        last = begin + len(SIGN_IN)
        if last < end:
            point, size = decode(text, last)
            last += size if alphabet.flags[alphabet.classes[point]] & SPACE else 0
        return begin, last
    for i in range(begin, end - len(ITEMS_IN_CART) + 1 if lines.events[n] & CART else begin):
        if text[i] | 0x20 == ITEMS_IN_CART[0] and matches(text[:end], i, ITEMS_IN_CART):
            return _widen(text, begin, i, alphabet), i + len(ITEMS_IN_CART)
    return begin, begin


@inner_kernel
def _widen(text: np.ndarray, begin: int, i: int, alphabet: Alphabet) -> int:
    """One character of white space before byte i taken in."""
    if i > begin:
        last = i - 1
        while last > begin and text[last] & 0xC0 == 0x80:
            last -= 1
        point, _ = decode(text, last)
        if alphabet.flags[alphabet.classes[point]] & SPACE:
            return last
    return i


@inner_kernel
def is_removed(text: np.ndarray, lines: Lines, n: int, alphabet: Alphabet) -> bool:
    """Whether RefinedWeb takes line n out as a whole: capitals, counters, fewer than 2 words. Empty lines stay."""
    begin, end, length = lines.begins[n], lines.ends[n], lines.characters[n]
    if length == 0:
        return False
    if lines.uppers[n] > 0.5 * length:
        return True
    number = lines.words[n]
    return number < FEWEST_WORDS_LEFT or (number <= MOST_WORDS_OF_A_NOTICE and is_counter(text, begin, end, alphabet))


@inner_kernel
def is_counter(text: np.ndarray, begin: int, end: int, alphabet: Alphabet) -> bool:
    """Whether the line is a number and what it counts, such as "3.1K likes", with nothing but signs around."""
    i = _skip_signs(text, begin, end, alphabet)
    point, size = (0, 0) if i == end else decode(text, i)
    if i == end or not alphabet.flags[alphabet.classes[point]] & DECIMAL:
        return False
    while i < end:
        point, size = decode(text, i)
        if not (alphabet.flags[alphabet.classes[point]] & DECIMAL or point == DOT or point == ord(",")):
            break
        i += size
    if i < end and (text[i] | 0x20 == ord("k") or text[i] | 0x20 == ord("m") or text[i] | 0x20 == ord("b")):
        i += 1
    after = i
    while i < end:
        point, size = decode(text, i)
        if not alphabet.flags[alphabet.classes[point]] & SPACE:
            break
        i += size
    if i == after:
        return False
    first = 0
    for k in range(len(COUNTED)):
        if COUNTED[k] == ord(" "):
            if matches(text[:end], i, COUNTED[first:k]) and _skip_signs(text, i + k - first, end, alphabet) == end:
                return True
            first = k + 1
    return False


@inner_kernel
def _skip_signs(text: np.ndarray, i: int, end: int, alphabet: Alphabet) -> int:
    r"""The first character from byte i on that is of Python's \\w."""
    while i < end:
        point, size = decode(text, i)
        if alphabet.flags[alphabet.classes[point]] & (LETTER | UNSPACED):
            break
        i += size
    return i
