"""All units of one source, and the limit to how much of it may be damaged."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.corpus.columns import QUARANTINE
from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import RawFile, kind_of
from headrace.corpus.kept import place
from headrace.corpus.measure.scores import Form
from headrace.corpus.measure.unit import MeasureTask, UnitCounts, measure_unit
from headrace.corpus.read import plan_units
from headrace.corpus.read.streams import has_zstd_checksum
from headrace.corpus.tables import open_writer, read_table
from headrace.corpus.workers import Workers
from headrace.errors import InputError
from headrace.store import Workspace
from headrace.trace import progress

MEASURE_VERSION = 1
SHOWN_RECORDS = 3


def measure_source(
    source: SourceConfig,
    *,
    normalize: Form,
    files: Sequence[RawFile],
    workspace: Workspace,
    workers: Workers,
    quarantine_limit: float,
) -> dict[str, Any]:
    """Fills `workspace.output` with the source's documents, scores and quarantine; returns counts.

    Raises InputError if a file is damaged as a whole, or more than `quarantine_limit` of the records are.
    """
    units = plan_units(source, files)
    folders = [workspace.kept / f"unit-{unit.index:05d}" for unit in units]
    tasks = [MeasureTask(source, unit, normalize, folder) for unit, folder in zip(units, folders, strict=True)]
    counts = _measure_all(tasks, workers)
    damaged = sum((Counter(count.damaged) for count in counts), Counter[str]())
    num_documents = sum(count.num_documents for count in counts)
    if damaged.total() > quarantine_limit * (damaged.total() + num_documents):
        raise InputError(_too_much_damage(source, damaged, num_documents, limit=quarantine_limit, folders=folders))
    _place_all(folders, workspace.output)
    return {
        "files": len(files),
        "files_without_checksum": _count_unprotected(source, files),
        "units": len(units),
        "documents": num_documents,
        "text_bytes": sum(count.num_text_bytes for count in counts),
        "quarantined": damaged.total(),
        "quarantine_reasons": dict(sorted(damaged.items())),
    }


def _measure_all(tasks: Sequence[MeasureTask], workers: Workers) -> list[UnitCounts]:
    name, total_bytes, done_bytes = tasks[0].source.name, sum(task.unit.size_bytes for task in tasks), 0
    counts: list[UnitCounts] = []
    progress("measure", 0, total_bytes, unit="bytes", source=name)
    for count in workers.map_unordered(measure_unit, tasks):
        counts.append(count)
        done_bytes += count.size_bytes
        progress("measure", done_bytes, total_bytes, unit="bytes", source=name)
    return counts


def _too_much_damage(
    source: SourceConfig, damaged: Counter[str], num_documents: int, *, limit: float, folders: Sequence[Path]
) -> str:
    """How much is damaged, where the first of it lies, and what can be done."""
    num_damaged, num_records = damaged.total(), damaged.total() + num_documents
    tables = (read_table(folder / "quarantine.parquet", ["file", "offset", "reason"]) for folder in folders)
    records = (record for table in tables for record in table.to_pylist())
    shown = ", ".join(f"{r['file']}:{r['offset']} ({r['reason']})" for r in islice(records, SHOWN_RECORDS))
    return (
        f"source {source.name}: {num_damaged:,} of {num_records:,} records are damaged "
        f"({num_damaged / num_records:.1%}), and corpus.quarantine_limit is {limit:.1%}. The first are: {shown}. "
        "Check the source's `format`, `text` and files, or raise corpus.quarantine_limit."
    )


def _place_all(folders: Sequence[Path], output: Path) -> None:
    """Names the units' tables for the artefact; the quarantines, which are small, become one."""
    with open_writer(output / "quarantine-00000.parquet", QUARANTINE) as writer:
        for index, folder in enumerate(folders):
            place(folder / "documents.parquet", output / f"documents-{index:05d}.parquet")
            place(folder / "scores.parquet", output / f"scores-{index:05d}.parquet")
            table: pa.Table = read_table(folder / "quarantine.parquet")
            if table.num_rows:
                writer.write_table(table)


def _count_unprotected(source: SourceConfig, files: Sequence[RawFile]) -> int:
    """Compressed files in which a flipped bit may go unnoticed. Parquet is not asked: most writers leave it out."""
    return sum(kind_of(source, file).compression == "zstd" and not has_zstd_checksum(file.path) for file in files)
