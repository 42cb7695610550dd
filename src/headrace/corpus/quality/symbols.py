"""Texts as the symbols that quality models are made of: words, characters of unspaced scripts, punctuation, line ends.

A symbol is a 64-bit hash. A word is a run of letters, marks, digits and underscores; ASCII capitals are taken as small
letters. A character of a script that is written without spaces (Han, kana, Thai, Lao, Burmese, Khmer) is a symbol of
its own, and so is every other character that is not white space. A run of line ends is one symbol.
"""

import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import kernel

Hashes = npt.NDArray[np.uint64]
Kinds = npt.NDArray[np.uint8]

Whole = Any
"""A whole number in a kernel: which width and sign it has is for numba to say."""

WORD, SPACE, LINE_END, ALONE, UNSPACED = 0, 1, 2, 3, 4
CHARACTERS = 0x20000
"""Kinds are tabled up to here; above it lie the rarer Han characters, and what is taken like them."""

UNSPACED_RANGES = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF))
HAN_RANGES = ((0x4E00, 0x9FFF), (0xF900, 0xFAFF))

PRIME = np.uint64(0x9E3779B97F4A7C15)
LINE_END_HASH = np.uint64(0x5851F42D4C957F2D)


class Symbols(NamedTuple):
    """Room for the symbols of one text; where each lies in the text, and whether it is of an unspaced script."""

    hashes: Hashes
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    unspaced: npt.NDArray[np.bool_]

    @classmethod
    def room_for(cls, num_bytes: int) -> "Symbols":
        """Enough for any text of so many bytes."""
        size = num_bytes + 1
        return cls(np.empty(size, np.uint64), np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, bool))


@cache
def character_kinds() -> Kinds:
    """(CHARACTERS,) kind of each character."""
    categories = map(unicodedata.category, map(chr, range(CHARACTERS)))
    by_category = {"P": ALONE, "S": ALONE, "Z": SPACE, "C": SPACE}
    kinds = np.array([by_category.get(category[0], WORD) for category in categories], np.uint8)
    for first, last in (*UNSPACED_RANGES, *HAN_RANGES):
        part = kinds[first : last + 1]
        part[part == WORD] = UNSPACED
    kinds[ord("_")] = WORD
    kinds[[ord("\n"), ord("\r"), 0x2028, 0x2029]] = LINE_END
    kinds.setflags(write=False)
    return kinds


@kernel
def mix(value: Whole) -> Whole:
    """A 64-bit hash of a 64-bit number, one to one. Source: the finalizer of MurmurHash3."""
    value = np.uint64(value)
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@kernel
def extend(key: Whole, symbol: Whole) -> Whole:
    """Key of a run of symbols that has one more symbol on its left than the run with the given key."""
    return mix(key * PRIME ^ symbol)


@kernel
def size_of(lead: int) -> int:
    """Bytes of the character with a lead byte of valid UTF-8."""
    return 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


@kernel
def kind_of(data: np.ndarray, position: int, kinds: np.ndarray) -> Whole:
    """Kind of the character that begins at a byte of valid UTF-8."""
    lead = np.int64(data[position])
    if lead < 0x80:
        return kinds[lead]
    code = np.int64(data[position + 1]) & 63
    if lead < 0xE0:
        return kinds[(lead & 31) << 6 | code]
    code = code << 6 | np.int64(data[position + 2]) & 63
    if lead < 0xF0:
        return kinds[(lead & 15) << 12 | code]
    code = (lead & 7) << 18 | code << 6 | np.int64(data[position + 3]) & 63
    return kinds[code] if code < len(kinds) else UNSPACED


@kernel
def hash_bytes(data: np.ndarray, begin: int, end: int) -> Whole:
    """Hash of some bytes, ASCII capitals taken as small letters."""
    value = np.uint64(0)
    for position in range(begin, end):
        byte = np.uint64(data[position])
        if byte - np.uint64(65) < np.uint64(26):
            byte |= np.uint64(32)
        value = (value ^ byte) * PRIME
        value ^= value >> np.uint64(29)
    return mix(value)


@kernel
def read_symbols(data: np.ndarray, begin: int, end: int, kinds: np.ndarray, symbols: Symbols) -> int:
    """Fills in the symbols of data[begin:end]; returns how many there are. Positions count from the start of `data`."""
    num = 0
    position = begin
    ended_line = False
    while position < end:
        kind = kind_of(data, position, kinds)
        start = position
        position += size_of(data[position])
        if kind == SPACE or (kind == LINE_END and ended_line):
            continue
        ended_line = kind == LINE_END
        if kind == WORD:
            while position < end and kind_of(data, position, kinds) == WORD:
                position += size_of(data[position])
        symbols.hashes[num] = LINE_END_HASH if ended_line else hash_bytes(data, start, position)
        symbols.begins[num], symbols.ends[num] = start, position
        symbols.unspaced[num] = kind == UNSPACED
        num += 1
    return num
