"""What every character is: the properties that scores ask for, as tables that kernels look up.

Characters of equal properties share a class; every ASCII character is a class of its own, so that a byte below 128
needs one look-up and no decoding. Built from Python's own character data, so `\\w`, `\\s` and `str.isalpha` agree.
"""

import string
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from headrace.corpus.arrays import Arrays, cached_arrays
from headrace.corpus.kernel import inner_kernel

SPACE, LETTER, UNSPACED, MARK, ALPHA, PUNCTUATION, BREAK, TERMINAL, PUNCT, STOP, DECIMAL = (
    1 << bit for bit in range(11)
)
"""LETTER and UNSPACED: a word character of a script written with or without spaces; MARK: a sign that joins the letter
before it; PUNCTUATION: in datatrove's set; BREAK: ends a line of `str.splitlines`; TERMINAL: ends a sentence for
FineWeb; PUNCT: of a category P*; STOP: ends a sentence for spaCy's sentencizer."""

INSIDE, IS_LETTER, IS_JOINER, IS_SPACE, IS_RUN, IS_UPPER, CONTINUES, IS_BREAK = (1 << bit for bit in range(8))
"""Kinds of bytes, see `page.py`. INSIDE: belongs to the word of the letter before it, if one is; IS_JOINER: does if
letters are on both sides; IS_RUN: does if it follows itself; IS_UPPER and IS_BREAK: on a character's first byte."""

NUM_LANES = 8
DIGIT_LANE, SPACE_LANE, UPPER_LANE, SPECIAL_LANE, ALNUM_LANE, HAN_LANE, HASH_LANE, ELLIPSIS_LANE = range(NUM_LANES)
"""Characters are counted in eight lanes of a 64-bit number at once; 255 of them fit before a lane may run over."""

NUM_ASCII, FIRST_LEAD = 0x80, 0xC0
HAN_RANGES = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
UNSPACED_RANGES = ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), *HAN_RANGES)
MARK_RANGE = (0x300, 0x10FFF)

SYMBOLS = frozenset("!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»").union(
    map(chr, (*range(9), 11, 12, *range(13, 32), *range(127, 160)))
)
"""datatrove's `PUNCTUATION`, character by character (its full-width "１" included), so that counts agree with its."""

TERMINAL_PUNCTUATION = frozenset(
    "᪩？⁈𑩂．꩞𑅃﹗𑂾\u1b7d፧𑅂꡶꘎⁉࠾᪨𑊩𑱂᱿𖩮᥅\U00011f43\U00011f44﹒𑈹𑈸።܂؞꛳\U00010f88𑗍𐩖𑙂\u061d꩟᠉\u1b7e𑗗᰼𑻸؟𑪜꧉𑗉𐽙𖫵𖬷"
    "܀꓿᜵𑗏𑁇𑗓𑥄៖𑥆𑗑𑗒꯫۔𐩗\U00010f86꡷\u2e54｡៕߹⸮.𑇅࠹𛲟꫰꤯𐽗᭞𑜼፨𑃁꣏𑇟𖬸𑪛𑜾࠷𝪈?𑃀𑗃！։꣎॥𑗖᭛᠃!၊𖺘⁇𑗌𑑋𖭄᭟𑅁𑙁"
    "⸼꩝𑗋。꧈꫱𑜽𐽖𑂿᙮។꛷\U00010f89៚᥄𑗕𑗎᪪᭚࠽𑇞𑗊𐽘\u2e53𑗔𖩯𑇍𑻷𐽕𑩃।𑗂𑇆𑁈။᱾𑱁꘏܁᜶‼𑈻‽᪫﹖𑑌𑈼\U00010f87𑗐៙᰻"
)
"""datatrove's, of all scripts: closing quotes are not among them."""

NO_SENTENCE_STOP = frozenset(
    "\u1b7d\U00011f43\U00011f44؞\U00010f88\u061d\u1b7e𑻸𐽙𑥄៖𑥆\U00010f86\u2e54៕࠹𐽗࠷𖺘𐽖។\U00010f89៚࠽𐽘\u2e53𐽕\U00010f87៙𑻷࠾"
)
"""Of these, what spaCy's sentencizer does not take for the end of a sentence."""

SPECIAL = frozenset(string.punctuation + string.digits + string.whitespace).union(
    "    　    ￼’“”–ー一▬…✦�£•€«»°·═×士＾˘⇓↓↑←→（）§″′´¿−±∈¢ø‚„½¼¾¹²³―⁃，ˌ¸‹›ʺˈʻ¦‐⠀‰‑≤≥‖◆●■►▼▲▴∆▻¡★☆✱ːº。¯˜"
    "¥ɪ≈†上ン：∼⁄・♡✓⊕․．⋅"
    "÷１‟；،、¨ाাी्े◦˚゜ʼ≖¤ッツシ℃√！【】‿∞➤～πه۩☛₨➩☻๑٪♥ıॽ《‘©﴿٬？▷Г♫∟™ª₪®「—❖」﴾》"
)
"""Special characters of BigScience and Data-Juicer ("一", "上" and "士" included); they add emoji: `EMOJI_RANGES`."""

EMOJI_RANGES = ((0x2600, 0x27BF), (0x1F000, 0x1FAFF))
BREAKS = frozenset("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


class Alphabet(NamedTuple):
    """The tables, as kernels take them."""

    classes: npt.NDArray[np.uint8]
    """Code point -> class."""
    flags: npt.NDArray[np.uint32]
    """Class -> the properties above."""
    lanes: npt.NDArray[np.uint64]
    """Class -> 1 in the lanes in which a character counts."""
    byte_kinds: npt.NDArray[np.uint8]
    """Byte -> what `page.py` calls its kind; of a byte that is not ASCII, only whether it continues a character."""
    byte_lanes: npt.NDArray[np.uint64]
    """Byte -> lanes, if it is ASCII."""


@cache
def alphabet() -> Alphabet:
    """The tables of this Python's Unicode version, 1.1 MB."""
    name = f"alphabet-{_digest_settings()}-{unicodedata.unidata_version}"
    return Alphabet(**cached_arrays(name, Alphabet._fields, make_alphabet))


def _digest_settings() -> str:
    """Of all that the tables are made of but Python's own character data."""
    return xxhash.xxh3_64_hexdigest(Path(__file__).read_bytes())


def make_alphabet() -> Arrays:
    """The arrays of an `Alphabet`; takes 0.2 s."""
    size = sys.maxunicode + 1
    flags, lanes = np.zeros(size, np.uint32), np.zeros(size, np.uint64)
    _set_flags(flags)
    _set_lanes(lanes)
    own = np.where(np.arange(size) < NUM_ASCII, np.arange(size) + 1, 0)  # keeps the classes of ASCII apart
    keys = np.stack([own.astype(np.uint64), flags.astype(np.uint64), lanes], axis=1)
    changes = np.flatnonzero(np.concatenate(([True], (keys[1:] != keys[:-1]).any(axis=1))))
    distinct: dict[tuple[int, ...], int] = {}
    of_run = [distinct.setdefault(tuple(key), len(distinct)) for key in keys[changes].tolist()]
    assert len(distinct) <= 256, "more classes of characters than a byte can name"
    classes = np.repeat(np.array(of_run, np.uint8), np.diff(changes, append=size))
    class_flags, class_lanes = np.zeros(256, np.uint32), np.zeros(256, np.uint64)
    for (_, flag, lane), number in distinct.items():
        class_flags[number], class_lanes[number] = flag, lane
    byte_kinds = np.array([_ascii_kind(chr(byte)) for byte in range(256)], np.uint8)
    byte_kinds[NUM_ASCII:] = np.where(np.arange(NUM_ASCII, 256) < FIRST_LEAD, CONTINUES, 0)
    byte_lanes = np.append(lanes[:NUM_ASCII], np.zeros(256 - NUM_ASCII, np.uint64))
    tables = (classes, class_flags, class_lanes, byte_kinds, byte_lanes)
    return dict(zip(Alphabet._fields, tables, strict=True))


def _ascii_kind(character: str) -> int:
    return (
        (INSIDE | IS_LETTER) * (character.isalnum() or character == "_")
        | IS_JOINER * (character in "'.,")
        | IS_SPACE * character.isspace()
        | IS_RUN * (character in ".-")
        | IS_UPPER * character.isupper()
        | IS_BREAK * (character in BREAKS)
    )


def _where(holds: Callable[[str], bool], last: int = 0x323FF) -> npt.NDArray[np.intp]:
    """The code points for which it holds; beyond `last` there are only private ones and tags, which are nothing."""
    return np.flatnonzero(np.fromiter(map(holds, map(chr, range(last + 1))), bool, last + 1))


def _points(characters: Iterable[str]) -> list[int]:
    return sorted(map(ord, characters))


def _set_flags(flags: npt.NDArray[np.uint32]) -> None:
    letters = np.append(_where(str.isalnum), ord("_"))
    unspaced = np.isin(letters, np.concatenate([np.arange(first, last + 1) for first, last in UNSPACED_RANGES]))
    categories = list(map(unicodedata.category, map(chr, range(0x323FF + 1))))
    first, last = MARK_RANGE
    flags[letters[~unspaced]] |= LETTER
    flags[letters[unspaced]] |= UNSPACED
    flags[[point for point in range(first, last + 1) if categories[point] in ("Mn", "Mc")]] |= MARK
    flags[[point for point, category in enumerate(categories) if category[0] == "P"]] |= PUNCT
    for flag, test in ((SPACE, str.isspace), (ALPHA, str.isalpha), (DECIMAL, str.isdecimal)):
        flags[_where(test)] |= flag
    for flag, characters in (
        (PUNCTUATION, SYMBOLS | TERMINAL_PUNCTUATION),
        (TERMINAL, TERMINAL_PUNCTUATION),
        (STOP, TERMINAL_PUNCTUATION - NO_SENTENCE_STOP),
        (BREAK, BREAKS),
    ):
        flags[_points(characters)] |= flag


def _set_lanes(lanes: npt.NDArray[np.uint64]) -> None:
    def add(lane: int, points: npt.NDArray[np.intp] | list[int]) -> None:
        lanes[points] |= np.uint64(1 << (8 * lane))

    add(DIGIT_LANE, _where(str.isdecimal))
    add(SPACE_LANE, _where(str.isspace))
    add(UPPER_LANE, _where(str.isupper))
    add(ALNUM_LANE, _where(str.isalnum))
    add(SPECIAL_LANE, _points(SPECIAL))
    add(HASH_LANE, [ord("#")])
    add(ELLIPSIS_LANE, [ord("…")])
    for lane, ranges in ((SPECIAL_LANE, EMOJI_RANGES), (HAN_LANE, HAN_RANGES)):
        for first, last in ranges:
            lanes[first : last + 1] |= np.uint64(1 << (8 * lane))


signed: Callable[[Any], int] = np.int64  # type: ignore[assignment]  # compiled code has no other integer
"""The number as numba's usual integer: it takes mixtures of signed and unsigned ones for floating-point numbers."""


@inner_kernel
def decode(text: np.ndarray, i: int) -> tuple[int, int]:
    """The character that begins at byte i, and how many bytes it has."""
    first = signed(text[i])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | signed(text[i + 1]) & 0x3F, 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (signed(text[i + 1]) & 0x3F) << 6 | signed(text[i + 2]) & 0x3F, 3
    return (
        (first & 0x07) << 18
        | (signed(text[i + 1]) & 0x3F) << 12
        | (signed(text[i + 2]) & 0x3F) << 6
        | signed(text[i + 3]) & 0x3F
    ), 4


@inner_kernel
def flags_at(text: np.ndarray, i: int, alphabet: Alphabet) -> tuple[int, int]:
    """The properties of the character that begins at byte i, and how many bytes it has."""
    point, size = decode(text, i)
    return alphabet.flags[alphabet.classes[point]], size


@inner_kernel
def before(text: np.ndarray, i: int) -> int:
    """Where the character begins that ends at byte i."""
    i -= 1
    while i > 0 and text[i] & 0xC0 == 0x80:
        i -= 1
    return i
