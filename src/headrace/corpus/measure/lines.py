"""One pass over the bytes of a text: its lines, and everything that is counted by single characters."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel
from headrace.corpus.measure.bits import first_one, marked_at
from headrace.corpus.measure.characters import CONTINUES, DECIMAL, IS_BREAK, NUM_LANES, Alphabet, decode, signed
from headrace.corpus.measure.page import EVENT, ONE, PAD, Page, hash_part, strip_part, sum_part

LOREM_IPSUM, JAVASCRIPT, POLICY, CURLY, BRACKET, CART = (1 << bit for bit in range(6))
"""What a line may hold that rules ask for."""

IS_EVENT, ENDS_LINE = np.uint8(EVENT), np.uint8(IS_BREAK)
NEWLINE, RETURN, DOT, OPEN_BRACKET, OPEN_CURLY, CLOSE_BRACKET = map(ord, "\n\r.[{]")


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8).copy()


EDIT, CITATION_NEEDED, ITEMS_IN_CART = map(_bytes, ("edit]", "citation needed]", "items in cart"))

SOUGHT = (
    ("javascript", "j", JAVASCRIPT),
    ("lorem ipsum", "p", LOREM_IPSUM),
    ("privacy policy", "v", POLICY),
    ("terms of use", "f", POLICY),
    ("items in cart", "c", CART),
    ("cookie policy", "k", POLICY),
    ("uses cookies", "k", POLICY),
    ("use of cookies", "k", POLICY),
    ("use cookies", "k", POLICY),
)
"""What it is known by: a letter that is rare, at least with the letters around it that `page.py` asks for."""

SOUGHT_BYTES = _bytes("".join(phrase for phrase, _, _ in SOUGHT))
SOUGHT_ENDS = np.cumsum([0] + [len(phrase) for phrase, _, _ in SOUGHT])
SOUGHT_LETTERS = _bytes("".join(letter for _, letter, _ in SOUGHT))
SOUGHT_SHIFTS = np.array([phrase.index(letter) for phrase, letter, _ in SOUGHT])
SOUGHT_EVENTS = np.array([event for _, _, event in SOUGHT])


class Lines(NamedTuple):
    """The lines of one text as `str.splitlines` finds them, in arrays that are used again for the next."""

    begins: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    """Without the line break."""
    nexts: npt.NDArray[np.int32]
    """With it."""
    firsts: npt.NDArray[np.int32]
    """The line without white space at its ends (see `page.strip_part`)."""
    lasts: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    """Words between white space."""
    characters: npt.NDArray[np.int32]
    uppers: npt.NDArray[np.int32]
    """Upper-case characters."""
    hashes: npt.NDArray[np.uint64]
    events: npt.NDArray[np.uint8]
    """The bits above; CART is always set by `split_at_newlines`, which sets no other."""


def empty_lines(capacity: int) -> Lines:
    """Room for so many lines."""
    begins, ends, nexts, firsts, lasts, words, characters, uppers = np.empty((8, capacity), np.int32)
    hashes, events = np.empty(capacity, np.uint64), np.empty(capacity, np.uint8)
    return Lines(begins, ends, nexts, firsts, lasts, words, characters, uppers, hashes, events)


@inner_kernel
def read_lines(text: np.ndarray, page: Page, lines: Lines, counts: np.ndarray) -> tuple[int, bool]:
    """Fills `lines` with those of the text, which is on the page.

    counts: int64; to it are added, behind the characters, "..." and the first four kinds of events.
    Returns the number of lines, and whether every line break is a single newline character.
    """
    begin, n, is_plain, events = 0, 0, True, 0
    dots, last_dot = 0, -2
    for base in range(0, len(text), 64):
        found = marked_at(page.marks, np.uint64(base + PAD), IS_EVENT)
        while found:
            i = base + signed(first_one(found))
            found &= found - ONE
            if i < begin or i >= len(text):
                continue
            if page.kinds[i + PAD] & IS_BREAK:
                after = _after_break(text, page, i)
                is_plain &= text[i] == NEWLINE
                _write_line(page, lines, n, (begin, i, after))
                lines.events[n] = events
                begin, n, events = after, n + 1, 0
            elif text[i] == DOT:  # at least the second in a row
                dots = dots + 1 if last_dot == i - 1 else 2
                last_dot = i
                counts[NUM_LANES + 1] += dots == 3
                dots = 0 if dots == 3 else dots
            else:
                events |= _count_event(text, i, counts)
    if begin < len(text):
        _write_line(page, lines, n, (begin, len(text), len(text)))
        lines.events[n] = events
        n += 1
    return n, is_plain


@inner_kernel
def _after_break(text: np.ndarray, page: Page, i: int) -> int:
    """Where the line break ends that begins at byte i."""
    after = i + 1
    while page.kinds[after + PAD] & CONTINUES:
        after += 1
    return after + (text[i] == RETURN and after < len(text) and text[after] == NEWLINE)


@inner_kernel
def _write_line(page: Page, lines: Lines, n: int, part: tuple[int, int, int]) -> None:
    begin, end, after = part
    lines.begins[n], lines.ends[n], lines.nexts[n] = begin, end, after
    lines.firsts[n], lines.lasts[n] = strip_part(page, begin, end)
    lines.words[n], lines.characters[n], lines.uppers[n] = sum_part(page, begin, end)
    lines.hashes[n] = hash_part(page, begin, end)


@inner_kernel
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


@inner_kernel
def event_at(text: np.ndarray, i: int) -> int:
    """What rules ask for, if the rare letter in it (j, k, v, p, f, c) or the bracket is at byte i; 0 if nothing is."""
    byte = text[i]
    if byte == OPEN_CURLY:
        return CURLY
    if byte == OPEN_BRACKET:
        return BRACKET
    for k in range(len(SOUGHT_LETTERS)):
        if byte | 0x20 == SOUGHT_LETTERS[k]:
            phrase = SOUGHT_BYTES[SOUGHT_ENDS[k] : SOUGHT_ENDS[k + 1]]
            if matches(text, i - SOUGHT_SHIFTS[k], phrase):
                return signed(SOUGHT_EVENTS[k])
    return 0


@inner_kernel
def matches(text: np.ndarray, begin: int, pattern: np.ndarray) -> bool:
    """Whether the pattern, of small letters and other characters, stands at the byte, letters in either case."""
    if begin < 0 or begin + len(pattern) > len(text):
        return False
    for k in range(len(pattern)):
        byte, wanted = text[begin + k], pattern[k]
        if byte != wanted and not (ord("a") <= wanted <= ord("z") and byte | 0x20 == wanted):
            return False
    return True


@inner_kernel
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


@inner_kernel
def split_at_newlines(text: np.ndarray, page: Page, lines: Lines) -> int:
    """Fills `lines` with what newline characters alone separate; returns their number."""
    begin = n = 0
    while begin < len(text):
        end = begin
        while end < len(text) and text[end] != NEWLINE:
            end += 1
        _write_line(page, lines, n, (begin, end, min(end + 1, len(text))))
        lines.events[n] = CART
        begin = end + 1
        n += 1
    return n


@inner_kernel
def _reads(text: np.ndarray, begin: int, end: int, pattern: np.ndarray) -> bool:
    if begin + len(pattern) > end:
        return False
    k = 0
    while k < len(pattern) and text[begin + k] == pattern[k]:
        k += 1
    return k == len(pattern)
