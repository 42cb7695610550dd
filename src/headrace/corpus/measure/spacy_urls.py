"""What spaCy takes for a URL, in kernels: its expression (`spacy.lang.tokenizer_exceptions.URL_PATTERN`) by hand.

    (SCHEME{2,}://)? (.+(:.*)?@)? (ADDRESS | HOST) (:NUMERAL{2,5})? ([/?#].*)?

Chunks have no white space, and so `.` stands for its `\\S`. Where a part could end is never in doubt, because what may
follow it is not in it; only where the host begins is: at the beginning, behind the scheme, behind any "@".
"""

import numpy as np

from headrace.corpus.kernel import inner_kernel
from headrace.corpus.measure.spacy_rules import IN_HOST, IN_SCHEME, IN_TOP_DOMAIN, IS_NUMERAL

NO, YES, UNKNOWN = range(3)
"""UNKNOWN: an address with digits that are not ASCII, which no text has in earnest."""

AT, COLON, SLASH, DOT, ZERO, NINE = (ord(sign) for sign in "@:/.09")
QUESTION, NUMBER_SIGN, HYPHEN, UNDERSCORE = (ord(sign) for sign in "?#-_")
SHORTEST_SCHEME, LONGEST_LABEL = 2, 64
SHORTEST_TOP, LONGEST_TOP = 2, 63
SHORTEST_PORT, LONGEST_PORT = 2, 5


@inner_kernel
def find_url(points: np.ndarray, flags: np.ndarray, begin: int, end: int) -> int:
    """Whether the characters are a URL: NO, YES or UNKNOWN. points: code points; flags: of `spacy_rules.Rules`."""
    found = _find_host(points, flags, begin, end)
    after = begin
    while after < end and flags[after] & IN_SCHEME:
        after += 1
    is_scheme = after - begin >= SHORTEST_SCHEME and after + 3 < end and points[after] == COLON
    if is_scheme and points[after + 1] == SLASH and points[after + 2] == SLASH:
        here = _find_host(points, flags, after + 3, end)
        found = YES if here == YES else max(found, here) if found != YES else found
    i = begin + 1
    while i < end and found != YES:
        if points[i] == AT:
            here = _find_host(points, flags, i + 1, end)
            found = YES if here == YES else max(found, here)
        i += 1
    return found


@inner_kernel
def _find_host(points: np.ndarray, flags: np.ndarray, begin: int, end: int) -> int:
    """Whether a host and all that may follow it is there."""
    if begin >= end or not flags[begin] & IN_HOST:
        return NO
    if _is_named(points, flags, begin, end):
        return YES
    return _find_address(points, flags, begin, end)


@inner_kernel
def _is_named(points: np.ndarray, flags: np.ndarray, begin: int, end: int) -> bool:
    """Labels, each with a full stop behind it, and a top domain."""
    label = begin
    for i in range(begin, end):
        if points[i] == DOT:
            if i == label or i - label > LONGEST_LABEL or not flags[label] & flags[i - 1] & IN_HOST:
                return False
            label = top = i + 1
            while top < end and flags[top] & IN_TOP_DOMAIN:
                top += 1
            if SHORTEST_TOP <= top - label <= LONGEST_TOP and _may_end(points, flags, top, end):
                return True
        elif not (flags[i] & IN_HOST or points[i] == HYPHEN or points[i] == UNDERSCORE):
            return False
    return False


@inner_kernel
def _may_end(points: np.ndarray, flags: np.ndarray, i: int, end: int) -> bool:
    """Whether a port, a path, or both, or nothing is left."""
    if i < end and points[i] == COLON:
        first = i + 1
        i = first
        while i < end and flags[i] & IS_NUMERAL:
            i += 1
        if not SHORTEST_PORT <= i - first <= LONGEST_PORT:
            return False
    return i == end or points[i] == SLASH or points[i] == QUESTION or points[i] == NUMBER_SIGN


@inner_kernel
def _find_address(points: np.ndarray, flags: np.ndarray, begin: int, end: int) -> int:
    """Whether four numbers are there that are the address of a public host."""
    i, first, second = begin, 0, 0
    is_address = is_known = True
    for n in range(4):
        digits = value = 0
        leading = i
        while i < end and flags[i] & IS_NUMERAL and digits < 4:
            is_known &= ZERO <= points[i] <= NINE
            value = 10 * value + points[i] - ZERO
            digits += 1
            i += 1
        if digits == 0 or digits > 3 or (n < 3 and (i == end or points[i] != DOT)):
            return NO
        has_zero = points[leading] == ZERO
        if n == 0:
            first, is_address = value, value <= 223 and not has_zero
        elif n < 3:
            is_address &= digits < 3 or (value <= 255 and not has_zero)
        else:
            is_address &= value <= 254 and not has_zero
        second = value if n == 1 else second
        i += n < 3
    if not is_known:
        return UNKNOWN
    is_private = (
        first == 10
        or first == 127
        or (first == 169 and second == 254)
        or (first == 192 and second == 168)
        or (first == 172 and 16 <= second <= 31)
    )
    return YES * (is_address and not is_private and _may_end(points, flags, i, end))
