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

from headrace.corpus.cuts import remove
from headrace.corpus.measure.characters import Alphabet, alphabet
from headrace.corpus.measure.lean import kernel
from headrace.corpus.measure.line_cuts import citation_cuts
from headrace.corpus.measure.segment import ChunkTable, describe_run, find_chunk, next_chunk, no_chunks
from headrace.corpus.texts import Texts
from headrace.errors import RecipeError

MOST_CHUNKS = 1 << 20
"""Kept at most, 60 MB: then the cache begins anew. English of all kinds has about 30,000 different chunks a MB at
first."""

BREAKS_SPACY = "IS_ALPHA"
"""A text for which spaCy may raise an error; datatrove then leaves it out, and so do we."""


class _Cache:
    """The chunks seen so far; arrays grow by doubling."""

    def __init__(self) -> None:
        self.table = _bigger(no_chunks(), 1 << 16, 1 << 17)
        self.num_chunks = self.num_tokens = 0

    def add(self, keys: Sequence[int], tokens: Sequence[Sequence[str]]) -> None:
        """Takes in the tokens of chunks that are not in it."""
        if self.num_chunks + len(keys) > MOST_CHUNKS:
            self.__init__()  # type: ignore[misc]
        self.num_chunks += len(keys)
        num_new = sum(map(len, tokens))
        self.table = _bigger(self.table, 2 * self.num_chunks, self.num_tokens + num_new)
        numbers = np.fromiter(map(len, tokens), np.int32, len(tokens))
        pieces = [token.encode() for of_chunk in tokens for token in of_chunk]
        places = np.concatenate(([0], np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)))))
        data = np.frombuffer(b"".join(pieces) or b" ", np.uint8)
        _insert(np.array(keys, np.uint64), numbers, data, places, alphabet(), self.table, self.num_tokens)
        self.num_tokens += num_new


@cache
def _cache() -> _Cache:
    return _Cache()


def chunks_of(texts: Texts) -> ChunkTable:
    """A table with every chunk of the texts, with and without the citations in them."""
    tokenizer = _tokenizer()
    cuts = citation_cuts(texts)
    for some in (texts, remove(texts, cuts)) if len(cuts) else (texts,):
        keys, chunks = _unknown(some)
        if keys:
            _cache().add(keys, [_tokenize(tokenizer, chunk) for chunk in chunks])
    return _cache().table


def _unknown(texts: Texts) -> tuple[list[int], list[str]]:
    """The chunks that are not in the cache, each once, with their keys."""
    data = texts.data.view()
    data.flags.writeable = False
    found = np.empty((max(len(data) // 2 + len(texts) + 1, 1), 2), np.int64)
    keys = np.empty(len(found), np.uint64)
    number = _find_unknown(data, texts.offsets, alphabet(), _cache().table.keys, keys, found)
    _, firsts = np.unique(keys[:number], return_index=True)
    firsts.sort()
    chunks = [data[begin:end].tobytes().decode() for begin, end in found[firsts].tolist()]
    return keys[firsts].tolist(), chunks


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


@kernel
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


@kernel
def _find_unknown(
    data: np.ndarray, offsets: np.ndarray, alphabet: Alphabet, known: np.ndarray, keys: np.ndarray, found: np.ndarray
) -> int:
    """Writes the hashes of unknown chunks to `keys`, where in `data` they begin and end to `found`; returns their
    number."""
    number = 0
    for row in range(len(offsets) - 1):
        text, i = data[offsets[row] : offsets[row + 1]], 0
        while True:
            begin, i, key = next_chunk(text, i, alphabet)
            if begin == i:
                break
            if known[find_chunk(known, key)] != key:
                keys[number], found[number, 0], found[number, 1] = key, offsets[row] + begin, offsets[row] + i
                number += 1
    return number


@kernel
def _insert(
    keys: np.ndarray,
    numbers: np.ndarray,
    data: np.ndarray,
    places: np.ndarray,
    alphabet: Alphabet,
    table: ChunkTable,
    first: int,
) -> None:
    """Puts chunks of so many tokens each into the table; token k is data[places[k]:places[k + 1]]."""
    token = 0
    for n in range(len(keys)):
        slot = find_chunk(table.keys, keys[n])
        table.keys[slot], table.firsts[slot], table.numbers[slot] = keys[n], first + token, numbers[n]
        for _ in range(numbers[n]):
            value, length, flags = describe_run(data[places[token] : places[token + 1]], alphabet)
            table.hashes[first + token] = value
            table.characters[first + token] = length
            table.flags[first + token] = flags
            token += 1
