"""Texts in one Unicode form with one kind of line end, and the hash of what equal documents share."""

import unicodedata
from collections.abc import Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import xxhash

from headrace.corpus.arrays import Arrays, cached_arrays
from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.measure.bits import between_at, first_one, marked_at
from headrace.corpus.measure.characters import FIRST_LEAD, decode, signed
from headrace.corpus.texts import Bytes, Texts, replace_rows

Form = Literal["NFC", "NFKC", "none"]

FORMAT = 1
"""Goes into the name of the cache: raise it when the table changes its meaning."""

CARRIAGE_RETURN, SUSPECT = 1, 2
RETURN = ord("\r")
NOT_ASCII, IN_LEAD = np.uint8(0x80), np.uint8(0x40)
ONE, SIXTY_FOUR, LONGEST_SPACE = np.uint64(1), np.uint64(64), 3

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
    normal = {row: normalize_text(texts[row], form) for row in np.flatnonzero(flags).tolist()}
    return replace_rows(texts, {row: text for row, text in normal.items() if text != texts[row]})


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
    collapsed = np.empty(int(texts.sizes.sum()) + 64, np.uint8)
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
    name = f"suspects-{FORMAT}-{form}-{unicodedata.unidata_version}"
    return cached_arrays(name, ("suspects",), partial(_find_suspect_characters, form))["suspects"]


def _find_suspect_characters(form: Form) -> Arrays:
    """Takes 0.4 s."""
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
    return {"suspects": suspects}


@lean_kernel
def _find_suspects(data: np.ndarray, offsets: np.ndarray, suspects: np.ndarray, flags: np.ndarray) -> None:
    """Sets `flags`: which texts have a carriage return, and which a suspect character."""
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        has_return = False
        for byte in text:
            has_return |= byte == RETURN
        flags[row] = CARRIAGE_RETURN * has_return | SUSPECT * _has_suspect(text, suspects)


@inner_kernel
def _has_suspect(text: np.ndarray, suspects: np.ndarray) -> bool:
    base, found = 0, False
    while base + 64 <= len(text):
        place = np.uint64(base)
        leads = marked_at(text, place, NOT_ASCII) & marked_at(text, place, IN_LEAD)
        while leads:
            point, _ = decode(text, base + signed(first_one(leads)))
            found |= suspects[point]
            leads &= leads - ONE
        base += 64
    for i in range(base, len(text)):
        if text[i] >= FIRST_LEAD:
            point, _ = decode(text, i)
            found |= suspects[point]
    return found


@inner_kernel
def space_size(data: np.ndarray, position: int, end: int) -> int:
    """Bytes of the white-space character (`str.isspace`) at `position`; 0 if it is none."""
    byte = data[position]
    if byte < 0x80:
        return 1 if byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F else 0
    if byte == 0xC2 and position + 1 < end:
        return 2 if data[position + 1] == 0x85 or data[position + 1] == 0xA0 else 0
    if 0xE1 <= byte <= 0xE3 and position + 2 < end:
        return 3 if _is_wide_space(byte, data[position + 1], data[position + 2]) else 0
    return 0


@inner_kernel
def _is_wide_space(first: int, second: int, third: int) -> bool:
    if first == 0xE2 and second == 0x80:
        return third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
    if first == 0xE2:
        return second == 0x81 and third == 0x9F
    return third == 0x80 and ((first == 0xE3 and second == 0x80) or (first == 0xE1 and second == 0x9A))


@lean_kernel
def _collapse_spaces(data: np.ndarray, offsets: np.ndarray, collapsed: np.ndarray, ends: np.ndarray) -> None:
    """Writes each text with runs of white space as one space and none at its ends; `ends` are the new offsets.

    `collapsed` has room for 64 bytes more than all texts have.
    """
    written = np.uint64(0)
    ends[0] = 0
    for row in range(len(offsets) - 1):
        text, begin, i, after_space = data[offsets[row] : offsets[row + 1]], written, 0, ONE
        while i < len(text):
            if i + 128 <= len(text) and not _has_wide_space(text, np.uint64(i)):
                spaces = _spaces_at(text, np.uint64(i))
                written = _copy_rest(text, np.uint64(i), spaces & (spaces << ONE | after_space), collapsed, written)
                i, after_space = i + 64, spaces >> np.uint64(63)
            else:
                i, written, after_space = _collapse_some(text, i, collapsed, written, after_space)
        written -= after_space & np.uint64(written > begin)
        ends[row + 1] = written


@inner_kernel
def _copy_rest(
    text: np.ndarray, place: np.uint64, dropped: np.uint64, collapsed: np.ndarray, written: np.uint64
) -> np.uint64:
    """Copies 64 bytes but for the dropped ones; returns what is written. More is copied, to be written over."""
    first, left = np.uint64(0), SIXTY_FOUR
    while dropped:
        before = first_one(dropped)
        _copy_64(text, place + first, collapsed, written)
        written += before
        kept = ~(dropped >> before)
        if not kept:
            return written
        gone = before + first_one(kept)
        if gone >= left:
            return written
        first, left, dropped = first + gone, left - gone, dropped >> gone
    _copy_64(text, place + first, collapsed, written)
    return written + left


@inner_kernel
def _spaces_at(text: np.ndarray, place: np.uint64) -> np.uint64:
    """Which of 64 bytes are white space of ASCII."""
    return (
        between_at(text, place, np.uint8(0x20), np.uint8(1))
        | between_at(text, place, np.uint8(0x09), np.uint8(5))
        | between_at(text, place, np.uint8(0x1C), np.uint8(4))
    )


@inner_kernel
def _has_wide_space(text: np.ndarray, place: np.uint64) -> bool:
    """Whether other white space begins among 64 bytes, or something much like it."""
    leads = between_at(text, place, np.uint8(0xE1), np.uint8(3)) | between_at(text, place, np.uint8(0xC2), np.uint8(1))
    while leads:
        position = signed(place + first_one(leads))
        if space_size(text, position, position + LONGEST_SPACE):
            return True
        leads &= leads - ONE
    return False


@inner_kernel
def _copy_64(text: np.ndarray, place: np.uint64, collapsed: np.ndarray, written: np.uint64) -> None:
    for k in range(SIXTY_FOUR):
        byte = text[place + k]
        is_space = (np.uint8(byte - 0x09) < 5) | (np.uint8(byte - 0x1C) < 4)
        collapsed[written + k] = np.uint8(0x20) if is_space else byte


@inner_kernel
def _collapse_some(
    text: np.ndarray, begin: int, collapsed: np.ndarray, written: np.uint64, after_space: np.uint64
) -> tuple[int, np.uint64, np.uint64]:
    """Takes about 64 bytes one by one: returns where to go on, what is written, and whether white space was last.

    Nearly without branches, because which byte is a space is what a processor cannot foresee.
    """
    position, end = np.uint64(begin), np.uint64(min(begin + 64, len(text)))
    while position < end:
        byte = text[position]
        size = ONE
        is_space = (byte == 0x20) | ((byte >= 0x09) & (byte <= 0x0D)) | ((byte >= 0x1C) & (byte <= 0x1F))
        if byte >= 0xC2 and byte <= 0xE3:
            wide = space_size(text, signed(position), len(text))
            is_space = wide > 0
            size = np.uint64(max(wide, 1))
        collapsed[written] = 0x20 if is_space else byte
        written += ONE - (np.uint64(is_space) & after_space)
        after_space = np.uint64(is_space)
        position += size
    return signed(position), written, after_space
