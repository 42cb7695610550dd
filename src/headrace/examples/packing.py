"""Which examples are read together, and how they share rows.

A batch of examples is cut into parts of alike length, and each part is laid into rows in the way that costs least: rows
as long as its longest example or longer, so that short ones share one. Padding is a few hundredths of a part.

Shape letters: N examples, R rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel

Lengths = NDArray[np.int64]
PART_TOKENS = 128
"""Tokens that take as long as what a part costs besides its tokens, about."""
ROW_STEP = 8
"""Lengths of rows are multiples of it, so that shapes come again: a kernel is made for each, which takes as long as a
small step."""
MOST_LAYOUTS = 24
"""Layouts of a part that are looked at."""


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a part stand."""

    row_N: NDArray[np.int64]
    """The row of each."""
    num_rows: int
    row_tokens: int
    source_tokens: int
    """Length of the rows that are read before these are written; 0 where there are none."""


@dataclass(frozen=True)
class Shape:
    """The one shape of all parts, for kernels that are compiled for it."""

    num_rows: int
    row_tokens: int
    source_tokens: int
    """0 where nothing is read before the rows are written."""


def shape_for(lengths_N: Lengths, sources_N: Lengths | None, *, batch: int, part_tokens: int) -> Shape:
    """The shape in which batches of examples of these lengths, given in random order, cost least.

    A part costs its places, padding too, and PART_TOKENS more.
    """
    row_tokens, source_tokens = int(lengths_N.max()), 0 if sources_N is None else int(sources_N.max())
    whole = Shape(len(lengths_N), row_tokens, source_tokens)
    sources = np.zeros_like(lengths_N) if sources_N is None else sources_N
    starts = range(0, min(len(lengths_N), MOST_LAYOUTS * batch), batch)
    used = [_rows_used(lengths_N[start : start + batch], sources[start : start + batch], whole) for start in starts]
    most = max(1, part_tokens // max(row_tokens, source_tokens))
    costs = {
        rows: sum(-(-each // rows) for each in used) * (rows * (row_tokens + source_tokens) + PART_TOKENS)
        for rows in range(1, most + 1)
    }
    return Shape(min(costs, key=lambda rows: costs[rows]), row_tokens, source_tokens)


def _rows_used(lengths_N: Lengths, sources_N: Lengths, shape: Shape) -> int:
    order_N = np.argsort(-(lengths_N + sources_N), kind="stable")
    row_N = np.empty(len(order_N), np.int64)
    return int(first_fit(lengths_N[order_N], sources_N[order_N], shape.row_tokens, shape.source_tokens, row_N))


def cut_into_rows(lengths_N: Lengths, sources_N: Lengths | None, shape: Shape) -> list[tuple[Lengths, Layout]]:
    """Numbers of the examples of each part, and where they stand in rows of one shape."""
    sources = np.zeros_like(lengths_N) if sources_N is None else sources_N
    order_N = np.argsort(-(lengths_N + sources), kind="stable")
    row_N = np.empty(len(order_N), np.int64)
    used = first_fit(lengths_N[order_N], sources[order_N], shape.row_tokens, shape.source_tokens, row_N)
    parts = []
    for first in range(0, used, shape.num_rows):
        inside = (row_N >= first) & (row_N < first + shape.num_rows)
        layout = Layout(row_N[inside] - first, shape.num_rows, shape.row_tokens, shape.source_tokens)
        parts.append((order_N[inside], layout))
    return parts


def cut_into_parts(lengths_N: Lengths, most_tokens: int) -> list[NDArray[np.int64]]:
    """Numbers of the examples of each part, the longest first; parts of about as many tokens, none of more than
    `most_tokens` unless one example has."""
    order_N = np.argsort(-lengths_N, kind="stable")
    parts: list[NDArray[np.int64]] = []
    num_parts = max(1, -(-int(lengths_N.sum()) // most_tokens))
    wanted, start, tokens = int(lengths_N.sum()) / num_parts, 0, 0
    for place, number in enumerate(order_N):
        full = tokens + lengths_N[number] > most_tokens or tokens >= wanted
        if place > start and full:
            parts.append(order_N[start:place])
            start, tokens = place, 0
        tokens += int(lengths_N[number])
    return [*parts, order_N[start:]]


def lay_out(lengths_N: Lengths, source_lengths_N: Lengths | None, *, attention_tokens: int) -> Layout:
    """The cheapest rows for sequences given longest first, each beside its source if there are any.

    A row of T tokens costs T x (1 + T / attention_tokens): see `ModelConfig.attention_tokens`.
    """
    sources_N = np.zeros_like(lengths_N) if source_lengths_N is None else source_lengths_N
    step = ROW_STEP if source_lengths_N is None else 1  # two sides waste too much
    longest, longest_source = _rounded(lengths_N.max(), step), _rounded(sources_N.max(), step)
    total, total_source = int(lengths_N.sum()), int(sources_N.sum())
    count = len(lengths_N)
    most = min(count, max(-(-total // longest), -(-total_source // longest_source) if longest_source else 1))
    best = Layout(np.arange(count), count, longest, longest_source)  # one a row
    best_cost = _cost(count, longest, longest_source, attention_tokens=attention_tokens)
    for num_rows in range(most, max(0, most - MOST_LAYOUTS), -1):
        least = (max(longest, total / num_rows), max(longest_source, total_source / num_rows))
        if _cost(num_rows, *least, attention_tokens=attention_tokens) >= best_cost:
            if least[0] > longest and least[1] >= longest_source:
                break  # the fewer the rows, the dearer is even a layout without padding
            continue
        row_N = np.empty(count, np.int64)
        tokens, source = (_rounded(used, step) for used in balance(lengths_N, sources_N, num_rows, row_N))
        cost = _cost(num_rows, tokens, source, attention_tokens=attention_tokens)
        if cost < best_cost:
            best, best_cost = Layout(row_N, num_rows, tokens, source), cost
    return best


def _rounded(tokens: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-int(tokens) // step) * step


def _cost(num_rows: int, tokens: float, source: float, *, attention_tokens: int) -> float:
    return num_rows * sum(length * (1 + length / attention_tokens) for length in (tokens, source))


@kernel
def first_fit(
    lengths_N: NDArray[np.int64],
    sources_N: NDArray[np.int64],
    row_tokens: int,
    source_tokens: int,
    row_N: NDArray[np.int64],
) -> int:
    """Fills in the first row that has room for each sequence and its source; returns how many rows there are."""
    left_R, source_left_R = np.empty(len(lengths_N), np.int64), np.empty(len(lengths_N), np.int64)
    num_rows = 0
    for n in range(len(lengths_N)):
        row = 0
        while row < num_rows and (left_R[row] < lengths_N[n] or source_left_R[row] < sources_N[n]):
            row += 1
        if row == num_rows:
            left_R[row], source_left_R[row] = row_tokens, source_tokens
            num_rows += 1
        left_R[row] -= lengths_N[n]
        source_left_R[row] -= sources_N[n]
        row_N[n] = row
    return num_rows


@kernel
def balance(
    lengths_N: NDArray[np.int64], sources_N: NDArray[np.int64], num_rows: int, row_N: NDArray[np.int64]
) -> tuple[int, int]:
    """Fills in a row for each sequence and its source, so that rows are about equally long; returns their lengths.

    Each goes to the row that is shortest with it; then sequences of the longest rows move, or change places with
    others, as long as that makes rows shorter.
    """
    used_R, source_used_R = np.zeros(num_rows, np.int64), np.zeros(num_rows, np.int64)
    for n in range(len(lengths_N)):
        chosen, least = 0, -1
        for row in range(num_rows):
            length = used_R[row] + lengths_N[n] + source_used_R[row] + sources_N[n]
            if least < 0 or length < least:
                chosen, least = row, length
        row_N[n] = chosen
        used_R[chosen] += lengths_N[n]
        source_used_R[chosen] += sources_N[n]
    for _ in range(2 * len(lengths_N)):
        if not improve(lengths_N, sources_N, used_R, source_used_R, row_N):
            break
    return used_R.max(), source_used_R.max()


@kernel
def improve(
    lengths_N: NDArray[np.int64],
    sources_N: NDArray[np.int64],
    used_R: NDArray[np.int64],
    source_used_R: NDArray[np.int64],
    row_N: NDArray[np.int64],
) -> bool:
    """Makes the one change to the longest row, or the row of the longest source, that shortens both most, if any."""
    count = len(lengths_N)
    best, best_n, best_m = used_R.max() + source_used_R.max(), -1, -1
    longest, longest_source = used_R.argmax(), source_used_R.argmax()
    for n in range(count):
        here = row_N[n]
        if here not in (longest, longest_source):
            continue
        for m in range(count + len(used_R)):  # another sequence to change places with, or a row to move to
            there = row_N[m] if m < count else m - count
            if there == here:
                continue
            more = lengths_N[n] - (lengths_N[m] if m < count else 0)
            more_source = sources_N[n] - (sources_N[m] if m < count else 0)
            most, most_source = 0, 0
            for row in range(len(used_R)):
                sign = (row == there) - (row == here)
                most = max(most, used_R[row] + sign * more)
                most_source = max(most_source, source_used_R[row] + sign * more_source)
            if most + most_source < best:
                best, best_n, best_m = most + most_source, n, m
    if best_n < 0:
        return False
    here, there = row_N[best_n], row_N[best_m] if best_m < count else best_m - count
    more = lengths_N[best_n] - (lengths_N[best_m] if best_m < count else 0)
    more_source = sources_N[best_n] - (sources_N[best_m] if best_m < count else 0)
    row_N[best_n] = there
    if best_m < count:
        row_N[best_m] = here
    used_R[here] -= more
    used_R[there] += more
    source_used_R[here] -= more_source
    source_used_R[there] += more_source
    return True
