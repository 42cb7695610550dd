"""jieba's dictionary and hidden Markov model as arrays for kernels.

Reading jieba's files takes a second, so the arrays are kept in the user's cache folder (9 MB), from where every
process maps the same memory in some milliseconds. The cache is checked whenever it is read, and made anew if damaged.
"""

import ast
import math
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.arrays import Arrays, cached_arrays

FORMAT = 2
"""Goes into the name of the cache: raise it when an array changes its meaning."""

CODE, JOINS = 0x3FFF, 0x4000
"""What is known of a character: its number in the dictionary, or 0; whether words are sought with it (if not, it is
a word of its own)."""
CODE_BITS = 14

CHARACTERS = 0x30000
"""What is known is tabled up to here; nothing is known of what lies above."""
JOINING = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF)),
    *((0x20000, 0x2A6DF), (0x2A700, 0x2EBEF), (0x2F800, 0x2FA1F)),
)
JOINING_SIGNS = "+#&._%-"
FIRST_HAN, LAST_HAN = 0x4E00, 0x9FD5
"""What the Markov model is asked about."""

EMISSION_DIGITS = 6
"""As many as jieba-rs has."""

SLOTS_BITS = 21
WEIGHT, MORE, KEY_SHIFT = 0x7FFF, 0x8000, 16
"""What is known of a prefix: number of the weight it has as a word (0: it is none), whether longer words begin with
it, and above these its key: the prefix without its last character, and that character's number."""
UNKNOWN = -1
"""Where `weights` has that of a single character which begins no word."""
MULTIPLIER = 0x9E3779B97F4A7C15

BEGIN, END, MIDDLE, SINGLE, START = range(5)
"""Where a character is in a word. The order decides between equal probabilities. START is before the first."""
STATES = "BEMS"
IMPOSSIBLE = -3.14e100
"""jieba's log-probability of what its model has not seen; adding others to it leaves it as it is, and ties matter."""


class ChineseModel(NamedTuple):
    """All arrays are read-only."""

    characters: npt.NDArray[np.uint16]
    """(CHARACTERS,) what is known of each character."""
    prefixes: npt.NDArray[np.uint64]
    """What is known of prefixes: a hash table of 2 ** SLOTS_BITS slots with open addressing, 0 in free ones, and
    behind it those of a single character, by its number."""
    weights: npt.NDArray[np.float64]
    """Log-probability of a word, by number; the first, of what is no word, is minus infinity, the last is `UNKNOWN`."""
    changes: npt.NDArray[np.float64]
    """(5, 4) log-probability of a state after another, and of the first (`START`)."""
    emissions: npt.NDArray[np.float64]
    """(LAST_HAN - FIRST_HAN + 1, 4) log-probability of a character in each state."""


@cache
def load_chinese_model() -> ChineseModel:
    """The model, from the cache if it is there."""
    name = f"chinese-{FORMAT}-{version('jieba')}"
    return ChineseModel(**cached_arrays(name, ChineseModel._fields, convert_model))


def convert_model() -> Arrays:
    """The arrays of a `ChineseModel` from the files that jieba ships; jieba itself, slow to import, is not."""
    folder = Path(str(distribution("jieba").locate_file("jieba")))
    lines = (folder / "dict.txt").read_text(encoding="utf-8").splitlines()
    words = {word: int(frequency) for word, frequency, _ in map(str.split, lines)}
    return {**_convert_dictionary(words), **_convert_markov(folder / "finalseg")}


def _convert_dictionary(words: Mapping[str, int]) -> Arrays:
    known = sorted(set().union(*words))
    characters = np.zeros(CHARACTERS, np.uint16)
    characters[list(map(ord, known))] = np.arange(1, len(known) + 1)
    total = math.log(sum(words.values()))
    frequencies, numbers = np.unique(np.array(list(words.values())), return_inverse=True)
    weights = [math.log(frequency) - total for frequency in frequencies.tolist()]
    assert len(known) <= CODE, "more characters than there are numbers"
    assert len(weights) <= WEIGHT, "more frequencies than there are numbers"
    points = np.array(list(words)).view(np.uint32).reshape(len(words), -1)
    prefixes = _index_prefixes(characters[points].astype(np.uint64), (numbers + 1).astype(np.uint64), len(known))
    _set_kinds(characters)
    return {
        "characters": characters,
        "prefixes": prefixes,
        "weights": np.array([-np.inf, *weights, -total]),
    }


def _set_kinds(characters: npt.NDArray[np.uint16]) -> None:
    for first, last in JOINING:
        characters[first : last + 1] |= JOINS
    ascii_letters = [point for point in range(128) if chr(point).isalnum() or chr(point) in JOINING_SIGNS]
    characters[ascii_letters] |= JOINS


def _index_prefixes(
    codes: npt.NDArray[np.uint64], numbers: npt.NDArray[np.uint64], num_characters: int
) -> npt.NDArray[np.uint64]:
    """`prefixes` of the words in codes (N, longest), padded with 0, with the numbers of their weights."""
    prefixes = np.zeros((1 << SLOTS_BITS) + num_characters + 1, np.uint64)
    slots = prefixes[: 1 << SLOTS_BITS]
    sizes = np.count_nonzero(codes, axis=1)
    places = len(slots) + codes[:, 0].astype(np.int64)
    for size in range(1, codes.shape[1] + 1):
        if size > 1:
            longer = sizes >= size
            codes, numbers, sizes, places = codes[longer], numbers[longer], sizes[longer], places[longer]
            keys = places.astype(np.uint64) << np.uint64(CODE_BITS) | codes[:, size - 1]
            distinct, inverse = np.unique(keys, return_inverse=True)
            places = _insert(slots, distinct)[inverse]
        ends = sizes == size
        prefixes[places[ends]] |= numbers[ends]
        prefixes[places[~ends]] |= np.uint64(MORE)
    return prefixes


def _insert(slots: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Puts distinct new keys into the table; returns their slots."""
    places = ((keys * np.uint64(MULTIPLIER)) >> np.uint64(64 - SLOTS_BITS)).astype(np.int64)
    left = np.arange(len(keys))
    while len(left):
        free = left[slots[places[left]] == 0]
        placed = free[np.unique(places[free], return_index=True)[1]]
        slots[places[placed]] = keys[placed] << np.uint64(KEY_SHIFT)
        left = np.setdiff1d(left, placed, assume_unique=True)
        places[left] = (places[left] + 1) % len(slots)
    return places


def _convert_markov(folder: Path) -> Arrays:
    start, transition, emission = (_read_table(folder / f"prob_{name}.py") for name in ("start", "trans", "emit"))
    rows = np.full((LAST_HAN - FIRST_HAN + 1, len(STATES)), IMPOSSIBLE)
    for state, name in enumerate(STATES):
        for character, value in emission[name].items():
            if FIRST_HAN <= ord(character) <= LAST_HAN:
                rows[ord(character) - FIRST_HAN, state] = round(value, EMISSION_DIGITS)
    before = [*(transition[name] for name in STATES), start]
    return {
        "changes": np.array([[row.get(after, IMPOSSIBLE) for after in STATES] for row in before]),
        "emissions": rows,
    }


def _read_table(path: Path) -> dict[str, Any]:
    """The one dictionary that a module of jieba assigns; the module is not run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    table: dict[str, Any] = ast.literal_eval(next(node.value for node in tree.body if isinstance(node, ast.Assign)))
    return table
