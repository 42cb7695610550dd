"""Entities from tags of words, read as conlleval reads them: leniently, so that no sequence of tags is refused.

An entity begins at B, and wherever a type begins without one; it ends before what does not go on with it. IO, BIO
(IOB1, IOB2) and BIOES are read alike.

Source: conlleval of the CoNLL-2000 shared task, its functions `startOfChunk` and `endOfChunk`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
BEGINS, LASTS = ("B", "S", "U"), ("E", "S", "L", "U")
"""Prefixes before which an entity always ends, and after which it always has ended."""


@dataclass(frozen=True)
class Entities:
    """S spans over words that lie end to end, in their order."""

    start_S: NDArray[np.int64]
    end_S: NDArray[np.int64]
    """The word after the last one."""
    type_S: NDArray[np.int64]
    sentence_S: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start_S)


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and type: `B-PER` -> `B`, `PER`; the type of a bare `B` is empty."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, _, type_name = tag.partition("-")
    return prefix, type_name


def type_names(*corpora: Sequence[Sequence[str]]) -> list[str]:
    """Every type that occurs in tags, in the order of the alphabet."""
    tags = {tag for corpus in corpora for sentence in corpus for tag in sentence}
    return sorted({split_tag(tag)[1] for tag in tags if tag != OUTSIDE})


def find_entities(tags: Sequence[Sequence[str]], types: Sequence[str]) -> Entities:
    """The entities of sentences of tags; `types` must hold each that occurs."""
    flat = [tag for sentence in tags for tag in sentence]
    names, name_N = np.unique(np.asarray(flat, dtype=str), return_inverse=True)
    parts = [split_tag(str(name)) for name in names]
    places = {name: place for place, name in enumerate(types)}
    types_of_names = [-1 if prefix == OUTSIDE else places[kind] for prefix, kind in parts]
    type_N = np.asarray(types_of_names, np.int64)[name_N]
    begins_N = np.asarray([prefix in BEGINS for prefix, _ in parts], bool)[name_N]
    lasts_N = np.asarray([prefix in LASTS for prefix, _ in parts], bool)[name_N]
    sentence_N = np.repeat(np.arange(len(tags)), [len(sentence) for sentence in tags])
    goes_on_N = np.zeros(len(flat), bool)
    goes_on_N[1:] = (type_N[1:] == type_N[:-1]) & ~begins_N[1:] & ~lasts_N[:-1] & (sentence_N[1:] == sentence_N[:-1])
    inside_N = type_N >= 0
    start_S = np.flatnonzero(inside_N & ~goes_on_N)
    end_S = np.flatnonzero(inside_N & ~np.append(goes_on_N[1:], False)) + 1
    return Entities(start_S, end_S, type_N[start_S], sentence_N[start_S])
