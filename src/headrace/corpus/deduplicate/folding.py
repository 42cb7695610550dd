"""What counts as the same character when texts are compared.

Every code point becomes one entry of a table: the code point it is folded to (lower case, without accents), and flags
for what it does to words. The order of the steps is that of datatrove's `TextNormConfig`; unlike it, every character of
Unicode's categories P and S is punctuation, invisible format characters vanish, and a final sigma is a sigma.
"""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from headrace.corpus.arrays import Arrays, cached_arrays
from headrace.corpus.deduplicate.config import Unit
from headrace.corpus.texts import read_only

Table = npt.NDArray[np.uint32]
"""(TABLE_SIZE,) entries. 0 ends a word; a bare code point is a letter; flags say what else it is."""

Han = tuple[str, str]
"""Characters, and the character at the same place that each counts as: traditional and simplified ones."""

NO_HAN: Han = ("", "")

TABLE_SIZE = 0x33480
"""Up to the last assigned letter (of the Han extensions). What lies above is tags, variants and private use."""

CODE_POINT = 0x1FFFFF
SPACE = 0
ALONE = 1 << 24
"""A word of its own."""
DIGIT = 1 << 25
"""Any digit; a whole number counts as one "0"."""
DROPPED = 1 << 26

SEPARATORS = ".,،٫⎖⎗⎘"
"""What may stand once between the digits of a number."""

UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # marks that repeat a Han character, and the Han zero
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # kana of half width
    (0x1B000, 0x1B16F),
    (0x20000, TABLE_SIZE - 1),
)
FORMAT = 1
"""Raised when `_fold_characters` gives another table for the same edition of Unicode."""

AS_THEY_ARE = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xD800, 0xF8FF), (0x20000, 0x2F7FF))
"""Large blocks without upper case, accents and punctuation, left out of the loop that looks at each character."""


@cache
def folding_table(unit: Unit, han: Han = NO_HAN, *, fold_numbers: bool = True) -> Table:
    """The table for words of a kind. fold_numbers: whether all numbers count as one."""
    traditional, simplified = han
    assert len(traditional) == len(simplified), "each character is folded to one"
    name = f"folding-{FORMAT}-{unicodedata.unidata_version}"
    table: Table = cached_arrays(name, ("table",), _fold_characters)["table"].copy()
    for before, after in zip(traditional, simplified, strict=True):
        table[ord(before)] = ord(after)
    if not fold_numbers:
        digits = np.flatnonzero((table < DROPPED) & (table & DIGIT != 0))
        table[digits] = [ord("0") + unicodedata.digit(chr(code)) for code in digits]
    is_word = (table != SPACE) & (table < DROPPED)
    if unit == "characters":
        table[is_word] |= ALONE
    elif unit == "auto":
        unspaced = np.zeros(TABLE_SIZE, np.bool_)
        for first, last in UNSPACED:
            unspaced[first : last + 1] = True
        table[is_word & unspaced & (table < DIGIT)] |= ALONE
    return read_only(table)


def _fold_characters() -> Arrays:
    """What each character is folded to; takes 0.1 s."""
    table = np.arange(TABLE_SIZE, dtype=np.uint32)
    for code_point in _to_look_at():
        table[code_point] = _entry(chr(code_point))
    return {"table": table}


def _to_look_at() -> list[int]:
    skipped = np.zeros(TABLE_SIZE, np.bool_)
    for first, last in AS_THEY_ARE:
        skipped[first : last + 1] = True
    return np.flatnonzero(~skipped).tolist()


def _entry(character: str) -> int:
    category = unicodedata.category(character)
    if category == "Nd":
        return ord("0") | DIGIT
    if category[0] in "PSZ" or category == "Cc":
        return SPACE
    if category in ("Cf", "Cn", "Mn"):
        return DROPPED if category != "Cn" else ord(character)
    if character == "ς":
        return ord("σ")
    apart = unicodedata.normalize("NFD", character.lower())
    folded = unicodedata.normalize("NFC", "".join(part for part in apart if unicodedata.category(part) != "Mn"))
    return ord(folded) if len(folded) == 1 else ord(character)  # longer is one Kannada vowel sign
