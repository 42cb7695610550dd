"""Where documents hold n-grams of evaluation items."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from headrace.corpus.code_points import hash_some
from headrace.corpus.decontaminate.folding import folded_letters
from headrace.corpus.decontaminate.index import Index, gate_slots, runs_at
from headrace.corpus.deduplicate.tokens import Positions, tokenize
from headrace.corpus.deduplicate.windows import chunks
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """N-grams of the index found in documents, H of them, sorted by row and begin."""

    rows: Positions
    """The document's row in the ledger."""

    ngrams: Positions
    """Number of the n-gram in the index."""

    begins: Positions
    """Bytes of the document before the n-gram, and up to its end."""
    ends: Positions

    wide_begins: Positions
    """The same with the window around it, on character boundaries."""
    wide_ends: Positions

    sizes: Positions
    """Bytes of the whole document."""

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: np.ndarray) -> "Hits":
        """Those that a mask or positions choose."""
        return Hits(*(getattr(self, field.name)[chosen] for field in fields(self)))


def join_hits(several: Sequence[Hits]) -> Hits:
    """The hits of several batches, given in the order of their rows."""
    empty = np.empty(0, np.int64)
    names = [field.name for field in fields(Hits)]
    return Hits(*(np.concatenate([empty, *(getattr(hits, name) for hits in several)]) for name in names))


def find_hits(texts: Texts, rows: Positions, index: Index) -> Hits:
    """Every n-gram of the index in a batch of documents. rows: (N,) their rows in the ledger, ascending."""
    return join_hits([_find(part, rows[first : first + len(part)], index) for first, part in chunks(texts)])


def _find(texts: Texts, rows: Positions, index: Index) -> Hits:
    tokens = tokenize(texts, folded_letters())
    gates = runs_at(tokens, int(index.lengths[0]))
    starts = np.flatnonzero(index.gate_table[gate_slots(gates, index.gate_table)])
    starts = starts[_lookup(index.gates, gates[starts]) >= 0]
    if not len(starts):
        return join_hits([])
    documents = np.searchsorted(tokens.firsts, starts, side="right") - 1
    left = tokens.firsts[documents + 1] - starts
    found = []
    for length in index.lengths.tolist():
        fits = left >= length
        hashes = np.empty(int(fits.sum()), np.uint64)
        hash_some(tokens.hashes, starts[fits], length, hashes)
        ngrams = _lookup(index.ngrams, hashes)
        hit = ngrams >= 0
        first = starts[fits][hit]
        found.append(np.stack((documents[fits][hit], ngrams[hit], first, first + length - 1)))
    row, ngram, first, last = np.concatenate(found, axis=1)
    order = np.lexsort((last, first))
    row, ngram, begins, ends = row[order], ngram[order], tokens.begins[first[order]], tokens.ends[last[order]]
    wide_begins, wide_ends = begins.copy(), ends.copy()
    widen_characters(texts.data, texts.offsets, row, wide_begins, wide_ends, int(index.window_characters[0]))
    return Hits(rows[row], ngram, begins, ends, wide_begins, wide_ends, texts.sizes[row])


def _lookup(known: np.ndarray, hashes: np.ndarray) -> Positions:
    """Position of each hash in a sorted array that is not empty, -1 where it is none."""
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.where(known[places] == hashes, places, -1)


@kernel
def widen_characters(
    data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, begins: np.ndarray, ends: np.ndarray, characters: int
) -> None:
    """Moves byte ranges outwards, in place, by so many characters or to the ends of their texts."""
    for hit in range(len(rows)):
        origin, size = offsets[rows[hit]], offsets[rows[hit] + 1] - offsets[rows[hit]]
        begin, end = begins[hit], ends[hit]
        for _ in range(characters):
            if begin > 0:
                begin -= 1
                while data[origin + begin] & 0xC0 == 0x80:
                    begin -= 1
            if end < size:
                end += 1
                while end < size and data[origin + end] & 0xC0 == 0x80:
                    end += 1
        begins[hit], ends[hit] = begin, end
