"""Pairs of near documents within clusters, and which document of each stays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headrace.corpus.deduplicate.embeddings import Embeddings, Positions
from headrace.corpus.deduplicate.encoders import Vectors
from headrace.corpus.kernel import kernel

BLOCK_DOCUMENTS = 1_024
MOST_NEIGHBOURS = 32
"""Of the documents that come before one and are near it, the first so many are remembered."""

TOLERANCE = 1e-6
"""What single precision may take from the cosine of two equal vectors."""


@dataclass(frozen=True, slots=True)
class CompareTask:
    """Clusters whose documents are compared with each other."""

    files: tuple[Path, ...]
    clusters: tuple[Positions, ...]
    """Documents of each cluster, the one that would rather stay first."""

    similarity: float

    def __str__(self) -> str:
        return f"{len(self.clusters)} clusters, {sum(map(len, self.clusters))} documents"


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Near documents; `earlier` would rather stay than `later`."""

    later: Positions
    earlier: Positions
    cosines: Vectors


def compare(task: CompareTask) -> Pairs:
    """The near pairs of some clusters. Holds two blocks of vectors and their products at a time."""
    embeddings = Embeddings(task.files)
    return join_pairs([pairs for members in task.clusters for pairs in _near(embeddings, members, task.similarity)])


def join_pairs(several: Sequence[Pairs]) -> Pairs:
    """All pairs in one."""
    integers = np.empty(0, np.int64)
    return Pairs(
        np.concatenate([integers, *(pairs.later for pairs in several)]),
        np.concatenate([integers, *(pairs.earlier for pairs in several)]),
        np.concatenate([np.empty(0, np.float32), *(pairs.cosines for pairs in several)]),
    )


def _near(embeddings: Embeddings, members: Positions, similarity: float) -> Iterator[Pairs]:
    blocks = [members[begin : begin + BLOCK_DOCUMENTS] for begin in range(0, len(members), BLOCK_DOCUMENTS)]
    for number, block in enumerate(blocks):
        vectors = embeddings[block]
        num_found = np.zeros(len(block), np.int64)
        for other_number in range(number + 1):
            is_same = other_number == number
            others = vectors if is_same else embeddings[blocks[other_number]]
            cosines = vectors @ others.T
            is_near = cosines >= similarity - TOLERANCE
            if is_same:
                is_near &= np.tri(len(block), k=-1, dtype=np.bool_)
            is_near &= np.cumsum(is_near, axis=1) + num_found[:, None] <= MOST_NEIGHBOURS
            num_found += is_near.sum(axis=1)
            later, earlier = np.nonzero(is_near)
            yield Pairs(block[later], blocks[other_number][earlier], cosines[later, earlier])


@kernel
def choose(later: np.ndarray, earlier: np.ndarray, cosines: np.ndarray, twins: np.ndarray, nearest: np.ndarray) -> None:
    """Lets each document go that is near one that stays; documents are numbered in the order in which they stay.

    later, earlier: int64 (P,), sorted by `later`. twins: int64 (N,) of -1, gets the nearest document that stays.
    nearest: float32 (N,), gets its cosine.
    """
    for pair in range(len(later)):
        document, other = later[pair], earlier[pair]
        if twins[other] >= 0:
            continue
        if twins[document] < 0 or cosines[pair] > nearest[document]:
            twins[document], nearest[document] = other, cosines[pair]
