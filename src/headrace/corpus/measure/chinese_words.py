"""jieba's words, found by kernels: the most probable way through its dictionary, and Viterbi's through its model.

Source: jieba 0.42 (Sun Junyi), and its Rust port jieba-rs 0.11, whose words these are: other than the original's, they
may hold Han characters outside the basic block, and "a.b", "a_b" and "a-b" are one word.
Three to four times as fast as that port, half of it for the way through the dictionary. Fetching the prefixes of a
block ahead of time made it no faster: what costs is branches that cannot be foreseen, not memory.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import lean_kernel
from headrace.corpus.measure.characters import decode, signed
from headrace.corpus.measure.chinese_model import (
    BEGIN,
    CHARACTERS,
    CODE,
    CODE_BITS,
    END,
    FIRST_HAN,
    JOINS,
    KEY_SHIFT,
    LAST_HAN,
    MIDDLE,
    MORE,
    MULTIPLIER,
    SINGLE,
    SLOTS_BITS,
    START,
    UNKNOWN,
    WEIGHT,
    ChineseModel,
    load_chinese_model,
)

NUM_SLOTS = 1 << SLOTS_BITS
MASK, HASH_SHIFT, FACTOR = np.uint64(NUM_SLOTS - 1), np.uint64(64 - SLOTS_BITS), np.uint64(MULTIPLIER)
ABOVE_KEY, ABOVE_CODE, ONE, NOTHING = np.uint64(KEY_SHIFT), np.uint64(CODE_BITS), np.uint64(1), np.uint64(0)
IS_MORE, WEIGHT_MASK = np.uint64(MORE), np.uint64(WEIGHT)
CARRIAGE_RETURN, LINE_FEED, DOT, UNDERSCORE, HYPHEN, PERCENT = map(ord, "\r\n._-%")


class Segmenter(NamedTuple):
    """The model, and arrays for one block: a run of characters in which words are sought. They are used again for the
    next."""

    model: ChineseModel
    points: npt.NDArray[np.int32]
    codes: npt.NDArray[np.uint16]
    """The characters' numbers in the dictionary."""
    sums: npt.NDArray[np.float64]
    """Highest log-probability of what begins at each character, and 0 at the end."""
    steps: npt.NDArray[np.int32]
    """Characters of the word that begins at a character; what it says of others is never asked."""


def make_segmenter(capacity: int) -> Segmenter:
    """For blocks of at most so many characters. Memory that is not written to is never taken from the system."""
    return Segmenter(
        load_chinese_model(),
        np.empty(capacity, np.int32),
        np.empty(capacity, np.uint16),
        np.empty(capacity + 1, np.float64),
        np.empty(capacity, np.int32),
    )


@lean_kernel
def cut_texts(
    data: np.ndarray,
    offsets: np.ndarray,
    rows: np.ndarray,
    segmenter: Segmenter,
    numbers: np.ndarray,
    lengths: np.ndarray,
) -> int:
    """Writes the lengths in characters of the words of some texts, one after the other; returns how many there are.

    numbers: (N,) how many of them are each text's. White space is cut into words too.
    """
    n = signed(0)  # numba would compile everything below once more for a 0 that it knows
    for row in rows:
        first = n
        n = cut_text(data[offsets[row] : offsets[row + 1]], segmenter, lengths, n)
        numbers[row] = n - first
    return n


@lean_kernel
def cut_text(text: np.ndarray, segmenter: Segmenter, lengths: np.ndarray, n: int) -> int:
    """Writes the lengths of the words of a text from position n on; returns the position after the last."""
    i = signed(0)
    while i < len(text):
        i, size, point = read_block(text, i, segmenter)
        cut_block(size, segmenter)
        begin = 0
        while begin < size:
            lengths[n] = segmenter.steps[begin]
            begin += segmenter.steps[begin]
            n += 1
        if point >= 0:
            is_pair = point == CARRIAGE_RETURN and i < len(text) and text[i] == LINE_FEED
            lengths[n] = 1 + is_pair
            i += is_pair
            n += 1
    return n


@lean_kernel
def read_block(text: np.ndarray, i: int, segmenter: Segmenter) -> tuple[int, int, int]:
    """Reads characters up to the first that joins no block: where to go on, how many before it, and it (-1: none)."""
    characters, size = segmenter.model.characters, 0
    while i < len(text):
        point, width = decode(text, i)
        kind = signed(characters[point]) if point < CHARACTERS else 0
        i += width
        if not kind & JOINS:
            return i, size, point
        segmenter.points[size], segmenter.codes[size] = point, kind & CODE
        size += 1
    return i, size, -1


@lean_kernel
def cut_block(size: int, segmenter: Segmenter) -> None:
    """Fills `steps`; single characters in a row are joined to words by the Markov model."""
    find_route(size, segmenter)
    begin = i = signed(0)
    while i < size:
        step = segmenter.steps[i]
        if step > 1:
            cut_run(begin, i, segmenter)
            begin = i + step
        i += step
    cut_run(begin, size, segmenter)


@lean_kernel
def find_prefix(prefixes: np.ndarray, place: np.uint64, code: int) -> np.uint64:
    """The slot of a prefix of which one less is at a place, or a free slot."""
    key = place << ABOVE_CODE | np.uint64(code)
    slot = (key * FACTOR) >> HASH_SHIFT
    while prefixes[slot] != NOTHING and prefixes[slot] >> ABOVE_KEY != key:
        slot = (slot + ONE) & MASK
    return slot


@lean_kernel
def find_route(size: int, segmenter: Segmenter) -> None:
    """Fills `sums` and `steps`; of ways that are equally probable, that with the longer first word is taken."""
    codes, sums, steps = segmenter.codes, segmenter.sums, segmenter.steps
    prefixes, weights = segmenter.model.prefixes, segmenter.model.weights
    sums[size] = 0.0
    for i in range(size - 1, -1, -1):
        place = np.uint64(NUM_SLOTS + signed(codes[i]))
        known = prefixes[place]
        best, step, j = -np.inf, 1, i + 1
        while True:
            value = weights[known & WEIGHT_MASK] + sums[j]
            if value >= best:
                best, step = value, j - i
            if j == size or known & IS_MORE == NOTHING:
                break
            place = find_prefix(prefixes, place, codes[j])
            known = prefixes[place]
            if known == NOTHING:
                break
            j += 1
        if best == -np.inf:
            best, step = weights[UNKNOWN] + sums[i + 1], 1
        sums[i], steps[i] = best, step


@lean_kernel
def is_word(begin: int, end: int, prefixes: np.ndarray, codes: np.ndarray) -> bool:
    """Whether the dictionary has these characters as a word."""
    place = np.uint64(NUM_SLOTS + signed(codes[begin]))
    for j in range(begin + 1, end):
        if prefixes[place] & IS_MORE == NOTHING:
            return False
        place = find_prefix(prefixes, place, codes[j])
    return bool(prefixes[place] & WEIGHT_MASK != NOTHING)


@lean_kernel
def cut_run(begin: int, end: int, segmenter: Segmenter) -> None:
    """Finds the words of characters that the route takes one by one: themselves, if together they are a word."""
    points = segmenter.points
    if end - begin < 2 or is_word(begin, end, segmenter.model.prefixes, segmenter.codes):
        return
    while begin < end:
        is_han, i = FIRST_HAN <= points[begin] <= LAST_HAN, begin + 1
        while i < end and (FIRST_HAN <= points[i] <= LAST_HAN) == is_han:
            i += 1
        if is_han:
            cut_han(begin, i, segmenter)
        else:
            cut_others(begin, i, points, segmenter.steps)
        begin = i


@lean_kernel
def cut_others(begin: int, end: int, points: np.ndarray, steps: np.ndarray) -> None:
    """Finds names and numbers ("a.b", "3.5%"); each run of what is between them is one word."""
    while begin < end:
        i = begin
        while i < end and not is_alphanumeric(points[i]):
            i += 1
        if i == begin:
            while i < end and is_alphanumeric(points[i]):
                i += 1
                joins = i + 1 < end and (points[i] == DOT or points[i] == UNDERSCORE or points[i] == HYPHEN)
                if joins and is_alphanumeric(points[i + 1]):
                    i += 1
            if i < end and points[i] == PERCENT:
                i += 1
        steps[begin] = i - begin
        begin = i


@lean_kernel
def is_alphanumeric(point: int) -> bool:
    """Whether it is an ASCII letter or digit."""
    return 48 <= point <= 57 or 65 <= point <= 90 or 97 <= point <= 122


@lean_kernel
def cut_han(begin: int, end: int, segmenter: Segmenter) -> None:
    """Finds the words that the most probable states make: one ends where the state is END or SINGLE, the odd ones."""
    state = find_states(begin, end, segmenter)
    end_of_word = end
    for i in range(end - 1, begin - 1, -1):
        origins = segmenter.steps[i]
        end_of_word = i + 1 if state & 1 else end_of_word
        segmenter.steps[i] = end_of_word - i
        earlier = END if state in (BEGIN, SINGLE) else BEGIN
        state = earlier + 2 * (origins >> state & 1)


@lean_kernel
def find_states(begin: int, end: int, segmenter: Segmenter) -> int:
    """Writes the origin of each state, a bit each, to `steps`; returns the last state."""
    points, change, emission = segmenter.points, segmenter.model.changes, segmenter.model.emissions
    row = emission[points[begin] - FIRST_HAN]
    b, e = change[START, BEGIN] + row[BEGIN], change[START, END] + row[END]
    m, s = change[START, MIDDLE] + row[MIDDLE], change[START, SINGLE] + row[SINGLE]
    for i in range(begin + 1, end):
        row = emission[points[i] - FIRST_HAN]
        to_b, b_bit = later(e + change[END, BEGIN] + row[BEGIN], s + change[SINGLE, BEGIN] + row[BEGIN])
        to_e, e_bit = later(b + change[BEGIN, END] + row[END], m + change[MIDDLE, END] + row[END])
        to_m, m_bit = later(b + change[BEGIN, MIDDLE] + row[MIDDLE], m + change[MIDDLE, MIDDLE] + row[MIDDLE])
        to_s, s_bit = later(e + change[END, SINGLE] + row[SINGLE], s + change[SINGLE, SINGLE] + row[SINGLE])
        segmenter.steps[i] = b_bit << BEGIN | e_bit << END | m_bit << MIDDLE | s_bit << SINGLE
        b, e, m, s = to_b, to_e, to_m, to_s
    return END if e > s else SINGLE


@lean_kernel
def later(first: float, second: float) -> tuple[float, int]:
    """The larger value, and whether it is the second: of equal ones jieba takes the state that is later in its list."""
    is_second = signed(first <= second)
    return (second if is_second else first), is_second
