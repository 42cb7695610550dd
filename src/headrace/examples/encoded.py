"""Examples as a model reads them: sequences of ids end to end, and what each place must say.

Shape letters: N sequences or examples, T tokens of all of them, C classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.tokens.batch import IGNORED

Ids = Sequence[int]


@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences of tokens end to end."""

    tokens: NDArray[np.int32]
    """(T,) what is read."""
    targets: NDArray[np.int32]
    """(T,) what each place must say: the next token, or the number of a tag; IGNORED where nothing is asked."""
    bounds: NDArray[np.int64]
    """(N + 1,) where each sequence begins, and the last ends."""
    token_types: NDArray[np.int8] | None = None
    """(T,) which of two texts a token is of, where a vocabulary tells them apart."""

    @classmethod
    def join(cls, tokens: Sequence[Ids], targets: Sequence[Ids] | None = None) -> "Sequences":
        """Rows end to end; without targets nothing is asked anywhere."""
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        asked = np.full(bounds[-1], IGNORED, np.int32) if targets is None else flat(targets, np.int32)
        assert len(asked) == bounds[-1], "as many targets as tokens"
        return cls(flat(tokens, np.int32), asked, bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) tokens of each sequence."""
        return np.diff(self.bounds)

    @property
    def num_targets(self) -> int:
        """Places where something is asked."""
        return int(np.count_nonzero(self.targets != IGNORED))

    def select(self, numbers: NDArray[np.integer[Any]] | Sequence[int]) -> "Sequences":
        """The sequences of these numbers, in this order."""
        numbers = np.asarray(numbers, np.int64)
        lengths = self.lengths[numbers]
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        places = np.arange(bounds[-1]) + np.repeat(self.bounds[:-1][numbers] - bounds[:-1], lengths)
        types = None if self.token_types is None else self.token_types[places]
        return Sequences(self.tokens[places], self.targets[places], bounds, types)


@dataclass(frozen=True, eq=False)
class EncodedExamples:
    """N examples for an objective."""

    inputs: Sequences
    """What a decoder reads and says, or an encoder reads; (N x `sequences_per_example`) sequences."""
    sources: Sequences | None = None
    """What the encoder of an encoder-decoder reads."""
    labels: NDArray[Any] | None = None
    """(N,) int32 numbers of classes, or (N, C) float32 of 0 and 1 where several may hold."""
    sequences_per_example: int = 1
    """2 for preferences: chosen, rejected, chosen, ..."""
    num_truncated: int = 0
    """Examples of which something was cut off, because they were longer than asked for."""

    def __len__(self) -> int:
        return len(self.inputs) // self.sequences_per_example

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) tokens of each example, all its sequences together."""
        lengths: NDArray[np.int64] = self.inputs.lengths.reshape(len(self), self.sequences_per_example).sum(axis=1)
        return lengths if self.sources is None else lengths + self.sources.lengths

    def select(self, numbers: NDArray[np.integer[Any]] | Sequence[int]) -> "EncodedExamples":
        """The examples of these numbers, in this order. What was cut off is no longer known."""
        numbers = np.asarray(numbers, np.int64)
        each = np.arange(self.sequences_per_example)
        return replace(
            self,
            inputs=self.inputs.select((numbers[:, None] * self.sequences_per_example + each).ravel()),
            sources=None if self.sources is None else self.sources.select(numbers),
            labels=None if self.labels is None else self.labels[numbers],
            num_truncated=0,
        )


def flat(rows: Iterable[Iterable[int]], kind: Any) -> NDArray[Any]:
    """All numbers of all rows, end to end."""
    return np.fromiter(chain.from_iterable(rows), kind)
