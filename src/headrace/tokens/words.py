"""Kernels that cut text into words as the expressions of `headrace.tokens.patterns` do.

Each function follows its expression alternative by alternative, for text that is valid UTF-8. A word never spans two
pieces; pieces are whole texts, or what lies between cut-out digits.
"""

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import inner_kernel
from headrace.tokens.code_point_classes import LOWER, MARK, NOTHING, NUMBER, OTHER, SPACE, UNCASED, UPPER
from headrace.tokens.patterns import Digits, PatternName

Bytes = NDArray[np.uint8]

GPT2, CL100K, O200K = range(3)
WHOLE_RUN = 1 << 60
LETTERS = 1 << UPPER | 1 << LOWER | 1 << UNCASED
SIGNS = 1 << OTHER | 1 << MARK
LIKE_UPPER = 1 << UPPER | 1 << UNCASED | 1 << MARK
LIKE_LOWER = 1 << LOWER | 1 << UNCASED | 1 << MARK
LINE_FEED, RETURN, BLANK, APOSTROPHE, SLASH = 10, 13, 32, 39, 47
S, T, M, D, L, R, V, E = map(ord, "stmdlrve")
LONG_S = (0xC5, 0xBF)  # U+017F, which is an s when case does not count


def cutting(pattern: PatternName, digits: Digits) -> tuple[int, int, int]:
    """What the kernels are told: the pattern, digits cut out at a time (0: none), digits of a word at most."""
    if pattern == "gpt2":
        return GPT2, {"as_is": 0, "single": 1, "groups_of_3": 3}[digits], WHOLE_RUN
    return {"cl100k": CL100K, "o200k": O200K}[pattern], 0, 1 if digits == "single" else 3


@inner_kernel
def piece_end(data: np.ndarray, at: int, end: int, classes: np.ndarray, cut_digits: int) -> int:
    """Where the piece that begins at `at` ends."""
    if cut_digits == 0:
        return end
    kind, after = _sign(data, at, end, classes)
    if kind == NUMBER:
        return _numbers_end(data, at, end, classes, cut_digits)
    while kind != NUMBER:
        at = after
        if at >= end:
            return end
        kind, after = _sign(data, at, end, classes)
    return at


@inner_kernel
def word_end(data: np.ndarray, at: int, end: int, classes: np.ndarray, cutting: tuple[int, int, int]) -> int:
    """Where the word that begins at `at` ends, in a piece that ends at `end`."""
    pattern, _, most_digits = cutting
    if pattern == GPT2:
        return _gpt2_end(data, at, end, classes)
    if pattern == CL100K:
        return _cl100k_end(data, at, end, classes, most_digits)
    return _o200k_end(data, at, end, classes, most_digits)


@inner_kernel
def _sign(data: np.ndarray, at: int, end: int, classes: np.ndarray) -> tuple[int, int]:
    """The class of the sign at `at`, and where the next begins."""
    if at >= end:
        return NOTHING, end
    point, size = int(data[at]), 1
    if point >= 0xF0:
        point = (point & 0x07) << 18 | _low(data, at + 1) << 12 | _low(data, at + 2) << 6 | _low(data, at + 3)
        size = 4
    elif point >= 0xE0:
        point, size = (point & 0x0F) << 12 | _low(data, at + 1) << 6 | _low(data, at + 2), 3
    elif point >= 0x80:
        point, size = (point & 0x1F) << 6 | _low(data, at + 1), 2
    return int(classes[point]), at + size


@inner_kernel
def _low(data: np.ndarray, at: int) -> int:
    """The six bits that a byte inside a sign holds."""
    return int(data[at]) & 0x3F


@inner_kernel
def _is_in(kinds: int, kind: int) -> bool:
    return (kinds >> kind) & 1 != 0


@inner_kernel
def _letters_end(data: np.ndarray, at: int, end: int, classes: np.ndarray) -> int:
    kind, after = _sign(data, at, end, classes)
    while _is_in(LETTERS, kind):
        at = after
        kind, after = _sign(data, at, end, classes)
    return at


@inner_kernel
def _numbers_end(data: np.ndarray, at: int, end: int, classes: np.ndarray, most: int) -> int:
    kind, after = _sign(data, at, end, classes)
    count = 0
    while kind == NUMBER and count < most:
        at = after
        count += 1
        kind, after = _sign(data, at, end, classes)
    return at


@inner_kernel
def _others_end(data: np.ndarray, at: int, end: int, classes: np.ndarray) -> int:
    """The end of a run of what is neither letter, number nor white space."""
    kind, after = _sign(data, at, end, classes)
    while _is_in(SIGNS, kind):
        at = after
        kind, after = _sign(data, at, end, classes)
    return at


@inner_kernel
def _spaces_end(data: np.ndarray, at: int, end: int, classes: np.ndarray, newlines: bool) -> int:
    r"""The end of `\s*[\r\n]+|\s+(?!\S)|\s+`, without the first alternative unless `newlines` count."""
    kind, after = _sign(data, at, end, classes)
    last = begin = at
    line_end = -1
    while kind == SPACE:
        if newlines and (data[at] == LINE_FEED or data[at] == RETURN):
            line_end = after
        last, at = at, after
        kind, after = _sign(data, at, end, classes)
    if line_end >= 0:
        return line_end
    return at if at >= end or last == begin else last


@inner_kernel
def _contraction_end(data: np.ndarray, at: int, end: int, fold: bool) -> int:
    """The end of 's 't 're 've 'm 'll 'd if one begins at `at`, else `at`; in any case of letters with `fold`."""
    if at + 1 >= end or data[at] != APOSTROPHE:
        return at
    bit = 32 if fold else 0
    first = data[at + 1] | bit
    if first == S or first == T or first == M or first == D:  # noqa: SIM109  # kernels compare numbers, not tuples
        return at + 2
    if at + 2 >= end:
        return at
    if fold and data[at + 1] == LONG_S[0] and data[at + 2] == LONG_S[1]:
        return at + 3
    second = data[at + 2] | bit
    if (first == L and second == L) or (second == E and (first == R or first == V)):  # noqa: SIM109
        return at + 3
    return at


@inner_kernel
def _gpt2_end(data: np.ndarray, at: int, end: int, classes: np.ndarray) -> int:
    stop = _contraction_end(data, at, end, False)
    if stop > at:
        return stop
    start = at + 1 if data[at] == BLANK else at
    kind, _ = _sign(data, start, end, classes)
    if _is_in(LETTERS, kind):
        return _letters_end(data, start, end, classes)
    if kind == NUMBER:
        return _numbers_end(data, start, end, classes, WHOLE_RUN)
    if _is_in(SIGNS, kind):
        return _others_end(data, start, end, classes)
    return _spaces_end(data, at, end, classes, False)


@inner_kernel
def _cl100k_end(data: np.ndarray, at: int, end: int, classes: np.ndarray, most_digits: int) -> int:
    stop = _contraction_end(data, at, end, True)
    if stop > at:
        return stop
    kind, after = _sign(data, at, end, classes)
    if _is_in(LETTERS, kind):
        return _letters_end(data, at, end, classes)
    if kind == NUMBER:
        return _numbers_end(data, at, end, classes, most_digits)
    if data[at] != LINE_FEED and data[at] != RETURN:
        stop = _letters_end(data, after, end, classes)
        if stop > after:
            return stop
    return _rest_end(data, at, end, classes, False)


@inner_kernel
def _rest_end(data: np.ndarray, at: int, end: int, classes: np.ndarray, slashes: bool) -> int:
    """What `cl100k` and `o200k` make of signs and white space; slashes may follow as line ends do with `slashes`."""
    start = at + 1 if data[at] == BLANK else at
    stop = _others_end(data, start, end, classes)
    if stop == start:
        return _spaces_end(data, at, end, classes, True)
    while stop < end and (data[stop] == LINE_FEED or data[stop] == RETURN or (slashes and data[stop] == SLASH)):
        stop += 1
    return stop


@inner_kernel
def _o200k_end(data: np.ndarray, at: int, end: int, classes: np.ndarray, most_digits: int) -> int:
    kind, after = _sign(data, at, end, classes)
    if kind == NUMBER:
        return _numbers_end(data, at, end, classes, most_digits)
    if _is_in(LETTERS, kind) or data[at] == LINE_FEED or data[at] == RETURN:
        after = at
    # A sign may stand before a word. Words with lower case are looked for first, with that sign and without.
    for start in (after, at):
        stop = _lower_end(data, start, end, classes)
        if stop > start:
            return _contraction_end(data, stop, end, True)
    for start in (after, at):
        stop = _upper_end(data, start, end, classes)
        if stop > start:
            return _contraction_end(data, stop, end, True)
    return _rest_end(data, at, end, classes, True)


@inner_kernel
def _lower_end(data: np.ndarray, at: int, end: int, classes: np.ndarray) -> int:
    """The end of upper case, if any, then lower case; `at` if there is no lower case.

    Letters without case and marks are both: the upper part takes them first and gives back only what it must.
    """
    given_back = at
    kind, after = _sign(data, at, end, classes)
    while _is_in(LIKE_UPPER, kind):
        if kind != UPPER:
            given_back = after
        at = after
        kind, after = _sign(data, at, end, classes)
    if kind != LOWER:
        return given_back
    while _is_in(LIKE_LOWER, kind):
        at = after
        kind, after = _sign(data, at, end, classes)
    return at


@inner_kernel
def _upper_end(data: np.ndarray, at: int, end: int, classes: np.ndarray) -> int:
    """The end of upper case that no lower case follows; `at` if there is none."""
    kind, after = _sign(data, at, end, classes)
    while _is_in(LIKE_UPPER, kind):
        at = after
        kind, after = _sign(data, at, end, classes)
    return at
