"""Batches of examples as a pure function of (seed, step).

Step s takes examples [s x batch, (s + 1) x batch) of an endless list, shuffled anew in every epoch. Processes share the
examples of a step, so those and their order are the same for any number of processes.

Shape letters: B rows, T tokens of a row, N sequences of a part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.packing import Layout, Shape, cut_into_parts, cut_into_rows, lay_out
from headrace.tokens.batch import IGNORED, PADDING_DOCUMENT, Batch

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Sizes:
    """How many examples are taken together."""

    batch: int
    """Examples of a step, of all processes."""
    part_tokens: int
    """Tokens that a process handles at once, about."""
    attention_tokens: int
    """Length at which attention costs as much as all else."""
    padding_token: int
    """What stands where nothing does."""
    shape: Shape | None = None
    """Of all parts; None lays each out as is cheapest."""


@dataclass(frozen=True, eq=False)
class ExamplePart:
    """Examples that are read at once, in packed rows."""

    rows: Batch
    """`documents_BT` numbers the part's sequences from 0, in the order of `numbers`."""
    numbers: Numbers
    """Of the examples in their split."""
    first_N: Numbers
    """The place of each sequence's first token, over all rows end to end."""
    last_N: Numbers
    labels: NDArray[Any] | None
    token_types_BT: NDArray[np.int32] | None


@dataclass(frozen=True, eq=False)
class ExampleBatch:
    """The examples of a step, or one process's share of them."""

    parts: tuple[ExamplePart, ...]
    num_tokens: int
    """That are read, without padding."""

    @property
    def num_examples(self) -> int:
        return sum(len(part.numbers) for part in self.parts)

    @property
    def num_targets(self) -> int:
        """Tokens that are asked."""
        return sum(part.rows.num_targets for part in self.parts)


class ExampleStream:
    """The batches of encoded examples. Safe to share between threads."""

    num_threads = 1

    def __init__(
        self, examples: EncodedExamples, sizes: Sizes, *, seed: int | None, rank: int = 0, world_size: int = 1
    ) -> None:
        """seed: of the order; None takes examples by length, the longest first, and ends after the last."""
        # The kernels' compiler takes half a second to load, which nobody who only names a stream should wait for.
        from headrace.tokens.order import Shuffled

        self.examples, self._sizes = examples, sizes
        self._rank, self._world_size = rank, world_size
        self._lengths = examples.lengths
        self._order = None if seed is None else Shuffled(len(examples), seed)
        self._by_length = np.argsort(-self._lengths, kind="stable")

    @property
    def num_batches(self) -> int:
        """Batches that hold every example once."""
        return -(-len(self.examples) // self._sizes.batch)

    def numbers(self, step: int) -> Numbers:
        """The examples of a step, all processes together."""
        start = step * self._sizes.batch
        if self._order is None:
            return self._by_length[start : start + self._sizes.batch]
        return self._order.rows(start, self._sizes.batch)

    def batch(self, step: int) -> ExampleBatch:
        """This process's examples of a step, dealt out by length."""
        numbers = self.numbers(step)
        if self._world_size > 1:
            numbers = numbers[np.argsort(-self._lengths[numbers], kind="stable")][self._rank :: self._world_size]
        return self.batch_of(numbers)

    def batch_of(self, numbers: Numbers) -> ExampleBatch:
        """The given examples."""
        if not len(numbers):
            return ExampleBatch((), 0)
        num_tokens = int(self._lengths[numbers].sum())
        if self._sizes.shape is not None:
            assert self.examples.sequences_per_example == 1, "pairs of answers might be parted"
            sources = None if self.examples.sources is None else self.examples.sources.lengths[numbers]
            cut = cut_into_rows(self.examples.inputs.lengths[numbers], sources, self._sizes.shape)
            return ExampleBatch(tuple(self._fill(numbers[part], layout) for part, layout in cut), num_tokens)
        parts = cut_into_parts(self._lengths[numbers], self._sizes.part_tokens)
        return ExampleBatch(tuple(self._fill(numbers[part]) for part in parts), num_tokens)

    def _fill(self, numbers: Numbers, layout: Layout | None = None) -> ExamplePart:
        examples, sizes = self.examples, self._sizes
        each = np.arange(examples.sequences_per_example)
        sequences = (numbers[:, None] * examples.sequences_per_example + each).ravel()
        inputs, sources = examples.inputs.select(sequences), examples.sources
        read = None if sources is None else sources.select(numbers)
        if layout is None:
            layout = _lay_out(inputs.lengths, None if read is None else read.lengths, sizes.attention_tokens)
        starts = _starts(layout.row_N, inputs.lengths, layout.row_tokens)
        rows = _rows(inputs, layout, layout.row_tokens, starts, sizes.padding_token)
        if read is not None:
            source_starts = _starts(layout.row_N, read.lengths, layout.source_tokens)
            source = _rows(read, layout, layout.source_tokens, source_starts, sizes.padding_token)
            rows = Batch(rows.tokens_BT, rows.targets_BT, rows.positions_BT, rows.documents_BT, source=source)
        return ExamplePart(
            rows=rows,
            numbers=numbers,
            first_N=starts,
            last_N=starts + inputs.lengths - 1,
            labels=None if examples.labels is None else examples.labels[numbers],
            token_types_BT=None
            if inputs.token_types is None
            else _laid(inputs.token_types, inputs, starts, rows.tokens_BT.shape, 0),
        )


def padded_share(batches: Sequence[ExampleBatch]) -> float:
    """Share of the places in batches that hold no token."""
    rows = [side for batch in batches for part in batch.parts for side in (part.rows, part.rows.source) if side]
    places = sum(side.documents_BT.size for side in rows)
    return sum(int((side.documents_BT == PADDING_DOCUMENT).sum()) for side in rows) / max(1, places)


def _lay_out(lengths_N: Numbers, sources_N: Numbers | None, attention_tokens: int) -> Layout:
    """A layout of sequences in any order."""
    order_N = np.argsort(-(lengths_N if sources_N is None else lengths_N + sources_N), kind="stable")
    sorted_sources = None if sources_N is None else sources_N[order_N]
    found = lay_out(lengths_N[order_N], sorted_sources, attention_tokens=attention_tokens)
    row_N = np.empty_like(found.row_N)
    row_N[order_N] = found.row_N
    return Layout(row_N, found.num_rows, found.row_tokens, found.source_tokens)


def _starts(row_N: Numbers, lengths_N: Numbers, row_tokens: int) -> Numbers:
    """The place of each sequence's first token, over all rows end to end: in its row, behind those before it."""
    order_N = np.argsort(row_N, kind="stable")
    ends_N = np.cumsum(lengths_N[order_N])
    before_N = ends_N - lengths_N[order_N]
    first_of_row = np.searchsorted(row_N[order_N], row_N[order_N], side="left")
    starts_N = np.empty_like(lengths_N)
    starts_N[order_N] = row_N[order_N] * row_tokens + before_N - before_N[first_of_row]
    return starts_N


def _rows(found: Sequences, layout: Layout, row_tokens: int, starts_N: Numbers, padding_token: int) -> Batch:
    shape, lengths = (layout.num_rows, row_tokens), found.lengths
    numbers_T = np.repeat(np.arange(len(found), dtype=np.int32), lengths)
    places_T = np.arange(found.bounds[-1]) - np.repeat(found.bounds[:-1], lengths)
    tokens = _laid(found.tokens, found, starts_N, shape, padding_token)
    targets = _laid(found.targets, found, starts_N, shape, IGNORED)
    positions = _laid(places_T, found, starts_N, shape, 0)
    documents = _laid(numbers_T, found, starts_N, shape, PADDING_DOCUMENT)
    return Batch(tokens, targets, positions, documents)


def _laid(
    values_T: NDArray[Any], found: Sequences, starts_N: Numbers, shape: tuple[int, ...], filling: int
) -> NDArray[np.int32]:
    """Values of all tokens at their places in rows."""
    laid = np.full(shape, filling, np.int32)
    places_T = np.arange(found.bounds[-1]) + np.repeat(starts_N - found.bounds[:-1], found.lengths)
    laid.ravel()[places_T] = values_T
    return laid
