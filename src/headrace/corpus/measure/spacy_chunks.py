"""A table of the chunks seen so far with their tokens, which kernels fill."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.measure.characters import (
    FIRST_LEAD,
    IS_SPACE,
    NUM_ASCII,
    SPACE,
    Alphabet,
    alphabet,
    flags_at,
    signed,
)
from headrace.corpus.measure.page import PAD, Page, empty_page, hash_bytes, hash_part
from headrace.corpus.measure.segment import (
    FIRST_BIT,
    MOST_TOKENS,
    ONE_TOKEN,
    ChunkTable,
    FoundChunks,
    describe_token,
    find_slot,
    miss,
    no_chunks,
    no_found_chunks,
    one_token,
    several_tokens,
)
from headrace.corpus.measure.spacy_rules import Rules
from headrace.corpus.measure.spacy_tokens import Desk, cut_chunk, empty_desk
from headrace.corpus.texts import Texts

MOST_MISSING, MISSING_BYTES = 1 << 16, 1 << 22
"""Chunks that are asked for at a time."""

CHUNKS, TOKENS = range(2)
SPACE_BIT = IS_SPACE.bit_length() - 1


class _Tools(NamedTuple):
    """What a kernel needs to find tokens: tables, and room for one text."""

    alphabet: Alphabet
    rules: Rules
    desk: Desk
    page: Page
    """Only the text, and what of it is white space."""


class Chunks:
    """The chunks seen so far; arrays grow by doubling."""

    def __init__(self) -> None:
        self.table = no_chunks(1 << 16, num_tokens=1 << 17, num_missing=MOST_MISSING, missing_bytes=MISSING_BYTES)

    def __len__(self) -> int:
        return int(self.table.used[CHUNKS])

    def make_room(self, longest: int) -> None:
        """For a missing chunk of so many bytes."""
        if len(self.table.missing) < longest:
            self.table = self.table._replace(missing=np.empty(longest, np.uint8))

    def learn(self, texts: Texts, rules: Rules) -> FoundChunks:
        """Finds the chunks of the texts, and takes in the new ones; those that the rules do not decide are missing
        then."""
        longest, row = int(texts.sizes.max(initial=0)), 0
        found = no_found_chunks(len(texts), len(texts) + int(texts.sizes.sum()) // 2 + 2)
        tools = _Tools(alphabet(), rules, empty_desk(longest), empty_page(longest))
        while True:
            row = _learn(texts.data, texts.offsets, row, tools, found, self.table)
            if row == len(texts):
                return found
            self._grow(1, longest)

    def add(self, chunks: Sequence[str], tokens: Sequence[Sequence[str]]) -> None:
        """Takes in chunks that are not in it, with the tokens of each."""
        words = Texts.from_strings([token for of_chunk in tokens for token in of_chunk])
        self._grow(len(chunks), len(words))
        numbers = np.fromiter(map(len, tokens), np.int32, len(tokens))
        texts = Texts.from_strings(chunks)
        _insert(texts.data, texts.offsets, numbers, words.data, words.offsets, alphabet(), self.table)

    def take_missing(self) -> list[str]:
        """The chunks that are missing, each once, as many as there was room to write down; then none is."""
        table = self.table
        ends = table.missing_ends[: min(int(table.num_missing[0]), MOST_MISSING)].tolist()
        chunks = (table.missing[begin:end].tobytes().decode() for begin, end in zip([0, *ends], ends, strict=False))
        table.num_missing[0] = 0
        return list(filter(None, dict.fromkeys(chunks)))

    def contents(self) -> dict[int, list[tuple[int, int]]]:
        """Hash of a chunk -> hash of each token with its characters and flags in one number."""
        keys, values = self.table.slots[::2], self.table.slots[1::2]
        tokens = self.table.tokens[: 2 * self.table.used[TOKENS]].tolist()
        pairs, found = list(zip(tokens[::2], tokens[1::2], strict=True)), {}
        for slot in np.flatnonzero(keys).tolist():
            key, value = int(keys[slot]), int(values[slot])
            first, number = value >> FIRST_BIT, (value & MOST_TOKENS) >> 1
            found[key] = [(key, value >> 1)] if value & ONE_TOKEN else pairs[first : first + number]
        return found

    def _grow(self, num_chunks: int, num_tokens: int) -> None:
        """Makes room for so many more."""
        table, num_slots = self.table, 2 * (len(self) + num_chunks)
        num_tokens += int(table.used[TOKENS])
        if len(table.tokens) < 2 * num_tokens:
            tokens = np.zeros(max(2 * len(table.tokens), 2 * num_tokens), np.uint64)
            tokens[: len(table.tokens)] = table.tokens
            table = table._replace(tokens=tokens)
        if len(table.slots) < 2 * num_slots:
            slots = np.zeros(2 << (num_slots - 1).bit_length(), np.uint64)
            _move(table.slots, slots)
            table = table._replace(slots=slots)
        self.table = table


@lean_kernel
def _move(old_slots: np.ndarray, slots: np.ndarray) -> None:
    for old in range(0, len(old_slots), 2):
        if old_slots[old] != np.uint64(0):
            slot = find_slot(slots, old_slots[old])
            slots[slot], slots[slot + 1] = old_slots[old], old_slots[old + 1]


@lean_kernel
def _insert(
    data: np.ndarray,
    begins: np.ndarray,
    numbers: np.ndarray,
    token_data: np.ndarray,
    token_begins: np.ndarray,
    alphabet: Alphabet,
    table: ChunkTable,
) -> None:
    """Puts chunks of so many tokens each into the table."""
    token = 0
    for n in range(len(numbers)):
        key = hash_bytes(data[begins[n] : begins[n + 1]])
        _add_chunk(key, several_tokens(table.used[TOKENS], signed(numbers[n])), table)
        for _ in range(numbers[n]):
            _add_token(token_data[token_begins[token] : token_begins[token + 1]], alphabet, table)
            token += 1


@inner_kernel
def _add_chunk(key: np.uint64, value: int, table: ChunkTable) -> None:
    slot = find_slot(table.slots, key)
    table.slots[slot], table.slots[slot + 1] = key, value
    table.used[CHUNKS] += 1


@inner_kernel
def _add_token(word: np.ndarray, alphabet: Alphabet, table: ChunkTable) -> None:
    token = 2 * table.used[TOKENS]
    table.tokens[token], table.tokens[token + 1] = hash_bytes(word), describe_token(word, alphabet)
    table.used[TOKENS] += 1


@lean_kernel
def _learn(
    data: np.ndarray,
    offsets: np.ndarray,
    first_row: int,
    tools: _Tools,
    found: FoundChunks,
    table: ChunkTable,
) -> int:
    """Finds and takes in the chunks of the texts from a row on; returns the row at which there is no more room."""
    for row in range(first_row, len(offsets) - 1):
        text, first = data[offsets[row] : offsets[row + 1]], found.firsts[row]
        after = first + _find_chunks(text, tools.alphabet, tools.page, found.begins[first:], found.ends[first:])
        found.firsts[row + 1] = after
        k = _look_up(tools.page, found, first, after, table.slots)
        while k < after:
            chunk = text[found.begins[k] : found.ends[k]]
            if _is_full(table, len(chunk)):
                return row
            found.values[k] = _take_in(chunk, found.keys[k], tools, table)
            k = _look_up(tools.page, found, k + 1, after, table.slots)
    return len(offsets) - 1


@inner_kernel
def _look_up(page: Page, found: FoundChunks, k: int, after: int, slots: np.ndarray) -> int:
    """Writes what is known of the chunks from number k on; returns the number of the first that is new.

    Has no argument that it can do without: to copy all the tables for every chunk takes four times as long as this.
    """
    while k < after:
        key = hash_part(page, signed(found.begins[k]), signed(found.ends[k]))
        slot = find_slot(slots, key)
        found.keys[k], found.values[k] = key, slots[slot + 1]
        if slots[slot] != key:
            return k
        k += 1
    return k


@inner_kernel
def _is_full(table: ChunkTable, size: int) -> bool:
    """Whether there is no room for a chunk of so many bytes."""
    return bool(4 * table.used[CHUNKS] >= len(table.slots) or 2 * (table.used[TOKENS] + size) > len(table.tokens))


@inner_kernel
def _find_chunks(text: np.ndarray, alphabet: Alphabet, page: Page, begins: np.ndarray, ends: np.ndarray) -> int:
    """Writes where the chunks of a text begin and end. As in `_find_words`, no branch depends on the text."""
    seen = np.uint8(0)
    for i in range(np.uint64(len(text))):
        byte = text[i]
        page.bytes[i + np.uint64(PAD)] = byte
        page.kinds[i + np.uint64(PAD)] = alphabet.byte_kinds[byte]
        seen |= byte
    page.kinds[PAD - 1] = page.kinds[len(text) + PAD] = IS_SPACE
    if seen >= NUM_ASCII:
        _mark_spaces(text, alphabet, page)
    begun, ended, before = np.uint64(0), np.uint64(0), np.uint64(IS_SPACE)
    for i in range(np.uint64(len(text) + 1)):
        kind = np.uint64(page.kinds[i + np.uint64(PAD)] & IS_SPACE)
        begins[begun] = ends[ended] = i
        begun += (before & ~kind) >> np.uint64(SPACE_BIT)
        ended += (kind & ~before) >> np.uint64(SPACE_BIT)
        before = kind
    return signed(begun)


@inner_kernel
def _mark_spaces(text: np.ndarray, alphabet: Alphabet, page: Page) -> None:
    """White space that is not ASCII."""
    for i in range(len(text)):
        if text[i] >= FIRST_LEAD:
            flags, size = flags_at(text, i, alphabet)
            for k in range(i, i + size * (flags & SPACE != 0)):
                page.kinds[k + PAD] = IS_SPACE


@inner_kernel
def _take_in(chunk: np.ndarray, key: np.uint64, tools: _Tools, table: ChunkTable) -> int:
    """Puts a chunk into the table; returns what it puts there, 0 if it is missing."""
    alphabet, desk = tools.alphabet, tools.desk
    number, first = cut_chunk(chunk, tools.rules, desk), signed(table.used[TOKENS])
    if number == 0:
        miss(chunk, table)
        return 0
    if number == 1:
        value = one_token(describe_token(chunk, alphabet))
    else:
        value = several_tokens(first, number)
        for n in range(number):
            _add_token(chunk[desk.begins[desk.firsts[n]] : desk.begins[desk.firsts[n + 1]]], alphabet, table)
    _add_chunk(key, value, table)
    return value
