"""Text as tokens that are sound for every script: what "50 tokens in a row" means.

A token is a run of letters and digits, or a single character of another kind: a punctuation mark, a symbol, a
character of a script that is written without spaces. Accents and vowel signs belong to what they stand on. White
space is no token and does not count: a passage wrapped at other columns is the same passage. English prose has 1.15
tokens a word, about as many as a vocabulary of 50,000 makes of it.

Which characters are told apart is a table (`Letters`): here every one; where texts are compared more loosely, a table
may fold several into one, or leave some out.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from headrace.corpus.code_points import NUM_TABLED, code_point_at, mix, size_of
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts, read_only

SPACE = 0
"""Ends a token and belongs to none."""

SINGLE = 1 << 30
"""Added to a character that is a token of its own."""

MARK = 1 << 29
"""Added to a character that belongs to the token before it, whatever that is."""

IGNORED = MARK
"""A character that might as well not be there."""

UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
)
"""Thai and Lao, Burmese, Khmer, kana, Han."""

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]
Letters = npt.NDArray[np.uint32]
"""What each tabled code point counts as: `SPACE`, `IGNORED`, or a code point, `SINGLE` or `MARK` added."""


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """The T tokens of D documents, one document after the other."""

    hashes: Hashes
    begins: Positions
    """Bytes from the beginning of the document."""
    ends: Positions
    firsts: Positions
    """(D + 1,); document d's tokens are [firsts[d], firsts[d + 1])."""


def tokenize(texts: Texts, letters: Letters | None = None) -> Tokens:
    """The tokens of a batch; by default all characters are told apart. 24 bytes of memory a byte of text at worst."""
    most = int(texts.offsets[-1] - texts.offsets[0])
    hashes, begins, ends = np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most, np.int64)
    firsts = np.zeros(len(texts) + 1, np.int64)
    table = exact_letters() if letters is None else letters
    num = find_tokens(texts.data, texts.offsets, table, hashes, begins, ends, firsts)
    return Tokens(hashes[:num], begins[:num], ends[:num], firsts)


@cache
def exact_letters() -> Letters:
    """Every character as itself."""
    return read_only(np.array([_exact(code) for code in range(NUM_TABLED)], np.uint32))


def is_unspaced(code: int) -> bool:
    """Whether a tabled code point belongs to a script that is written without spaces."""
    return any(first <= code <= last for first, last in UNSPACED_RANGES)


def _exact(code: int) -> int:
    category = unicodedata.category(chr(code))
    if category[0] == "Z" or category == "Cc":
        return SPACE
    if category[0] == "M" or category == "Cf":
        return code | MARK
    return code if category[0] in "LN" and not is_unspaced(code) else code | SINGLE


@kernel
def find_tokens(
    data: np.ndarray,
    offsets: np.ndarray,
    letters: np.ndarray,
    hashes: np.ndarray,
    begins: np.ndarray,
    ends: np.ndarray,
    firsts: np.ndarray,
) -> int:
    """Fills the arrays of `Tokens`; returns T. Code points above the table are tokens of their own."""
    num = 0
    for row in range(len(offsets) - 1):
        firsts[row] = num
        origin, position, is_open, takes_letters = offsets[row], offsets[row], False, False
        while position < offsets[row + 1]:  # a slice of the text would be counted as a reference: seven times slower
            size = size_of(data[position])
            code = int(data[position]) if size == 1 else code_point_at(data, position, size)
            letter = int(letters[code]) if code < len(letters) else code | SINGLE
            position += size
            joins = is_open and (letter & MARK != 0 or (takes_letters and letter != SPACE and letter & SINGLE == 0))
            if not joins:
                num += is_open
                is_open = letter not in (SPACE, IGNORED)
                if not is_open:
                    continue
                begins[num] = position - size - origin
                takes_letters = letter & SINGLE == 0
                hashes[num] = np.uint64(0xCBF29CE484222325)
            if letter != IGNORED:
                hashes[num] = (hashes[num] ^ np.uint64(letter)) * np.uint64(0x100000001B3)
            ends[num] = position - origin
        num += is_open
    firsts[len(offsets) - 1] = num
    for token in range(num):
        hashes[token] = mix(hashes[token])
    return num
