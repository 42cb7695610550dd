"""Texts as words, in kernels: three ways to find where words begin and end, one way to write them down.

`unicode` reproduces the regular expressions of `words.py`; `given` takes the lengths that a segmenter found (Chinese);
`chunks` looks every run of characters without white space up in a table of spaCy's tokens (`spacy_words.py`).
"""

import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.measure.characters import (
    ALPHA,
    LETTER,
    MARK,
    NUM_ASCII,
    PUNCT,
    PUNCTUATION,
    SPACE,
    STOP,
    SYMBOLS,
    Alphabet,
    alphabet,
    decode,
    signed,
)
from headrace.corpus.measure.lean import kernel

HAS_ALPHA, IS_SYMBOL, IS_PUNCT, ENDS_SENTENCE, AFTER_GAP = (1 << bit for bit in range(5))
"""What a word is: AFTER_GAP if spaCy would make a token of the white space before it."""

SEED = np.uint64(0x9E3779B97F4A7C15)
PRIME = np.uint64(0xD6E8FEB86659FD93)
SHIFT = np.uint64(32)
ALL = np.uint32(0xFFFFFFFF)

APOSTROPHE, COMMA, HYPHEN, DOT, CURLY_APOSTROPHE = ord("'"), ord(","), ord("-"), ord("."), ord("’")


IS_LETTER, IS_SPACE, IS_JOINER, IS_RUN = 1, 2, 4, 8
ALL_OF = IS_SYMBOL | IS_PUNCT
"""What a word is only if all of its characters are."""


def _ascii_kind(character: str) -> int:
    return (
        IS_LETTER * (character.isalnum() or character == "_")
        | IS_SPACE * character.isspace()
        | IS_JOINER * (character in "'.,")
        | IS_RUN * (character in ".-")
    )


def _ascii_word(character: str) -> int:
    """What the character is as a word."""
    return (
        HAS_ALPHA * character.isalpha()
        | IS_SYMBOL * (character in SYMBOLS)
        | IS_PUNCT * (unicodedata.category(character)[0] == "P")
        | ENDS_SENTENCE * (character in ".!?")
    )


ASCII_KINDS = np.array([_ascii_kind(chr(byte)) for byte in range(NUM_ASCII)], np.uint8)
ASCII_WORDS = np.array([_ascii_word(chr(byte)) for byte in range(NUM_ASCII)], np.uint8)


class Words(NamedTuple):
    """The words of one text, in arrays that are used again for the next: 17 bytes a word."""

    hashes: npt.NDArray[np.uint64]
    """Of each word's characters."""
    sums: npt.NDArray[np.int32]
    """Characters of all words before each word and, one further, of all words."""
    begins: npt.NDArray[np.int32]
    """Bytes before each word, white space and all."""
    flags: npt.NDArray[np.uint8]


class ChunkTable(NamedTuple):
    """Chunk -> tokens, by the chunk's hash; open addressing, a power of two of slots."""

    keys: npt.NDArray[np.uint64]
    """0: the slot is free."""
    firsts: npt.NDArray[np.int32]
    """Where the chunk's tokens begin in the arrays below."""
    numbers: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint64]
    characters: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    alphabet: Alphabet


def no_chunks() -> ChunkTable:
    """A table that no text asks."""
    keys, numbers, flags = np.zeros(1, np.uint64), np.zeros(1, np.int32), np.zeros(0, np.uint8)
    return ChunkTable(keys, numbers, numbers, np.zeros(0, np.uint64), np.zeros(0, np.int32), flags, alphabet())


def empty_words(capacity: int) -> Words:
    """Room for so many words. Memory that no word is written to is never taken from the system."""
    return Words(
        np.empty(capacity, np.uint64),
        np.zeros(capacity + 1, np.int32),
        np.empty(capacity, np.int32),
        np.empty(capacity, np.uint8),
    )


@kernel
def mix(value: np.uint64) -> np.uint64:
    """A number whose every bit depends on every bit; never 0, which marks free slots."""
    value = (value ^ (value >> SHIFT)) * PRIME
    value ^= value >> SHIFT
    return value | np.uint64(value == np.uint64(0))


@kernel
def describe(any_flags: np.uint32, all_flags: np.uint32, size: int) -> int:
    """What a word is whose characters have the flags, the first holding for some, the second for all of them."""
    is_stop = size == 1 and all_flags & STOP != 0
    described: int = (
        HAS_ALPHA * (any_flags & ALPHA != 0)
        | IS_SYMBOL * (all_flags & PUNCTUATION != 0)
        | IS_PUNCT * (all_flags & PUNCT != 0)
        | ENDS_SENTENCE * is_stop
    )
    return described


@kernel
def describe_run(text: np.ndarray, alphabet: Alphabet) -> tuple[np.uint64, int, int]:
    """Hash, number of characters and flags of a word."""
    i = length = 0
    value, any_flags, all_flags = SEED, np.uint32(0), ALL
    while i < len(text):
        point, size = decode(text, i)
        flags = alphabet.flags[alphabet.classes[point]]
        value = (value ^ np.uint64(point)) * PRIME
        any_flags |= flags
        all_flags &= flags
        length += 1
        i += size
    return mix(value), length, describe(any_flags, all_flags, length)


@kernel
def split_unicode(text: np.ndarray, alphabet: Alphabet, words: Words, first: int) -> int:
    """Writes the text's words from position `first` on; returns the position after the last."""
    i, n, plain_end = 0, first, 0
    while i < len(text):
        if plain_end <= i:
            while plain_end < len(text) and text[plain_end] < NUM_ASCII:
                plain_end += 1
            begin, i = i, _last_space(text, i, plain_end)
            n = _split_ascii(text[begin:i], begin, words, n)
        while i < len(text) and not (i >= plain_end and text[i] < NUM_ASCII and alphabet.flags[text[i]] & SPACE):
            i, n = _split_word(text, i, alphabet, words, n)
        plain_end = i
    return n


@kernel
def _last_space(text: np.ndarray, begin: int, end: int) -> int:
    """The last byte of white space before `end`, if the text goes on there: no word of ASCII reaches over it."""
    if end == len(text):
        return end
    while end > begin and not ASCII_KINDS[text[end - 1]] & IS_SPACE:
        end -= 1
    return end


@kernel
def _split_ascii(text: np.ndarray, offset: int, words: Words, n: int) -> int:
    """The words of ASCII, whose bytes tell from their neighbours where words begin.

    No branch depends on the text, and so none is mispredicted: that is worth 4 times the speed.
    """
    if not len(text):
        return n
    n -= 1
    first, before_kind, was_inside, value, flags = n + 1, 0, 0, SEED, 0
    before_byte, kind = 0, signed(ASCII_KINDS[text[0]])
    begin, end, last = 0, 0, len(text) - 1
    for i in range(len(text)):
        byte = signed(text[i])
        next_kind = signed(ASCII_KINDS[text[min(i + 1, last)]]) * (i < last)
        inside = (kind | kind >> 2 & before_kind & next_kind) & 1
        goes_on = inside & was_inside | kind >> 3 & (byte == before_byte)
        is_word = ~kind >> 1 & 1
        starts = is_word & ~goes_on
        n += starts
        begin = i if starts else begin
        end = i + 1 if is_word else end
        new = ((SEED if starts else value) ^ np.uint64(byte)) * PRIME
        value = new if is_word else value
        here = signed(ASCII_WORDS[byte])
        joined = flags & here & ALL_OF | (flags | here) & HAS_ALPHA
        flags = (here if starts else joined) if is_word else flags
        if n >= first:
            at = np.uint64(n)  # a place that cannot be negative costs nothing to find
            words.hashes[at], words.flags[at], words.begins[at] = value, flags, begin + offset
            words.sums[at + np.uint64(1)] = end - begin
        before_kind, before_byte, was_inside, kind = kind & 1, byte, inside, next_kind
    _finish_ascii(words, first, n + 1)
    return n + 1


@kernel
def _finish_ascii(words: Words, first: int, last: int) -> None:
    for n in range(first, last):
        words.hashes[n] = mix(words.hashes[n])
        words.sums[n + 1] += words.sums[n]


@kernel
def _split_word(text: np.ndarray, i: int, alphabet: Alphabet, words: Words, n: int) -> tuple[int, int]:
    """Writes the word that begins at byte i, if any; returns where to go on, and the position after the word."""
    point, size = decode(text, i)
    flags = alphabet.flags[alphabet.classes[point]]
    if flags & SPACE:
        return i + size, n
    words.begins[n] = i
    value, length, all_flags = (SEED ^ np.uint64(point)) * PRIME, 1, flags
    i += size
    if flags & LETTER:
        i, length, value, flags, all_flags = _finish_word(text, i, alphabet, value, flags)
    elif point in (DOT, HYPHEN):
        i, length, value = _finish_run(text, i, point, value)
    words.flags[n] = describe(flags, all_flags, length)
    words.hashes[n] = mix(value)
    words.sums[n + 1] = words.sums[n] + length
    return i, n + 1


@kernel
def _finish_word(
    text: np.ndarray, i: int, alphabet: Alphabet, value: np.uint64, first_flags: np.uint32
) -> tuple[int, int, np.uint64, np.uint32, np.uint32]:
    """The rest of a word whose first letter ends before byte i: end, characters, hash, flags of any and of all."""
    length, any_flags, all_flags = 1, first_flags, first_flags
    while i < len(text):
        point, size = decode(text, i)
        flags = alphabet.flags[alphabet.classes[point]]
        if not flags & LETTER:
            if flags & MARK:
                i, length, value = _take_marks(text, i, length, alphabet, value)
                all_flags = np.uint32(0)
                if i == len(text) or not _is_letter(text, i, alphabet):
                    break
                continue
            is_joiner = point in (APOSTROPHE, DOT, COMMA, CURLY_APOSTROPHE)
            if not is_joiner or i + size >= len(text) or not _is_letter(text, i + size, alphabet):
                break
        any_flags |= flags
        all_flags &= flags
        value = (value ^ np.uint64(point)) * PRIME
        length += 1
        i += size
    return i, length, value, any_flags, all_flags


@kernel
def _take_marks(
    text: np.ndarray, i: int, length: int, alphabet: Alphabet, value: np.uint64
) -> tuple[int, int, np.uint64]:
    while i < len(text):
        point, size = decode(text, i)
        if not alphabet.flags[alphabet.classes[point]] & MARK:
            break
        value = (value ^ np.uint64(point)) * PRIME
        length += 1
        i += size
    return i, length, value


@kernel
def _is_letter(text: np.ndarray, i: int, alphabet: Alphabet) -> bool:
    point, _ = decode(text, i)
    return bool(alphabet.flags[alphabet.classes[point]] & LETTER)


@kernel
def _finish_run(text: np.ndarray, i: int, point: int, value: np.uint64) -> tuple[int, int, np.uint64]:
    """The rest of a run of full stops or hyphens: end, characters, hash."""
    length = 1
    while i < len(text) and text[i] == point:
        value = (value ^ np.uint64(point)) * PRIME
        length += 1
        i += 1
    return i, length, value


@kernel
def split_given(text: np.ndarray, alphabet: Alphabet, words: Words, lengths: np.ndarray) -> int:
    """Writes the words of a text that is cut into pieces of these lengths; pieces of white space are no words."""
    i = n = piece = 0
    while i < len(text):
        words.begins[n] = i
        value, any_flags, all_flags = SEED, np.uint32(0), ALL
        length, wanted = 0, max(lengths[piece], 1) if piece < len(lengths) else 1
        while i < len(text) and length < wanted:
            point, size = decode(text, i)
            flags = alphabet.flags[alphabet.classes[point]]
            value = (value ^ np.uint64(point)) * PRIME
            any_flags |= flags
            all_flags &= flags
            length += 1
            i += size
        piece += 1
        if all_flags & SPACE:
            continue
        words.flags[n] = describe(any_flags, all_flags, length)
        words.hashes[n] = mix(value)
        words.sums[n + 1] = words.sums[n] + length
        n += 1
    return n


@kernel
def next_chunk(text: np.ndarray, i: int, alphabet: Alphabet) -> tuple[int, int, np.uint64]:
    """Where the next run of characters without white space begins and ends, and its hash; begin = end if none is left.

    The hash is of bytes, not of characters: it never meets the hashes of words.
    """
    end = len(text)
    while i < end:
        point, size = decode(text, i)
        if not alphabet.flags[alphabet.classes[point]] & SPACE:
            break
        i += size
    begin, value = i, SEED
    while i < end:
        byte = text[i]
        if byte < 0x80:
            if alphabet.flags[byte] & SPACE:
                break
        elif byte >= 0xC0:
            point, _ = decode(text, i)
            if alphabet.flags[alphabet.classes[point]] & SPACE:
                break
        value = (value ^ np.uint64(byte)) * PRIME
        i += 1
    return begin, i, mix(value)


@kernel
def find_chunk(keys: np.ndarray, key: np.uint64) -> int:
    """The slot of a key, or the free slot where it would be."""
    mask = len(keys) - 1
    slot = np.int64(key & np.uint64(mask))
    while keys[slot] != key and keys[slot] != np.uint64(0):
        slot = (slot + 1) & mask
    return slot  # type: ignore[return-value]  # see `signed`


@kernel
def split_chunks(text: np.ndarray, words: Words, table: ChunkTable, first: int) -> int:
    """As `split_unicode`, with the tokens of a table; a chunk that is not in it is one word."""
    i, n, last_end, alphabet = 0, first, 0, table.alphabet
    while True:
        begin, i, key = next_chunk(text, i, alphabet)
        if begin == i:
            return n
        slot = find_chunk(table.keys, key)
        gap = AFTER_GAP * (begin - last_end > 1 or (begin > last_end and (begin == 1 or text[begin - 1] != 32)))
        last_end = i
        if table.keys[slot] != key:
            words.hashes[n], length, flags = describe_run(text[begin:i], alphabet)
            words.begins[n] = begin
            words.flags[n] = flags | gap
            words.sums[n + 1] = words.sums[n] + length
            n += 1
            continue
        for token in range(table.firsts[slot], table.firsts[slot] + table.numbers[slot]):
            words.begins[n] = begin
            words.hashes[n] = table.hashes[token]
            words.flags[n] = table.flags[token] | gap
            words.sums[n + 1] = words.sums[n] + table.characters[token]
            gap = 0
            n += 1
