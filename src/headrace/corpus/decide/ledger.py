"""The ledger: one row per document seen, with every score, every rule that failed, and what became of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.columns import LEDGER, SCORES
from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.rules import failing_by_reason
from headrace.corpus.decide.shards import Shard, Shards
from headrace.corpus.decide.verdicts import Verdicts
from headrace.corpus.presets import Rule
from headrace.corpus.tables import arrow_schema, open_writer

LEDGER_ROWS = 1_000_000


def ledger_frames(config: CorpusConfig, shards: Shards, verdicts: Verdicts) -> Iterator[pl.DataFrame]:
    """The ledger, a measured shard at a time."""
    rules = {source.name: config.rules_for(source) for source in config.sources}
    for shard in shards:
        yield _frame(shard, rules[shard.source], verdicts)


def _frame(shard: Shard, rules: Sequence[Rule], verdicts: Verdicts) -> pl.DataFrame:
    rows = shard.rows
    reason = pl.Series("reason", verdicts.reason_names(rows), pl.String)
    similarity, twin, numbers = verdicts.similarity[rows], verdicts.twin[rows], np.arange(rows.start, rows.stop)
    in_cluster = verdicts.cluster_size[rows] > 1
    survivor = np.where(in_cluster, np.where(twin >= 0, twin, numbers), -1)
    frame = shard.read_scores(list(SCORES)).with_columns(reason, reasons=all_reasons(rules))
    # what is no rule comes after all rules: it was only looked at for documents that had passed them
    is_other = (pl.col("reason") != "") & (pl.col("reasons").list.len() == 0)
    return frame.with_columns(
        reasons=pl.when(is_other).then(pl.concat_list("reason")).otherwise("reasons"),
        kept=pl.col("reason") == "",
        split=pl.Series(_splits(verdicts, rows), dtype=pl.String),
        duplicate_of=pl.Series(verdicts.hex_ids(twin), dtype=pl.String),
        similarity=pl.Series(similarity.astype(np.float64)).fill_nan(None),
        cluster=pl.Series(verdicts.hex_ids(survivor), dtype=pl.String),
        cluster_size=pl.Series(verdicts.cluster_size[rows].astype(np.int64)),
        num_contaminated=pl.Series(verdicts.num_contaminated[rows].astype(np.int64)),
        removed_bytes=pl.Series(verdicts.removed_bytes[rows]),
        copies=pl.Series(verdicts.copies[rows]),
        shard=pl.lit(shard.index, pl.Int32),
    ).select(list(LEDGER))


def all_reasons(rules: Sequence[Rule]) -> pl.Expr:
    """The names of all failed rules, in order."""
    named = [pl.when(failed).then(pl.lit(reason)) for reason, failed in failing_by_reason(rules).items()]
    return pl.concat_list(named).list.drop_nulls() if named else pl.lit([], pl.List(pl.String))


def _splits(verdicts: Verdicts, rows: slice) -> list[str]:
    names = np.where(verdicts.is_validation[rows], "validation", "train")
    return list(np.where(verdicts.passes[rows], names, "").tolist())


class LedgerWriter:
    """Writes ledger frames to `ledger-*.parquet`, each of about `LEDGER_ROWS` rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: pq.ParquetWriter | None = None
        self._num_files = self._num_rows = 0

    def __enter__(self) -> "LedgerWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, frame: pl.DataFrame) -> None:
        if self._writer is None or self._num_rows >= LEDGER_ROWS:
            self._begin_file()
        assert self._writer is not None, "a file was just begun"
        table: pa.Table = frame.to_arrow().cast(arrow_schema(LEDGER))
        self._writer.write_table(table)
        self._num_rows += table.num_rows

    def _begin_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = open_writer(self._folder / f"ledger-{self._num_files:05d}.parquet", LEDGER)
        self._num_files, self._num_rows = self._num_files + 1, 0
