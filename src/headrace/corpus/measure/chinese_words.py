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
IS_MORE, WEIGHT_MASK, MORE_SHIFT = np.uint64(MORE), np.uint64(WEIGHT), np.uint64(MORE.bit_length() - 1)
TWO, THREE, FOUR = np.uint64(2), np.uint64(3), np.uint64(4)
SHORT = 4
"""Words of up to so many characters are looked up for a whole text at once; longer ones are rare."""
LONGEST_TAKEN = np.array([1, 2, 3, 3, 4, 4, 4, 4], np.int32)
""""Bits, whether 2, 3, 4 characters were better than fewer -> the most that were."""
CARRIAGE_RETURN, LINE_FEED, DOT, UNDERSCORE, HYPHEN, PERCENT = map(ord, "\r\n._-%")


class Segmenter(NamedTuple):
    """The model, and arrays for the characters of one text, which are used again for the next."""

    model: ChineseModel
    points: npt.NDArray[np.int32]
    """Code points; of characters that no other joins the complement, which is negative."""
    codes: npt.NDArray[np.uint16]
    """The characters' numbers in the dictionary; 0 for what it does not know."""
    places: npt.NDArray[np.int32]
    slots: npt.NDArray[np.uint32]
    """Where prefixes begin that a longer word may have, and the slots of these."""
    routes: npt.NDArray[np.float64]
    """(N, SHORT) log-probability of the words of 1 to SHORT characters that begin at each."""
    sums: npt.NDArray[np.float64]
    """Highest log-probability of what begins at each character up to the next that none joins, where it is 0."""
    steps: npt.NDArray[np.int32]
    """Characters of the word that begins at a character; what it says of others is never asked."""


def make_segmenter(capacity: int) -> Segmenter:
    """For texts of at most so many characters. Memory that is not written to is never taken from the system."""
    return Segmenter(
        load_chinese_model(),
        np.empty(capacity, np.int32),
        np.empty(capacity + SHORT, np.uint16),
        np.empty(capacity + 1, np.int32),
        np.empty(capacity + 1, np.uint32),
        np.empty((capacity, SHORT), np.float64),
        np.zeros(capacity + SHORT, np.float64),
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
    size, points, steps = read_characters(text, segmenter), segmenter.points, segmenter.steps
    find_words(size, segmenter)
    find_route(size, segmenter)
    i = signed(0)
    while i < size:
        begin = i
        while i < size and points[i] >= 0 and steps[i] == 1:
            i += 1
        if i - begin > 1:
            cut_run(begin, i, segmenter)
        while begin < i:
            lengths[n] = steps[begin]
            begin += steps[begin]
            n += 1
        if i < size:
            step = steps[i]
            if points[i] < 0:
                step = 1 + (points[i] == ~CARRIAGE_RETURN and i + 1 < size and points[i + 1] == ~LINE_FEED)
            lengths[n] = step
            i += step
            n += 1
    return n


@lean_kernel
def read_characters(text: np.ndarray, segmenter: Segmenter) -> int:
    """Reads the characters of a text; returns how many there are."""
    characters, i, size = segmenter.model.characters, signed(0), signed(0)
    while i < len(text):
        point, width = decode(text, i)
        kind = signed(characters[point]) if point < CHARACTERS else 0
        joins = kind // JOINS
        segmenter.points[size] = point ^ (joins - 1)
        segmenter.codes[size] = kind & CODE & -joins
        i += width
        size += 1
    segmenter.codes[size : size + SHORT] = 0
    return size


@lean_kernel
def find_words(size: int, segmenter: Segmenter) -> None:
    """Fills `routes`, and `steps`: 0 where longer words may begin than stand there.

    One length after the other, each for all characters, so that the processor waits for many look-ups at once, and no
    branch depends on whether a word goes on.
    """
    codes, places, slots = segmenter.codes, segmenter.places, segmenter.slots
    prefixes, weights, routes = segmenter.model.prefixes, segmenter.model.weights, segmenter.routes
    left = np.uint64(0)
    for i in range(np.uint64(size)):
        slot = np.uint64(NUM_SLOTS + signed(codes[i]))
        known = prefixes[slot]
        routes[i, 0] = weights[known & WEIGHT_MASK]
        routes[i, 1] = routes[i, 2] = routes[i, 3] = -np.inf
        segmenter.steps[i] = 1
        places[left], slots[left] = i, slot
        left += known >> MORE_SHIFT & ONE & np.uint64(codes[i + ONE] != 0)
    for length in range(2, SHORT + 1):
        number, left, last = left, np.uint64(0), np.uint64(length - 1)
        for k in range(number):
            i = np.uint64(places[k])  # type: ignore[assignment]  # see `signed`
            slot = find_prefix(prefixes, np.uint64(slots[k]), codes[i + last])
            known = prefixes[slot]
            routes[i, last] = weights[known & WEIGHT_MASK]
            places[left], slots[left] = i, slot
            left += known >> MORE_SHIFT & ONE & np.uint64(codes[i + last + ONE] != 0)
    for k in range(left):
        segmenter.steps[np.uint64(places[k])] = 0


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
    routes, sums, steps, unknown = segmenter.routes, segmenter.sums, segmenter.steps, segmenter.model.weights[UNKNOWN]
    sums[size : size + SHORT] = 0.0
    for j in range(np.uint64(size)):
        i = np.uint64(size - 1) - j
        one, two = routes[i, 0] + sums[i + ONE], routes[i, 1] + sums[i + TWO]
        three, four = routes[i, 2] + sums[i + THREE], routes[i, 3] + sums[i + FOUR]
        best_of_two = max(one, two)
        best_of_three = max(best_of_two, three)
        best = max(best_of_three, four)
        taken = signed(two >= one) | signed(three >= best_of_two) << 1 | signed(four >= best_of_three) << 2
        if steps[i] == 0:
            best, steps[i] = try_longer(signed(i), (best, LONGEST_TAKEN[taken]), segmenter)
        else:
            steps[i] = LONGEST_TAKEN[taken]
        if best == -np.inf:
            best, steps[i] = (unknown + sums[i + ONE] if segmenter.points[i] >= 0 else 0.0), 1
        sums[i] = best


@lean_kernel
def try_longer(i: int, short: tuple[float, int], segmenter: Segmenter) -> tuple[float, int]:
    """The best way on from a character, and its first word's length, given that with one of up to SHORT characters."""
    best, step = short
    codes, prefixes = segmenter.codes, segmenter.model.prefixes
    place, j = np.uint64(NUM_SLOTS + signed(codes[i])), i + 1
    while codes[j] != 0:
        place = find_prefix(prefixes, place, codes[j])
        known = prefixes[place]
        j += 1
        if j - i > SHORT:
            value = segmenter.model.weights[known & WEIGHT_MASK] + segmenter.sums[j]
            if value >= best:
                best, step = value, j - i
        if known & IS_MORE == NOTHING:
            break
    return best, step


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
    """Finds the words of several characters that the route takes one by one: one, if together they are a word."""
    points = segmenter.points
    if is_word(begin, end, segmenter.model.prefixes, segmenter.codes):
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
    points, emission = segmenter.points, segmenter.model.emissions
    (e_b, s_b, b_e, m_e, b_m, m_m, e_s, s_s), (b, e, m, s) = changes_of(segmenter.model.changes)
    row = emission[points[begin] - FIRST_HAN]
    b, e, m, s = b + row[BEGIN], e + row[END], m + row[MIDDLE], s + row[SINGLE]
    for i in range(begin + 1, end):
        row = emission[points[i] - FIRST_HAN]
        to_b, b_bit = later(e + e_b + row[BEGIN], s + s_b + row[BEGIN])
        to_e, e_bit = later(b + b_e + row[END], m + m_e + row[END])
        to_m, m_bit = later(b + b_m + row[MIDDLE], m + m_m + row[MIDDLE])
        to_s, s_bit = later(e + e_s + row[SINGLE], s + s_s + row[SINGLE])
        segmenter.steps[i] = b_bit << BEGIN | e_bit << END | m_bit << MIDDLE | s_bit << SINGLE
        b, e, m, s = to_b, to_e, to_m, to_s
    return END if e > s else SINGLE


@lean_kernel
def changes_of(change: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The changes that are possible, read once, and those from the start."""
    start = change[START]
    return (
        change[END, BEGIN],
        change[SINGLE, BEGIN],
        change[BEGIN, END],
        change[MIDDLE, END],
        change[BEGIN, MIDDLE],
        change[MIDDLE, MIDDLE],
        change[END, SINGLE],
        change[SINGLE, SINGLE],
    ), (start[BEGIN], start[END], start[MIDDLE], start[SINGLE])


@lean_kernel
def later(first: float, second: float) -> tuple[float, int]:
    """The larger value, and whether it is the second: of equal ones jieba takes the state that is later in its list."""
    return (first if first > second else second), signed(first <= second)
