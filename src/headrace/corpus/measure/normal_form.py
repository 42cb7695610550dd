"""Texts in one Unicode form with one kind of line end, and the hash of what equal documents share."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import xxhash

from headrace.corpus.code_points import code_point_at, size_of
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Bytes, Offsets, Texts

Form = Literal["NFC", "NFKC", "none"]

CARRIAGE_RETURN, SUSPECT = 1, 2

FIRST_SUSPECT = 0x300
"""Below it every character is in its NFC form and combines with nothing."""
LAST_SUSPECT = 0x2FA1F
JAMO = range(0x1161, 0x11C3)
"""Vowels and final consonants, which combine with what stands before them by a rule and not by a table."""


def normalize_texts(texts: Texts, form: Form) -> Texts:
    """The texts in one Unicode form and with "\\n" as their only line end, or untouched. Clean texts are not copied."""
    if form == "none":
        return texts
    flags = np.empty(len(texts), np.uint8)
    _find_suspects(texts.data, texts.offsets, _suspects(form), flags)
    if not flags.any():
        return texts
    strings = [normalize_text(text, form) if flag else text for text, flag in zip(texts, flags, strict=True)]
    return Texts.from_strings(strings)


def normalize_text(text: str, form: Form) -> str:
    """The text in one Unicode form and with "\\n" as its only line end, or untouched."""
    if form == "none":
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if unicodedata.is_normalized(form, text) else unicodedata.normalize(form, text)


def hash_contents(texts: Texts, form: Form) -> list[str]:
    """Per text, what equal documents share: 128-bit xxHash3 of the NFC text, every run of white space one space."""
    if form == "none":
        texts = normalize_texts(texts, "NFC")
    collapsed = np.empty(int(texts.sizes.sum()), np.uint8)
    ends = np.empty(len(texts) + 1, np.int64)
    _collapse_spaces(texts.data, texts.offsets, collapsed, ends)
    return _hash_slices(collapsed, ends.tolist())


def hash_identities(texts: Texts, places: Sequence[str]) -> list[str]:
    """128-bit xxHash3 of each text with the text of its place before it, in hex: what a document's id is."""
    data, bounds = texts.data.data, texts.offsets.tolist()
    hashes = []
    for place, begin, end in zip(places, bounds, bounds[1:], strict=False):
        state = xxhash.xxh3_128(place.encode())
        state.update(data[begin:end])
        hashes.append(state.hexdigest())
    return hashes


def _hash_slices(data: Bytes, bounds: Sequence[int]) -> list[str]:
    view, digest = data.data, xxhash.xxh3_128_hexdigest
    return [digest(view[begin:end]) for begin, end in pairwise(bounds)]


@cache
def _suspects(form: Form) -> npt.NDArray[np.bool_]:
    """Per code point, whether a text that holds it may not be in the form: it changes, or combines with another."""
    suspects = np.zeros(0x110000, np.bool_)
    for code in range(FIRST_SUSPECT, LAST_SUSPECT + 1):
        character = chr(code)
        if unicodedata.combining(character) or not unicodedata.is_normalized("NFC", character):
            suspects[code] = True
        first, *rest = unicodedata.decomposition(character).split() or [""]
        if rest and not first.startswith("<"):
            suspects[int(rest[-1], 16)] = True
    suspects[JAMO.start : JAMO.stop] = True
    if form == "NFKC":
        for code in range(0x80, LAST_SUSPECT + 1):
            suspects[code] |= not unicodedata.is_normalized("NFKC", chr(code))
    return suspects


@kernel
def _find_suspects(data: Bytes, offsets: Offsets, suspects: npt.NDArray[np.bool_], flags: Bytes) -> None:
    """Sets `flags`: which texts have a carriage return, and which a suspect character."""
    for row in range(len(offsets) - 1):
        flag, position, end = 0, offsets[row], offsets[row + 1]
        while position < end:
            byte = data[position]
            if byte < 0x80:
                flag |= CARRIAGE_RETURN if byte == 0x0D else 0
                position += 1
                continue
            size = size_of(byte)
            flag |= SUSPECT if suspects[code_point_at(data, position, size)] else 0
            position += size
        flags[row] = flag


@kernel
def space_size(data: Bytes, position: np.int64, end: np.int64) -> int:
    """Bytes of the white-space character (`str.isspace`) at `position`; 0 if it is none."""
    byte = data[position]
    if byte < 0x80:
        return 1 if byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F else 0
    if byte == 0xC2 and position + 1 < end:
        return 2 if data[position + 1] == 0x85 or data[position + 1] == 0xA0 else 0
    if 0xE1 <= byte <= 0xE3 and position + 2 < end:
        return 3 if _is_wide_space(byte, data[position + 1], data[position + 2]) else 0
    return 0


@kernel
def _is_wide_space(first: int, second: int, third: int) -> bool:
    if first == 0xE2 and second == 0x80:
        return third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
    if first == 0xE2:
        return second == 0x81 and third == 0x9F
    return third == 0x80 and ((first == 0xE3 and second == 0x80) or (first == 0xE1 and second == 0x9A))


@kernel
def _collapse_spaces(data: Bytes, offsets: Offsets, collapsed: Bytes, ends: Offsets) -> None:
    """Writes each text with runs of white space as one space and none at its ends; `ends` are the new offsets.

    Nearly without branches, because which byte is a space is what a processor cannot foresee: 1 GB/s instead of 0.4.
    """
    written = np.uint64(0)
    ends[0] = 0
    for row in range(len(offsets) - 1):
        begin, position, end = written, np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        after_space = True
        while position < end:
            byte = data[position]
            size = np.uint64(1)
            is_space = (byte == 0x20) | ((byte >= 0x09) & (byte <= 0x0D)) | ((byte >= 0x1C) & (byte <= 0x1F))
            if byte >= 0xC2 and byte <= 0xE3:
                wide = space_size(data, np.int64(position), np.int64(end))
                is_space = wide > 0
                size = np.uint64(max(wide, 1))
            collapsed[written] = 0x20 if is_space else byte
            written += np.uint64(not (is_space & after_space))
            after_space = is_space
            position += size
        written -= np.uint64(after_space & (written > begin))
        ends[row + 1] = written
