"""Texts as words, in kernels: three ways to find where words begin and end, one way to write them down.

`unicode` reproduces the regular expressions of `words.py`; `given` takes the lengths that a segmenter found (Chinese);
`chunks` looks every run of characters without white space up in a table of spaCy's tokens (`spacy_words.py`).
"""

import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel
from headrace.corpus.measure.bits import first_one, marked_at
from headrace.corpus.measure.characters import (
    ALPHA,
    IS_SPACE,
    NUM_ASCII,
    PUNCT,
    PUNCTUATION,
    SPACE,
    STOP,
    SYMBOLS,
    Alphabet,
    flags_at,
    signed,
)
from headrace.corpus.measure.page import ALL_BITS, ONE, PAD, WORD_BEGINS, WORD_ENDED, Page, hash_part

HAS_ALPHA, IS_SYMBOL, IS_PUNCT, ENDS_SENTENCE, AFTER_GAP = (1 << bit for bit in range(5))
"""What a word is: AFTER_GAP if spaCy would make a token of the white space before it."""

ALL, HIGH_BIT = np.uint32(0xFFFFFFFF), np.uint8(0x80)
BEGINS, ENDED = np.uint8(WORD_BEGINS), np.uint8(WORD_ENDED)

ONE_TOKEN, FLAG_BITS, FIRST_BIT, MOST_TOKENS = 1, 8, 32, 0xFFFFFFFF
"""How a `ChunkTable` packs its numbers."""

ALL_OF = IS_SYMBOL | IS_PUNCT
"""What a word is only if all of its characters are."""


def _ascii_word(character: str) -> int:
    """What the character is as a word."""
    return (
        HAS_ALPHA * character.isalpha()
        | IS_SYMBOL * (character in SYMBOLS)
        | IS_PUNCT * (unicodedata.category(character)[0] == "P")
        | ENDS_SENTENCE * (character in ".!?")
    )


ASCII_WORDS = np.array([_ascii_word(chr(byte)) for byte in range(NUM_ASCII)], np.uint8)

ASCII_LENGTHS = np.where(ASCII_WORDS & HAS_ALPHA, np.iinfo(np.int32).max, 1).astype(np.int32)
"""The longest word that is all that its first character is, if it is of ASCII."""


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
    """Chunk -> tokens, by the chunk's hash; open addressing. Few look-ups find what they want near the processor, and
    so what belongs together lies together."""

    slots: npt.NDArray[np.uint64]
    """Pairs, a power of two of them: the chunk's hash, 0 if the slot is free; and its tokens, see `one_token`."""
    tokens: npt.NDArray[np.uint64]
    """Pairs: a token's hash; its characters and flags."""
    missing: npt.NDArray[np.uint8]
    """Chunks that were looked up and not found, one after the other."""
    missing_ends: npt.NDArray[np.int64]
    """Where each ends; of the last ones perhaps nothing is there, for want of room."""
    num_missing: npt.NDArray[np.int64]
    """(1,) How many there were, even where there was no room."""
    used: npt.NDArray[np.int64]
    """(2,) Chunks and tokens in the table."""


class FoundChunks(NamedTuple):
    """The chunks of N texts, in order."""

    firsts: npt.NDArray[np.int64]
    """(N + 1,) Of each text the first chunk's number; all 0 if none were looked for."""
    begins: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    """Bytes of the text before it and up to its end."""
    keys: npt.NDArray[np.uint64]
    values: npt.NDArray[np.uint64]
    """What is in its slot of the table, or was to be put there when it was found: then 0."""


def no_found_chunks(num_texts: int, capacity: int = 0) -> FoundChunks:
    """Room for so many."""
    firsts = np.zeros(num_texts + 1, np.int64)
    begins, ends = np.empty((2, capacity), np.int32)
    keys, values = np.empty((2, capacity), np.uint64)
    return FoundChunks(firsts, begins, ends, keys, values)


def no_chunks(size: int = 1, *, num_tokens: int = 0, num_missing: int = 0, missing_bytes: int = 0) -> ChunkTable:
    """A table without a chunk, with so many slots and so much room."""
    return ChunkTable(
        np.zeros(2 * size, np.uint64),
        np.zeros(2 * num_tokens, np.uint64),
        np.empty(missing_bytes, np.uint8),
        np.empty(num_missing, np.int64),
        np.zeros(1, np.int64),
        np.zeros(2, np.int64),
    )


def empty_words(capacity: int) -> Words:
    """Room for so many words. Memory that no word is written to is never taken from the system."""
    return Words(
        np.empty(capacity, np.uint64),
        np.zeros(capacity + 1, np.int32),
        np.empty(capacity, np.int32),
        np.empty(capacity, np.uint8),
    )


@inner_kernel
def words_behind(words: Words, first: int) -> Words:
    """Room for words behind the first so many."""
    words.sums[first] = 0
    return Words(words.hashes[first:], words.sums[first:], words.begins[first:], words.flags[first:])


@inner_kernel
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


@inner_kernel
def describe_run(text: np.ndarray, alphabet: Alphabet) -> tuple[int, int]:
    """Number of characters and flags of a word."""
    i = length = 0
    any_flags, all_flags = np.uint32(0), ALL
    while i < len(text):
        flags, size = flags_at(text, i, alphabet)
        any_flags |= flags
        all_flags &= flags
        length += 1
        i += size
    return length, describe(any_flags, all_flags, length)


@inner_kernel
def split_unicode(text: np.ndarray, page: Page, alphabet: Alphabet, words: Words) -> int:
    """Writes the words of the text, which is on the page; returns their number."""
    number, total = _find_words(page, len(text), words), 0
    for n in range(np.uint64(number)):
        begin, end = signed(words.begins[n]), signed(words.sums[n + np.uint64(1)])
        words.hashes[n] = hash_part(page, begin, end)
        first = page.bytes[np.uint64(begin + PAD)] & 0x7F
        length, flags = end - begin, signed(ASCII_WORDS[first])
        if not page.is_ascii[0] and has_more(page, begin, end):
            length, flags = describe_run(text[begin:end], alphabet)
        elif length > ASCII_LENGTHS[first]:
            flags = _describe_ascii(text[begin:end])
        total += length
        words.flags[n], words.sums[n + np.uint64(1)] = flags, total
    return number


@inner_kernel
def _find_words(page: Page, size: int, words: Words) -> int:
    """Writes where words begin to `begins` and where they end to `sums`."""
    begun, ended = np.uint64(0), ONE
    for base in range(0, size + 1, 64):
        inside = ALL_BITS >> np.uint64(max(base + 63 - size, 0))
        found = marked_at(page.marks, np.uint64(base + PAD), BEGINS) & inside
        while found:
            words.begins[begun] = base + signed(first_one(found))
            begun += ONE
            found &= found - ONE
        found = marked_at(page.marks, np.uint64(base + PAD), ENDED) & inside
        while found:
            words.sums[ended] = base + signed(first_one(found))
            ended += ONE
            found &= found - ONE
    return signed(begun)


@inner_kernel
def has_more(page: Page, begin: int, end: int) -> bool:
    """Whether a part of the page's text is more than ASCII, or longer than can be told at once."""
    outside = 64 - (end - begin)
    return outside < 0 or marked_at(page.bytes, np.uint64(begin + PAD), HIGH_BIT) << np.uint64(outside) != 0


@inner_kernel
def _describe_ascii(word: np.ndarray) -> int:
    """The flags of a word of at least two characters."""
    any_flags, all_flags = 0, ALL_OF
    for byte in word:
        any_flags |= signed(ASCII_WORDS[byte])
        all_flags &= signed(ASCII_WORDS[byte])
    return any_flags & HAS_ALPHA | all_flags


@inner_kernel
def split_given(text: np.ndarray, page: Page, alphabet: Alphabet, words: Words, lengths: np.ndarray) -> int:
    """Writes the words of a text that is cut into pieces of these lengths; pieces of white space are no words."""
    i = n = piece = 0
    while i < len(text):
        begin = i
        any_flags, all_flags = np.uint32(0), ALL
        length, wanted = 0, max(lengths[piece], 1) if piece < len(lengths) else 1
        while i < len(text) and length < wanted:
            flags, size = flags_at(text, i, alphabet)
            any_flags |= flags
            all_flags &= flags
            length += 1
            i += size
        piece += 1
        if all_flags & SPACE:
            continue
        words.begins[n] = begin
        words.flags[n] = describe(any_flags, all_flags, length)
        words.hashes[n] = hash_part(page, begin, i)
        words.sums[n + 1] = words.sums[n] + length
        n += 1
    return n


@inner_kernel
def find_chunk(keys: np.ndarray, key: np.uint64) -> int:
    """The slot of a key, or the free slot where it would be."""
    mask = len(keys) - 1
    slot = np.int64(key & np.uint64(mask))
    while keys[slot] != key and keys[slot] != np.uint64(0):
        slot = (slot + 1) & mask
    return slot  # type: ignore[return-value]  # see `signed`


@inner_kernel
def find_slot(slots: np.ndarray, key: np.uint64) -> int:
    """As `find_chunk`, in the pairs of a `ChunkTable`."""
    mask = len(slots) - 1
    slot = np.int64(key << np.uint64(1) & np.uint64(mask))
    while slots[slot] != key and slots[slot] != np.uint64(0):
        slot = (slot + 2) & mask
    return slot  # type: ignore[return-value]  # see `signed`


@inner_kernel
def describe_token(word: np.ndarray, alphabet: Alphabet) -> int:
    """A token's characters and flags in one number."""
    length, flags = describe_run(word, alphabet)
    return length << FLAG_BITS | flags


@inner_kernel
def one_token(described: int) -> int:
    """What stands in the slot of a chunk that is one token."""
    return described << 1 | ONE_TOKEN


@inner_kernel
def several_tokens(first: int, number: int) -> int:
    """What stands in the slot of a chunk whose tokens, so many, begin there in `tokens`."""
    return first << FIRST_BIT | number << 1


@inner_kernel
def split_chunks(text: np.ndarray, page: Page, words: Words, table: ChunkTable) -> int:
    """As `split_unicode`, with the tokens of a table; what is not in it is written to its list of missing chunks."""
    i = n = last_end = 0
    while True:
        begin = i
        while begin < len(text) and page.kinds[begin + PAD] & IS_SPACE:
            begin += 1
        if begin == len(text):
            return n
        i = begin
        while not page.kinds[i + PAD] & IS_SPACE:
            i += 1
        key = hash_part(page, begin, i)
        slot = find_slot(table.slots, key)
        if table.slots[slot] != key:
            miss(text[begin:i], table)
            continue
        n = _write_tokens(words, n, (begin, _gap(text, last_end, begin), key, table.slots[slot + 1]), table)
        last_end = i


@inner_kernel
def found_in(found: FoundChunks, row: int) -> FoundChunks:
    """The chunks of one text."""
    first, after = found.firsts[row], found.firsts[row + 1]
    return FoundChunks(
        found.firsts,
        found.begins[first:after],
        found.ends[first:after],
        found.keys[first:after],
        found.values[first:after],
    )


@inner_kernel
def split_found(text: np.ndarray, words: Words, found: FoundChunks, table: ChunkTable) -> int:
    """As `split_chunks`, where the text's chunks have been found."""
    n = last_end = 0
    for k in range(len(found.keys)):
        begin, end = signed(found.begins[k]), signed(found.ends[k])
        key, value = found.keys[k], found.values[k]
        if value == np.uint64(0):
            slot = find_slot(table.slots, key)
            if table.slots[slot] != key:
                miss(text[begin:end], table)
                continue
            value = table.slots[slot + 1]
        n = _write_tokens(words, n, (begin, _gap(text, last_end, begin), key, value), table)
        last_end = end
    return n


@inner_kernel
def _gap(text: np.ndarray, last_end: int, begin: int) -> int:
    """AFTER_GAP if there is more than a blank between two chunks."""
    return AFTER_GAP * (begin - last_end > 1 or (begin > last_end and (begin == 1 or text[begin - 1] != 32)))


@inner_kernel
def _write_tokens(words: Words, n: int, chunk: tuple[int, int, np.uint64, np.uint64], table: ChunkTable) -> int:
    """Writes the tokens of a chunk (where it begins, the gap before it, its hash, what stands in its slot); returns the
    next word's number."""
    begin, gap, key, packed = chunk
    value = signed(packed)
    if value & ONE_TOKEN:
        _write_token(words, n, (begin, gap, key, value >> 1))
        return n + 1
    first, number = value >> FIRST_BIT, (value & MOST_TOKENS) >> 1
    for k in range(number):
        token = 2 * (first + k)
        _write_token(words, n + k, (begin, gap * (k == 0), table.tokens[token], signed(table.tokens[token + 1])))
    return n + number


@inner_kernel
def _write_token(words: Words, n: int, token: tuple[int, int, np.uint64, int]) -> None:
    begin, gap, token_hash, described = token
    words.begins[n], words.hashes[n], words.flags[n] = begin, token_hash, described & 0xFF | gap
    words.sums[n + 1] = words.sums[n] + (described >> FLAG_BITS)


@inner_kernel
def miss(chunk: np.ndarray, table: ChunkTable) -> None:
    """Adds to the missing chunks, if there is room."""
    number = table.num_missing[0]
    table.num_missing[0] += 1
    begin = table.missing_ends[number - 1] if 0 < number <= len(table.missing_ends) else 0
    if number < len(table.missing_ends):
        fits = begin + len(chunk) <= len(table.missing)
        table.missing_ends[number] = begin + len(chunk) * fits
        for i in range(len(chunk) * fits):
            table.missing[begin + i] = chunk[i]
