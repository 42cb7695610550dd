"""How many rows of each source have been taken after any number of samples: a pure function, so there is no state.

Shares of the sources are piecewise linear in the number of samples, and so what a source is owed, the integral of its
share, is known exactly at any point. Its row k comes when it is owed k + 1/2; samples are all rows of all sources in
the order of those times, of equal times the source that is named first. No source is ever a row ahead of what it is
owed or a row behind, by more than the number of sources. Times are computed by one formula, of operations that IEEE 754
rounds alike everywhere, so every process agrees on every sample.
Source of the rule: Webster's method, also Sainte-Lague; Balinski & Young 2001, Fair Representation, chapter 3.

Shape letters: P pieces, S sources, B samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.apportion import draw_samples, taken_before

Floats = NDArray[np.float64]

SMALLEST_SHARE = 1e-12  # a smaller one is none: it would not give a row in a run of any length


@dataclass(frozen=True)
class Knot:
    """The weights of all sources at a sample; a change between two knots is linear."""

    sample: float
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Mixture:
    """Shares of sources over an endless list of samples, or one that ends where every source is used up."""

    sources: tuple[str, ...]
    begins_P: Floats
    """The sample at which each piece begins."""
    shares_PS: Floats
    slopes_PS: Floats
    """Shares where the piece begins, and how they change a sample."""
    owed_PS: Floats
    """What each source was owed when the piece began."""
    most_S: Floats
    """Rows that may be taken of each source."""

    @classmethod
    def of(cls, knots: Sequence[Knot], most_rows: Mapping[str, float]) -> "Mixture":
        """The mixture of knots in order, the first at sample 0. A source whose rows are used up leaves its share to
        the others; rows not named in `most_rows` never are."""
        sources = tuple(knots[0].weights)
        return _Pieces(sources, np.array([most_rows.get(name, np.inf) for name in sources])).add_all(knots)

    @cached_property
    def num_samples(self) -> float:
        """Samples there are: infinite, or what all sources give together."""
        last = self.shares_PS[-1]
        return float("inf") if (last > 0).any() else float(self.owed_PS[-1].sum())

    def draw(self, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The source of each of the samples [first, first + count), and which of its rows it is: 0, 1, 2, ...

        Raises ValueError if there are not as many samples.
        """
        if first + count > self.num_samples:
            raise ValueError(f"sample {first + count:,} of a mixture whose sources give {self.num_samples:,.0f}")
        sources_B, numbers_B = np.empty(count, np.int64), np.empty(count, np.int64)
        draw_samples(first, self._pieces, sources_B, numbers_B)
        return sources_B, numbers_B

    def taken(self, samples: int) -> dict[str, int]:
        """Rows of each source among the first so many samples, which there must be."""
        assert samples <= self.num_samples, f"a mixture of {self.num_samples} samples"
        counts = taken_before(samples, self._pieces)
        return dict(zip(self.sources, counts.tolist(), strict=True))

    @cached_property
    def _pieces(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        return self.begins_P, self.shares_PS, self.slopes_PS, self.owed_PS, self.most_S


class _Pieces:
    """A mixture in the making: pieces end at knots, and where a source is used up."""

    def __init__(self, sources: tuple[str, ...], most_S: Floats) -> None:
        self._sources, self._most_S = sources, most_S
        self._owed_S, self._active_S = np.zeros(len(sources)), np.ones(len(sources), bool)
        self._begins: list[float] = []
        self._rows: list[tuple[Floats, Floats, Floats]] = []

    def add_all(self, knots: Sequence[Knot]) -> Mixture:
        weights = [np.array([knot.weights[name] for name in self._sources], float) for knot in knots]
        for number, knot in enumerate(knots):
            is_last = number + 1 == len(knots)
            end = np.inf if is_last else knots[number + 1].sample
            self._add(knot.sample, end, weights[number], weights[number if is_last else number + 1])
        shares, slopes, owed = (np.stack(each) for each in zip(*self._rows, strict=True))
        return Mixture(self._sources, np.array(self._begins), shares, slopes, owed, self._most_S)

    def _add(self, begin: float, end: float, weights_S: Floats, later_S: Floats) -> None:
        """Adds [begin, end), in which shares go from one set of weights to the other, in as many pieces as it takes."""
        while begin < end:
            here_S, there_S = self._shares(weights_S), self._shares(later_S)
            slopes_S = np.zeros_like(here_S) if np.isinf(end) else (there_S - here_S) / (end - begin)
            self._begins.append(begin)
            self._rows.append((here_S, slopes_S, self._owed_S.copy()))
            stop, used_up = self._next_used_up(here_S, slopes_S, begin, end=end)
            span = stop - begin
            if np.isinf(span):
                return
            self._owed_S = self._owed_S + span * (here_S + slopes_S * span / 2)
            if used_up is not None:
                self._owed_S[used_up], self._active_S[used_up] = self._most_S[used_up], False
                weights_S = here_S + slopes_S * span
            begin = stop

    def _shares(self, weights_S: Floats) -> Floats:
        active_S = np.where(self._active_S, weights_S, 0.0)
        total = active_S.sum()
        if total <= 0:
            return np.zeros_like(active_S)
        shares_S = active_S / total
        return np.where(shares_S < SMALLEST_SHARE, 0.0, shares_S)

    def _next_used_up(
        self, shares_S: Floats, slopes_S: Floats, begin: float, *, end: float
    ) -> tuple[float, int | None]:
        """Where the piece ends, and the source that is used up there, if one is."""
        stop, used_up = end, None
        for number in np.flatnonzero(self._active_S & np.isfinite(self._most_S)).tolist():
            left, share, slope = self._most_S[number] - self._owed_S[number], shares_S[number], slopes_S[number]
            inside = share * share + 2 * slope * left
            if inside < 0 or share + inside**0.5 <= 0:
                continue
            if (place := begin + 2 * left / (share + inside**0.5)) < stop:
                stop, used_up = place, number
        return stop, used_up
