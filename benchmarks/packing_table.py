"""What different ways of packing documents into rows keep, drop and cut; `loader_speed.py --packing` prints it.

Shape letters: N documents.
"""

import bisect
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

Rows = Iterator[list[int]]
"""The lengths of the pieces in each row."""

ROW_TOKENS = (1_024, 2_048)
WORLD_SIZE, BATCH_ROWS, SEED = 8, 64, 7
BUFFER_DOCUMENTS = 1_000  # nanochat's own


def headrace_rows(packing: str) -> Callable[[np.ndarray, int], Rows]:
    from headrace.tokens.packing import plan_rows

    def rows(lengths: np.ndarray, row_tokens: int) -> Rows:
        plan = plan_rows(lengths, row_tokens, packing=packing)  # type: ignore[arg-type]
        pieces = plan.segments["length"].tolist()
        bounds = plan.row_starts.tolist()
        return (pieces[first:last] for first, last in pairwise(bounds))

    return rows


def padded_rows(lengths: np.ndarray, row_tokens: int) -> Rows:
    """One document a row, cut at its end."""
    return ([length] for length in np.minimum(lengths, row_tokens).tolist())


def trl_rows(lengths: np.ndarray, row_tokens: int) -> Rows:
    """TRL's `bfd`: documents are truncated to the row, then packed best-fit decreasing."""
    return headrace_rows("best_fit")(np.minimum(lengths, row_tokens).astype(np.int32), row_tokens)


def nanochat_rows(lengths: np.ndarray, row_tokens: int) -> Rows:
    """nanochat's best fit with cropping: of a buffer of documents the largest that fits whole; where none does, the
    shortest is cropped to fill the row, and the rest of it dropped. Source: nanochat/dataloader.py."""
    waiting = iter(lengths.tolist())
    buffer: list[int] = sorted(length for length, _ in zip(waiting, range(BUFFER_DOCUMENTS), strict=False))
    while buffer:
        row: list[int] = []
        space = row_tokens
        while space and buffer:
            place = bisect.bisect_right(buffer, space) - 1
            length = buffer.pop(place) if place >= 0 else buffer.pop(0)
            row.append(min(length, space))
            space -= row[-1]
            if (more := next(waiting, None)) is not None:
                bisect.insort(buffer, more)
        yield row


WAYS: dict[str, Callable[[np.ndarray, int], Rows]] = {
    "headrace best fit": headrace_rows("best_fit"),
    "headrace end to end": headrace_rows("concatenate"),
    "TRL bfd": trl_rows,
    "nanochat best-fit crop": nanochat_rows,
    "one a row, padded": padded_rows,
}


def imbalance(squares: Iterable[int], *, balanced: bool) -> float:
    """The mean over batches of the busiest process's attention over the mean of all, rows shuffled."""
    from headrace.tokens.ranks import share_rows

    costs = np.random.default_rng(SEED).permutation(np.fromiter(squares, np.int64))
    ratios = []
    for start in range(0, len(costs) - BATCH_ROWS + 1, BATCH_ROWS):
        batch = costs[start : start + BATCH_ROWS]
        shares = share_rows(batch, WORLD_SIZE) if balanced else np.arange(BATCH_ROWS).reshape(WORLD_SIZE, -1)
        loads = [batch[share].sum() for share in shares]
        ratios.append(max(loads) / np.mean(loads))
    return float(np.mean(ratios)) if ratios else float("nan")


def print_tables(stores: list[Path]) -> None:
    """One table a store and row length."""
    from headrace.tokens.indexed import read_indexed

    for store in stores:
        prefixes = [path.with_suffix("") for path in sorted(store.glob("train-*.idx"))]
        lengths = np.concatenate([read_indexed(prefix).lengths for prefix in prefixes]).astype(np.int32)
        for row_tokens in ROW_TOKENS:
            print_table(f"{store.name}: {len(lengths):,} documents, rows of {row_tokens}", lengths, row_tokens)


def print_table(title: str, lengths: np.ndarray, row_tokens: int) -> None:
    total = int(lengths.sum(dtype=np.int64))
    print(f"\n{title}\n{'':26s}{'fill':>9s}{'dropped':>9s}{'pieces':>9s}{'max/mean':>10s}")
    for name, pack in WAYS.items():
        rows = list(pack(lengths, row_tokens))
        kept, pieces = sum(map(sum, rows)), sum(map(len, rows))
        busiest = imbalance((sum(n * n for n in row) for row in rows), balanced=name.startswith("headrace"))
        print(
            f"{name:26s}{kept / (len(rows) * row_tokens):9.2%}{1 - kept / total:9.2%}"
            f"{pieces / len(lengths):9.2f}{busiest:10.3f}"
        )
