"""Lines and paragraphs as hashes, and the cuts of those that were there too often before.

First pass: `line_hashes` of each batch, to be saved. Then `occurrences.find_repeated` counts. Second pass: `line_cuts`
walks over the same texts in the same way and cuts what was found. Both are one pass over the bytes. A line is hashed as
its folded words (see `folding`); short ones have no hash and are never cut.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.corpus.code_points import mix
from headrace.corpus.cuts import Cuts
from headrace.corpus.deduplicate.config import LineConfig
from headrace.corpus.deduplicate.folding import ALONE, CODE_POINT, DIGIT, DROPPED, NO_HAN, Han, folding_table
from headrace.corpus.deduplicate.shingles import (
    ASCII_END,
    NOTHING,
    OF_CHARACTERS,
    OF_WORDS,
    Hashes,
    entry_of_three,
    read_special,
)
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts

Positions = npt.NDArray[np.int64]

NEWLINE = ord("\n")
CHARACTERS_OF_ALONE = 3
"""A Han character says about as much as three letters, which is also its size in bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class LineHashes:
    """The lines of a batch that are long enough, in order."""

    hashes: Hashes
    """(L,)"""
    counts: Positions
    """(N,) how many of them each text has."""


def line_hashes(texts: Texts, config: LineConfig, *, han: Han = NO_HAN) -> LineHashes:
    """The hashes that occurrences are counted by."""
    rows, _, _, hashes = _long_lines(texts, config, han)
    return LineHashes(hashes, np.bincount(rows, minlength=len(texts)))


def line_cuts(texts: Texts, config: LineConfig, repeated: npt.NDArray[np.bool_], *, han: Han = NO_HAN) -> Cuts:
    """Cuts the lines that are marked, with the newlines after them.

    repeated: (L,) one mark for each line of `line_hashes` of the same texts.
    """
    rows, begins, ends, hashes = _long_lines(texts, config, han)
    assert len(hashes) == len(repeated), "the marks belong to these texts"
    return Cuts(rows[repeated], begins[repeated], ends[repeated])


def _long_lines(texts: Texts, config: LineConfig, han: Han) -> tuple[Positions, Positions, Positions, Hashes]:
    """Row, begin, end and hash of each line that is long enough."""
    most = int(texts.offsets[-1] - texts.offsets[0]) // config.min_characters  # no character counts more than its bytes
    places, hashes = np.empty((most, 3), np.int64), np.empty(most, np.uint64)
    number = find_lines(
        texts.data,
        texts.offsets,
        folding_table("auto", han, fold_numbers=config.fold_numbers),
        config.min_characters,
        config.method == "paragraphs",
        places,
        hashes,
    )
    rows, begins, ends = np.ascontiguousarray(places[:number].T)
    return rows, begins, ends, hashes[:number].copy()


@kernel
def find_lines(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    min_characters: int,
    by_paragraph: bool,
    places: np.ndarray,
    hashes: np.ndarray,
) -> int:
    """Writes (row, begin, end) and hash of the lines or paragraphs that are long enough; returns how many there are."""
    number = 0
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        begin = 0
        while begin < len(text):
            key, num_characters, end = hash_line(text, table, begin, NOTHING)
            while by_paragraph and end < len(text):
                following, more, next_end = hash_line(text, table, end, key)
                if is_blank(text, end, next_end):
                    break
                key, num_characters, end = following, num_characters + more, next_end
            while by_paragraph and end < len(text) and is_blank(text, end, line_end(text, end)):
                end = line_end(text, end)
            if num_characters >= min_characters:
                places[number, 0], places[number, 1], places[number, 2] = row, begin, end
                hashes[number] = mix(key)
                number += 1
            begin = end
    return number


@kernel
def line_end(text: np.ndarray, place: int) -> int:
    """Where the line ends that goes on at a place, its newline included."""
    while place < len(text) and text[place] != NEWLINE:
        place += 1
    return min(place + 1, len(text))


@kernel
def is_blank(text: np.ndarray, begin: int, end: int) -> bool:
    """Whether there is only white space between two places."""
    place = begin
    while place < end and text[place] <= 0x20:
        place += 1
    return place == end


@kernel
def hash_line(text: np.ndarray, table: np.ndarray, place: int, key: np.uint64) -> tuple[np.uint64, int, int]:
    """Goes on with a hash over the words of the line at a place; returns it, the characters, and the line's end."""
    word = NOTHING
    num_characters = 0
    while place < len(text):
        byte = text[place]
        is_end = byte == NEWLINE
        entry = table[byte] if byte < ASCII_END else entry_of_three(text, table, place)
        if entry & (DIGIT | DROPPED):  # or of another size
            entry, place = read_special(text, table, place)
        else:
            place += 1 if byte < ASCII_END else 3
        if entry & DROPPED:
            continue
        if (entry == 0 or entry & ALONE) and word != NOTHING:
            key = key * OF_WORDS + word
            word = NOTHING
        if is_end:
            return key, num_characters, place
        if entry != 0:
            word = word * OF_CHARACTERS + np.uint64(entry & CODE_POINT)
            num_characters += 1
        if entry & ALONE:
            num_characters += CHARACTERS_OF_ALONE - 1
            key = key * OF_WORDS + word
            word = NOTHING
    if word != NOTHING:
        key = key * OF_WORDS + word
    return key, num_characters, place
