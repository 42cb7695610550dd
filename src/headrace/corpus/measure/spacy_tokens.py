"""spaCy's tokenizer in kernels: where the tokens of a chunk begin.

The tokens of a chunk, joined, are the chunk, so a mark at the first character of each says all. As in spaCy
(`tokenizer.pyx`), prefixes and suffixes are taken off until an exception or nothing to take off is left; this is an
exception, a URL or is cut at its infixes; and then exceptions are looked for among all tokens.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel
from headrace.corpus.measure.characters import decode, signed
from headrace.corpus.measure.page import hash_bytes
from headrace.corpus.measure.spacy_rules import (
    AFTER_BIT,
    BEFORE_BIT,
    BEFORE_FULL_STOP,
    BEGINS_INFIX,
    BEGINS_PREFIX,
    BODY_BIT,
    ENDS_MEASURE,
    ENDS_SUFFIX,
    FIRST_OF_OTHER_PAIR,
    FIRST_OF_PAIR,
    IS_DIGIT,
    IS_INFIX,
    IS_MEASURE,
    IS_PREFIX,
    IS_SUFFIX,
    MAY_CUT,
    MOST_KINDS,
    SECOND_OF_OTHER_PAIR,
    SECOND_OF_PAIR,
    UNLESS_DIGIT,
    Rules,
)
from headrace.corpus.measure.spacy_urls import DOT, UNKNOWN, YES, find_url

KINDS = (1 << MOST_KINDS) - 1
NO_EXCEPTION = -1

BREAKS_SPACY = "IS_ALPHA"
"""A text for which spaCy may raise an error; datatrove then leaves it out, and so do we."""

BREAKS = np.array([ord(character) for character in BREAKS_SPACY], np.int32)


class Desk(NamedTuple):
    """One chunk at a time, by its characters.

    Functions that are called often take the arrays they need: to hand on all of a tuple's takes longer than most do.
    """

    points: npt.NDArray[np.int32]
    flags: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]
    """Bytes before each character, and at last all."""
    cuts: npt.NDArray[np.bool_]
    """Whether a token begins at it."""
    firsts: npt.NDArray[np.int64]
    """Of each token, the first character."""
    is_taken: npt.NDArray[np.bool_]
    """Whether a token is part of an exception."""


def empty_desk(longest: int) -> Desk:
    """Room for chunks of so many bytes."""
    size = longest + 1
    return Desk(
        np.empty(size, np.int32),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.bool_),
        np.empty(size, np.int64),
        np.empty(size, np.bool_),
    )


@inner_kernel
def cut_chunk(chunk: np.ndarray, rules: Rules, desk: Desk) -> int:
    """Writes the first characters of the chunk's tokens; returns the tokens' number, 0 if only spaCy knows."""
    size, seen = _read(chunk, rules.classes, rules.flags, desk)
    if _breaks_spacy(desk.points, size):
        return 0
    if (
        not seen & MAY_CUT
        and _find_exception(chunk, desk.begins, signed(0), size, rules.exceptions, rules.longest) == NO_EXCEPTION
    ):
        desk.firsts[0], desk.firsts[1] = 0, size
        return 1
    begin, end, exception = _take_affixes(chunk, size, rules, desk)
    if exception != NO_EXCEPTION:
        _cut_at(rules.cuts[exception], begin, end, desk)
    elif _has_infixes(begin, end, rules.infixes, desk):
        is_url = find_url(desk.points, desk.flags, begin, end)
        if is_url == UNKNOWN:
            return 0
        if is_url != YES:
            _cut_infixes(begin, end, rules.infixes, desk)
    number = _list_tokens(size, desk)
    if _merge_phrases(chunk, number, rules, desk):
        number = _list_tokens(size, desk)
    return number


@inner_kernel
def _read(chunk: np.ndarray, classes: np.ndarray, flags: np.ndarray, desk: Desk) -> tuple[int, int]:
    """Writes the chunk's characters; returns their number, and the properties that any of them has."""
    i, n, seen = 0, 0, 0
    while i < len(chunk):
        point, size = decode(chunk, i)
        desk.points[n], desk.flags[n], desk.begins[n] = point, flags[classes[point]], i
        desk.cuts[n] = n == 0
        seen |= desk.flags[n]
        i += size
        n += 1
    desk.begins[n] = i
    return n, seen


@inner_kernel
def _breaks_spacy(points: np.ndarray, size: int) -> bool:
    for begin in range(size - len(BREAKS) + 1):
        if points[begin] == BREAKS[0] and _stands_at(BREAKS, begin, size, points):
            return True
    return False


@inner_kernel
def _stands_at(literal: np.ndarray, begin: int, end: int, points: np.ndarray) -> bool:
    """Whether the characters from `begin` on are those of the literal."""
    if end - begin < len(literal):
        return False
    n = 0
    while n < len(literal) and points[begin + n] == literal[n]:
        n += 1
    return n == len(literal)


@inner_kernel
def _take_affixes(chunk: np.ndarray, size: int, rules: Rules, desk: Desk) -> tuple[int, int, int]:
    """Cuts prefixes and suffixes off; returns what is left, and which exception it is."""
    begin, end = signed(0), size
    while begin < end:
        exception = _find_exception(chunk, desk.begins, begin, end, rules.exceptions, rules.longest)
        if exception != NO_EXCEPTION:
            return begin, end, exception
        prefix = _prefix_length(begin, end, rules.prefixes, desk.points, desk.flags)
        exception = (
            _find_exception(chunk, desk.begins, begin + prefix, end, rules.exceptions, rules.longest)
            if prefix
            else NO_EXCEPTION
        )
        if exception != NO_EXCEPTION:
            desk.cuts[begin + prefix] = True
            return begin + prefix, end, exception
        suffix = _suffix_length(begin + prefix, end, rules.suffixes, rules.measures, desk.points, desk.flags)
        exception = (
            _find_exception(chunk, desk.begins, begin, end - suffix, rules.exceptions, rules.longest)
            if suffix
            else NO_EXCEPTION
        )
        if exception != NO_EXCEPTION:
            desk.cuts[end - suffix] = True
            return begin, end - suffix, exception
        if prefix + suffix == 0:
            break
        begin, end = begin + prefix, end - suffix
        desk.cuts[begin] = True
        if suffix:
            desk.cuts[end] = True
    return begin, end, NO_EXCEPTION


@inner_kernel
def _find_exception(
    chunk: np.ndarray, begins: np.ndarray, begin: int, end: int, exceptions: np.ndarray, longest: np.ndarray
) -> int:
    """The slot of an exception, or NO_EXCEPTION."""
    if begin >= end or end - begin > longest[0]:
        return NO_EXCEPTION
    key, mask = hash_bytes(chunk[begins[begin] : begins[end]]), len(exceptions) - 1
    slot = np.int64(key & np.uint64(mask))
    while exceptions[slot] != np.uint64(0):
        if exceptions[slot] == key:
            return slot  # type: ignore[return-value]  # compiled code has no other integer
        slot = (slot + 1) & mask
    return NO_EXCEPTION


@inner_kernel
def _prefix_length(begin: int, end: int, prefixes: np.ndarray, points: np.ndarray, flags: np.ndarray) -> int:
    own = flags[begin]
    if points[begin] == DOT:
        dots = _count_dots(begin, end, points)
        return dots if dots > 1 else 0
    if own & BEGINS_PREFIX:
        for row in range(len(prefixes)):
            length = signed(prefixes[row, 0])
            if _stands_at(prefixes[row, 2 : 2 + length], begin, end, points):
                return length
    if own & UNLESS_DIGIT:
        return int(begin + 1 == end or not flags[begin + 1] & IS_DIGIT)
    return int(own & IS_PREFIX != 0)


@inner_kernel
def _count_dots(begin: int, end: int, points: np.ndarray) -> int:
    i = begin
    while i < end and points[i] == DOT:
        i += 1
    return i - begin


@inner_kernel
def _suffix_length(
    begin: int, end: int, suffixes: np.ndarray, measures: np.ndarray, points: np.ndarray, flags: np.ndarray
) -> int:
    """Of the longest suffix. What is before `begin` is not seen."""
    if begin >= end:
        return 0
    own = flags[end - 1]
    if points[end - 1] == DOT:
        return _stop_length(begin, end, points, flags)
    length = int(own & IS_SUFFIX != 0)
    if own & ENDS_SUFFIX:
        length = max(length, _longest_literal(suffixes, begin, end, points))
    if own & (IS_MEASURE | ENDS_MEASURE) and end - begin > 1:
        if own & IS_MEASURE and flags[end - 2] & IS_DIGIT:
            length = max(length, 1)
        length = max(length, _longest_measure(measures, begin, end, points, flags))
    return length


@inner_kernel
def _stop_length(begin: int, end: int, points: np.ndarray, flags: np.ndarray) -> int:
    """Of a suffix that ends with a full stop: several of them, or one behind certain characters."""
    i = end - 1
    while i > begin and points[i - 1] == DOT:
        i -= 1
    if end - i > 1:
        return end - i
    if i == begin:
        return 0
    last, earlier = flags[i - 1], flags[i - 2] if i - begin > 1 else np.int64(0)
    return int(
        (last & BEFORE_FULL_STOP != 0)
        or (last & SECOND_OF_PAIR != 0 and earlier & FIRST_OF_PAIR != 0)
        or (last & SECOND_OF_OTHER_PAIR != 0 and earlier & FIRST_OF_OTHER_PAIR != 0)
    )


@inner_kernel
def _longest_literal(literals: np.ndarray, begin: int, end: int, points: np.ndarray) -> int:
    longest = 0
    for row in range(len(literals)):
        length = literals[row, 0]
        fits = longest < length <= end - begin
        if fits and _stands_at(literals[row, 2 : 2 + length], end - length, end, points):
            longest = length
    return longest


@inner_kernel
def _longest_measure(literals: np.ndarray, begin: int, end: int, points: np.ndarray, flags: np.ndarray) -> int:
    """As `_longest_literal`, of those behind a digit."""
    longest, first = 0, max(begin + 1, end - literals.shape[1] + 2)
    for i in range(first, end - 1):
        if flags[i - 1] & IS_DIGIT and longest == 0:
            for row in range(len(literals)):
                if literals[row, 0] == end - i and _stands_at(literals[row, 2 : 2 + end - i], i, end, points):
                    longest = end - i
    return longest


@inner_kernel
def _infix_length(i: int, begin: int, end: int, infixes: np.ndarray, points: np.ndarray, flags: np.ndarray) -> int:
    """Of the infix at character i, 0 if there is none. What is outside is not seen."""
    own = flags[i]
    if points[i] == DOT:
        dots = _count_dots(i, end, points)
        if dots > 1:
            return dots
    if own & IS_INFIX:
        return 1
    if not own & (BEGINS_INFIX | KINDS << BODY_BIT) or i == begin or i + 1 == end:
        return 0
    before = flags[i - 1] >> BEFORE_BIT & KINDS
    if own >> BODY_BIT & before & flags[i + 1] >> AFTER_BIT:
        return 1
    if own & BEGINS_INFIX:
        for row in range(len(infixes)):
            length, kind = signed(infixes[row, 0]), infixes[row, 1]
            fits = before >> kind & 1 and i + length < end and flags[i + length] >> (AFTER_BIT + kind) & 1
            if fits and _stands_at(infixes[row, 2 : 2 + length], i, end, points):
                return length
    return 0


@inner_kernel
def _has_infixes(begin: int, end: int, infixes: np.ndarray, desk: Desk) -> bool:
    """Whether there is one behind the first character's; an infix at the beginning is left where it is."""
    i = begin + _infix_length(begin, begin, end, infixes, desk.points, desk.flags) if begin < end else end
    while i < end:
        if _infix_length(i, begin, end, infixes, desk.points, desk.flags):
            return True
        i += 1
    return False


@inner_kernel
def _cut_infixes(begin: int, end: int, infixes: np.ndarray, desk: Desk) -> None:
    i = begin
    while i < end:
        length = _infix_length(i, begin, end, infixes, desk.points, desk.flags)
        if length and i > begin:
            desk.cuts[i] = True
            if i + length < end:
                desk.cuts[i + length] = True
        i += max(length, 1)


@inner_kernel
def _cut_at(bits: int, begin: int, end: int, desk: Desk) -> None:
    """Cuts, inside a part, where the bits of an exception say, and nowhere else."""
    for i in range(begin + 1, end):
        desk.cuts[i] = bits >> (i - begin) & 1


@inner_kernel
def _list_tokens(size: int, desk: Desk) -> int:
    number = 0
    for i in range(size):
        desk.firsts[number] = i
        number += desk.cuts[i]
    desk.firsts[number] = size
    return number


@inner_kernel
def _merge_phrases(chunk: np.ndarray, number: int, rules: Rules, desk: Desk) -> bool:
    """Puts exceptions in the place of the tokens that they would be cut into: the longest first, then the earliest.

    One that overlaps with another at its ends is passed over, and still keeps the next ones from its place.
    """
    merged = False
    desk.is_taken[:number] = False
    for length in range(min(rules.longest[1], number), rules.longest[2] - 1, -1):
        for n in range(number - length + 1):
            begin, end = desk.firsts[n], desk.firsts[n + length]
            slot = _find_exception(chunk, desk.begins, begin, end, rules.exceptions, rules.longest)
            if slot == NO_EXCEPTION or rules.phrases[slot] != _bits_of(n, length, desk):
                continue
            if not desk.is_taken[n] and not desk.is_taken[n + length - 1]:
                _cut_at(rules.cuts[slot], begin, end, desk)
                merged = True
            desk.is_taken[n : n + length] = True
    return merged


@inner_kernel
def _bits_of(first: int, number: int, desk: Desk) -> int:
    """A bit for every character at which one of so many tokens begins."""
    bits = 0
    for n in range(first, first + number):
        bits |= 1 << (desk.firsts[n] - desk.firsts[first])
    return bits
