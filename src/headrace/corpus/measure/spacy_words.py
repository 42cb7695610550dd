"""datatrove's English words: the tokens of spaCy's rule-based tokenizer, from a cache.

spaCy tokenizes every run of characters without white space by itself, whatever stands around it, and datatrove drops
its
tokens of white space. So each such chunk is tokenized once in the life of a process, and a kernel looks the tokens up
by the
chunk's hash. What a chunk gives never depends on the cache.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import lean_kernel
from headrace.corpus.measure.characters import Alphabet, alphabet
from headrace.corpus.measure.page import hash_bytes
from headrace.corpus.measure.segment import ChunkTable, describe_run, find_chunk, no_chunks
from headrace.corpus.texts import Bytes, Offsets, Texts
from headrace.errors import RecipeError

MOST_CHUNKS = 1 << 20
"""Kept at most, 60 MB: then the cache begins anew. English of all kinds has about 30,000 different chunks a MB at
first."""

MOST_MISSING, MISSING_BYTES = 1 << 16, 1 << 22
"""Chunks that are tokenized at a time."""

BREAKS_SPACY = "IS_ALPHA"
"""A text for which spaCy may raise an error; datatrove then leaves it out, and so do we."""


class _Cache:
    """The chunks seen so far; arrays grow by doubling."""

    def __init__(self) -> None:
        self.table = no_chunks(1 << 16, num_tokens=1 << 17, num_missing=MOST_MISSING, missing_bytes=MISSING_BYTES)
        self.num_chunks = self.num_tokens = 0

    def add(self, chunks: Sequence[str]) -> None:
        """Takes in chunks that are not in it."""
        tokenizer = _tokenizer()
        tokens = [_tokenize(tokenizer, chunk) for chunk in chunks]
        self.num_chunks += len(chunks)
        num_new = sum(map(len, tokens))
        self.table = _bigger(self.table, 2 * self.num_chunks, self.num_tokens + num_new)
        numbers = np.fromiter(map(len, tokens), np.int32, len(tokens))
        words = [token for of_chunk in tokens for token in of_chunk]
        _insert(*_joined(chunks), numbers, *_joined(words), alphabet(), self.table, self.num_tokens)
        self.num_tokens += num_new


def _joined(strings: Sequence[str]) -> tuple[Bytes, Offsets]:
    """The strings as bytes, one after the other, and where each begins and the last ends."""
    texts = Texts.from_strings(strings)
    return texts.data, texts.offsets


@cache
def _caches() -> list[_Cache]:
    return [_Cache()]


def chunk_table(longest: int) -> ChunkTable:
    """The table to look the chunks of texts of at most so many bytes up in; `add_missing` is for those not in it.

    Raises RecipeError if spaCy is not installed.
    """
    _tokenizer()
    if _caches()[0].num_chunks > MOST_CHUNKS:
        _caches()[0] = _Cache()
    found = _caches()[0]
    if len(found.table.missing) < longest:
        found.table = found.table._replace(missing=np.empty(longest, np.uint8))
    return found.table


def add_missing(table: ChunkTable) -> ChunkTable:
    """The table with the chunks that were missing, as many as it had room to write down: at least one."""
    number = min(int(table.num_missing[0]), MOST_MISSING)
    ends = table.missing_ends[:number].tolist()
    chunks = (table.missing[begin:end].tobytes().decode() for begin, end in zip([0, *ends], ends, strict=False))
    _caches()[0].add(list(filter(None, dict.fromkeys(chunks))))
    table.num_missing[0] = 0
    return _caches()[0].table


def _tokenize(tokenizer: Any, chunk: str) -> list[str]:
    try:
        tokens = [token.text for token in tokenizer(chunk)]
    except Exception:
        if BREAKS_SPACY not in chunk:
            raise
        tokens = [token.text for token in tokenizer(chunk.replace(BREAKS_SPACY, ""))]
    return [stripped for token in tokens if (stripped := token.strip())]


@cache
def _tokenizer() -> Any:
    try:
        import spacy
    except ImportError as error:
        raise RecipeError(
            'words: "datatrove" needs spaCy, whose tokens they are, and it is not installed; '
            "run: pip install 'headrace[datatrove-words]'"
        ) from error
    return spacy.blank("en").tokenizer


def _bigger(table: ChunkTable, num_slots: int, num_tokens: int) -> ChunkTable:
    """The table with room for more, itself if it has it."""
    if len(table.hashes) < num_tokens:
        size = max(2 * len(table.hashes), num_tokens)
        table = table._replace(
            hashes=_grown(table.hashes, size),
            characters=_grown(table.characters, size),
            flags=_grown(table.flags, size),
        )
    if len(table.keys) < num_slots:
        size = 1 << (num_slots - 1).bit_length()
        keys, firsts, numbers = np.zeros(size, np.uint64), np.zeros(size, np.int32), np.zeros(size, np.int32)
        _move(table.keys, table.firsts, table.numbers, keys, firsts, numbers)
        table = table._replace(keys=keys, firsts=firsts, numbers=numbers)
    return table


def _grown(values: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    grown = np.zeros(size, values.dtype)
    grown[: len(values)] = values
    return grown


@lean_kernel
def _move(
    old_keys: np.ndarray,
    old_firsts: np.ndarray,
    old_numbers: np.ndarray,
    keys: np.ndarray,
    firsts: np.ndarray,
    numbers: np.ndarray,
) -> None:
    for old in range(len(old_keys)):
        if old_keys[old] != np.uint64(0):
            slot = find_chunk(keys, old_keys[old])
            keys[slot], firsts[slot], numbers[slot] = old_keys[old], old_firsts[old], old_numbers[old]


@lean_kernel
def _insert(
    data: np.ndarray,
    begins: np.ndarray,
    numbers: np.ndarray,
    token_data: np.ndarray,
    token_begins: np.ndarray,
    alphabet: Alphabet,
    table: ChunkTable,
    first: int,
) -> None:
    """Puts chunks of so many tokens each into the table."""
    token = 0
    for n in range(len(numbers)):
        key = hash_bytes(data[begins[n] : begins[n + 1]])
        slot = find_chunk(table.keys, key)
        table.keys[slot], table.firsts[slot], table.numbers[slot] = key, first + token, numbers[n]
        for _ in range(numbers[n]):
            word = token_data[token_begins[token] : token_begins[token + 1]]
            table.hashes[first + token] = hash_bytes(word)
            table.characters[first + token], table.flags[first + token] = describe_run(word, alphabet)
            token += 1
