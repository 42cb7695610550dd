"""Copies the chosen documents out of the measured shards: read, filter, write, nothing is looked at again."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.columns import DOCUMENTS
from headrace.corpus.kept import ensure_unit
from headrace.corpus.tables import open_writer, stored

SPLITS = ("train", "validation")
SHARD_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Shard:
    """A measured shard and which of its rows go where."""

    documents: Path
    chosen: dict[str, pa.BooleanArray]
    """Split -> one value per row of `documents`."""
    num_bytes: int
    """Of text that is kept."""


@dataclass(frozen=True, slots=True)
class CopyTask:
    """Shards whose kept documents make one shard of each split."""

    shards: tuple[Shard, ...]
    folder: Path
    num_bytes: int

    def __str__(self) -> str:
        return f"documents from {self.shards[0].documents} on"


def plan_copies(shards: Iterable[Shard], kept: Path) -> list[CopyTask]:
    """Groups shards, in order, so that a group holds about `SHARD_BYTES` of kept text."""
    groups: list[list[Shard]] = []
    group_bytes = 0
    for shard in shards:
        if not groups or group_bytes + shard.num_bytes > SHARD_BYTES:
            groups.append([])
            group_bytes = 0
        groups[-1].append(shard)
        group_bytes += shard.num_bytes
    return [
        CopyTask(tuple(group), kept / f"copy-{index:05d}", sum(shard.num_bytes for shard in group))
        for index, group in enumerate(groups)
    ]


def copy_documents(task: CopyTask) -> CopyTask:
    """Writes `train.parquet` and `validation.parquet`, each only if it has rows, into the task's folder."""
    ensure_unit(task.folder, partial(_copy, task.shards))
    return task


def _copy(shards: Sequence[Shard], folder: Path) -> None:
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for split, table in _pieces(shards):
            if split not in writers:
                writers[split] = stack.enter_context(open_writer(folder / f"{split}.parquet", DOCUMENTS))
            writers[split].write_table(table)


def _pieces(shards: Sequence[Shard]) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each split, a row group of a measured shard at a time."""
    for shard in shards:
        if not any(mask.true_count for mask in shard.chosen.values()):
            continue
        with stored(shard.documents) as parquet:
            first = 0
            for index in range(parquet.num_row_groups):
                table = parquet.read_row_group(index, use_threads=False)
                for split, mask in shard.chosen.items():
                    if (picked := table.filter(mask.slice(first, table.num_rows))).num_rows:
                        yield split, picked
                first += table.num_rows


def shards_of(ledger: pl.DataFrame, documents: Sequence[Path]) -> Iterator[Shard]:
    """The shards of a source that have rows, from its part of the ledger; `documents` are its measured shards."""
    for rows in ledger.select("shard", "split", "kept", "num_bytes").partition_by("shard", maintain_order=True):
        chosen = {split: (rows["split"] == split).to_arrow() for split in SPLITS}
        yield Shard(documents[rows.item(0, "shard")], chosen, int(rows.filter("kept")["num_bytes"].sum()))
