"""datatrove's English words: the tokens of spaCy's rule-based tokenizer.

spaCy tokenizes every run of characters without white space by itself, whatever stands around it, and datatrove drops
its tokens of white space. So the tokens of each such chunk are found once in the life of a process, and a kernel looks
them up by the chunk's hash. What a chunk gives never depends on this cache.

Kernels find them (`spacy_tokens.py`), by rules that are read once from the installed spaCy (`spacy_rules.py`). spaCy
itself, which takes seconds to import and 30 us a chunk, is asked for the rare chunk that they leave to it, and for all
if it has rules of kinds they do not know.
"""

from functools import cache

from headrace.corpus.measure.segment import ChunkTable, FoundChunks, no_found_chunks
from headrace.corpus.measure.spacy_chunks import Chunks
from headrace.corpus.measure.spacy_package import load_rules, tokenize
from headrace.corpus.texts import Texts

MOST_CHUNKS = 1 << 20
"""Kept at most, 60 MB: then the cache begins anew. English of all kinds has about 30,000 different chunks a MB at
first."""


@cache
def _caches() -> list[Chunks]:
    return [Chunks()]


def find_chunks(texts: Texts) -> tuple[ChunkTable, FoundChunks]:
    """The chunks of the texts, and the table to look others up in; `add_missing` is for those not in it.

    Raises RecipeError if spaCy is not installed.
    """
    rules, found = load_rules(), no_found_chunks(len(texts))
    if len(_caches()[0]) > MOST_CHUNKS:
        _caches()[0] = Chunks()
    chunks = _caches()[0]
    chunks.make_room(int(texts.sizes.max(initial=0)))
    if rules is not None:
        found = chunks.learn(texts, rules)
        _ask_spacy(chunks)
    return chunks.table, found


def add_missing() -> ChunkTable:
    """The table with the chunks that were missing, as many as it had room to write down: at least one."""
    rules, chunks = load_rules(), _caches()[0]
    if rules is not None:
        chunks.learn(Texts.from_strings(chunks.take_missing()), rules)
    _ask_spacy(chunks)
    return chunks.table


def _ask_spacy(chunks: Chunks) -> None:
    if missing := chunks.take_missing():
        chunks.add(missing, list(map(tokenize, missing)))
