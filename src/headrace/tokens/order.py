"""Which row is which sample: an endless list of rows that is computed, not stored.

Shape letters: B samples, S sources, E first and count, R rounds, N rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel
from headrace.tokens.curriculum import rank_at
from headrace.tokens.mixture import Mixture
from headrace.tokens.packing import SourceRows
from headrace.tokens.permutation import half_of_bits, mix, permute_from, permuted, round_keys


class RowOrder(Protocol):
    """An endless list of rows, a pure function of the place in it."""

    def rows(self, first: int, count: int) -> NDArray[np.int64]:
        """The rows that are samples [first, first + count)."""
        ...


@dataclass(frozen=True)
class Shuffled:
    """Every row once an epoch, each epoch in an order of its own."""

    num_rows: int
    seed: int

    def rows(self, first: int, count: int) -> NDArray[np.int64]:
        epoch, place = divmod(first, self.num_rows)
        rows = np.empty(count, np.int64)
        done = 0
        while done < count:
            part = rows[done : done + self.num_rows - place]
            permute_from(place, part, self.num_rows, round_keys(self.seed, epoch))
            done, place, epoch = done + len(part), 0, epoch + 1
        return rows


@dataclass(frozen=True)
class Curriculum:
    """An order by score that becomes random."""

    ranked: NDArray[np.int64]
    """All rows of the plan, source by source, each in order of score. May be memory-mapped."""
    random_after: float | None
    """Share of a source's first pass after which its rows come at random; None: never."""


@dataclass(frozen=True)
class Mixed:
    """Rows of several sources in the proportions of a mixture; every row of a source once in each pass over it.

    A source's rows come in an order of their own in every pass, so that weights, and sources added later, change when
    a row comes and never which rows of its source came before it.
    """

    sources: tuple[SourceRows, ...]
    """In the order in which the mixture names them."""
    mixture: Mixture
    seed: int
    curriculum: Curriculum | None = None
    """How the first pass over each source is ordered; None: at random, like all others."""

    def rows(self, first: int, count: int) -> NDArray[np.int64]:
        sources_B, rows_B = self.mixture.draw(first, count)
        ranked_N, random_after = self._ranked
        place_rows(sources_B, rows_B, self._bounds_SE, self._keys_SR, ranked_N, random_after)
        return rows_B

    @cached_property
    def _ranked(self) -> tuple[NDArray[np.int64], float]:
        if self.curriculum is None:
            return np.empty(0, np.int64), 0.0
        return self.curriculum.ranked, self.curriculum.random_after or 0.0

    @cached_property
    def _bounds_SE(self) -> NDArray[np.int64]:
        return np.array([(source.first, source.count) for source in self.sources], np.int64)

    @cached_property
    def _keys_SR(self) -> NDArray[np.uint64]:
        names = (int.from_bytes(xxhash.xxh3_64_digest(source.source.encode())) for source in self.sources)
        return np.stack([round_keys(self.seed, name) for name in names])


@kernel
def place_rows(
    sources_B: NDArray[np.int64],
    rows_B: NDArray[np.int64],
    bounds_SE: NDArray[np.int64],
    keys_SR: NDArray[np.uint64],
    ranked_N: NDArray[np.int64],
    random_after: float,
) -> None:
    """Replaces the number that a sample has within its source by the row it stands for.

    bounds_SE: first row and number of rows of each source. ranked_N: rows in order of score, or nothing.
    """
    keys_R = np.empty(keys_SR.shape[1], np.uint64)
    for b in range(len(rows_B)):
        source = sources_B[b]
        first, count = bounds_SE[source, 0], bounds_SE[source, 1]
        epoch, place = rows_B[b] // count, rows_B[b] % count
        for number in range(len(keys_R)):
            keys_R[number] = mix(keys_SR[source, number] + np.uint64(epoch))
        if epoch == 0 and len(ranked_N):
            rows_B[b] = ranked_N[first + rank_at(place, count, random_after, keys_R)]
        else:
            rows_B[b] = first + permuted(place, count, half_of_bits(count), keys_R)
