"""The same n-gram sums as the plain functions of `repetition.py`, for long texts.

Only n-grams that occur more than once can change a sum, and most occur once. So all n-grams are hashed at once from
running sums over characters (a polynomial hash modulo 2**64, Karp & Rabin 1987), and those whose hash repeats are
looked at as strings, by the plain definition. A collision of hashes therefore costs time and never changes a result.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
INVERSE = pow(MULTIPLIER, -1, 1 << 64)


BLOCK_CHARACTERS = 1 << 16


def _powers(factor: int) -> Hashes:
    """factor**0, factor**1, ... modulo 2**64, one for each character of a block."""
    factors = np.full(BLOCK_CHARACTERS, factor, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


POWERS, INVERSE_POWERS = _powers(MULTIPLIER), _powers(INVERSE)


class NgramTable:
    """The n-grams of one text. Costs about 100 bytes a word while it lives, whatever the length of the words."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._joined = "".join(words)
        self._starts: Positions = np.zeros(len(words) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=self._starts[1:])
        self._sums = _sums_before(self._joined, self._starts)
        blocks, within = np.divmod(self._starts, BLOCK_CHARACTERS)
        self._scales = INVERSE_POWERS[within] * _block_powers(INVERSE, int(blocks[-1]) + 1)[blocks]

    def top_characters(self, n: int) -> int:
        """As `top_ngram_characters`."""
        if len(self._words) < n:
            return 0
        runs = _Runs(self._hashes(n))
        ngram, count = self._most_common(n, runs.positions_of_longest())
        if count < runs.longest:  # n-grams of different words share a hash: ask all that could be the most frequent
            ngram, count = self._most_common(n, runs.positions_of_repeated())
        return len(ngram) * count if count > 1 else len(" ".join(self._words[:n]))

    def duplicate_characters(self, n: int) -> int:
        """As `duplicate_ngram_characters`."""
        if len(self._words) < n:
            return 0
        positions = _Runs(self._hashes(n)).positions_of_repeated()
        begins, ends = self._starts[positions].tolist(), self._starts[positions + n].tolist()
        seen: set[str] = set()
        characters = next_position = 0
        for position, begin, end in zip(positions.tolist(), begins, ends, strict=True):
            if position < next_position:
                continue
            ngram = self._joined[begin:end]
            if ngram in seen:
                characters += len(ngram)
                next_position = position + n
            else:
                seen.add(ngram)
        return characters

    def _hashes(self, n: int) -> Hashes:
        """The hash of the n-gram that begins at each word; equal for n-grams of equal characters."""
        return (self._sums[n:] - self._sums[:-n]) * self._scales[:-n]

    def _most_common(self, n: int, positions: Positions) -> tuple[str, int]:
        words = self._words
        ngrams = Counter([" ".join(words[i : i + n]) for i in positions.tolist()])
        return ngrams.most_common(1)[0] if ngrams else ("", 0)


def _block_powers(factor: int, num_blocks: int) -> Hashes:
    """The power with which each block of characters begins."""
    step = pow(factor, BLOCK_CHARACTERS, 1 << 64)
    return np.array([pow(step, block, 1 << 64) for block in range(num_blocks)], np.uint64)


def _sums_before(text: str, places: Positions) -> Hashes:
    """For each of some ascending places, the sum of character * power over all characters before it."""
    num_blocks = len(text) // BLOCK_CHARACTERS + 1
    sums: Hashes = np.empty(len(places), np.uint64)
    before = np.zeros(1, np.uint64)
    for block, power in enumerate(_block_powers(MULTIPLIER, num_blocks)):
        begin = block * BLOCK_CHARACTERS
        piece = text[begin : begin + BLOCK_CHARACTERS].encode("utf-32-le", "surrogatepass")
        characters = np.frombuffer(piece, np.uint32)
        within = np.zeros(len(characters) + 1, np.uint64)
        np.cumsum(characters * POWERS[: len(characters)], out=within[1:])
        within = within * power + before
        first, last = np.searchsorted(places, (begin, begin + BLOCK_CHARACTERS))
        sums[first:last] = within[places[first:last] - begin]
        before = within[-1:]
    return sums


class _Runs:
    """Equal hashes as runs of a sorted order. There is at least one hash."""

    def __init__(self, hashes: Hashes) -> None:
        self._order: Positions = np.argsort(hashes)
        ordered = hashes[self._order]
        begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        self._lengths: Positions = np.diff(begins, append=len(hashes))
        self.longest = int(self._lengths.max())

    def positions_of_longest(self) -> Positions:
        """Where the hashes stand that occur most often, in order."""
        return self._positions(self._lengths == self.longest)

    def positions_of_repeated(self) -> Positions:
        """Where the hashes stand that occur more than once, in order."""
        return self._positions(self._lengths > 1)

    def _positions(self, chosen: npt.NDArray[np.bool_]) -> Positions:
        return np.sort(self._order[np.repeat(chosen, self._lengths)])
