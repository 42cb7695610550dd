"""All units of one source, and the limit to how much of it may be damaged."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.corpus.alongside import hand_over
from headrace.corpus.columns import QUARANTINE
from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import kind_of
from headrace.corpus.first_use import FirstUse, ensure_compiled
from headrace.corpus.kept import place
from headrace.corpus.measure.batch import measure_sample
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.measure.scores import compile_parts
from headrace.corpus.measure.unit import MeasureTask, UnitCounts, measure_unit
from headrace.corpus.quantity import Quantity, first_uses
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read import feed_units
from headrace.corpus.read.json_objects import read_sample
from headrace.corpus.read.streams import has_zstd_checksum
from headrace.corpus.tables import open_writer, read_table
from headrace.corpus.workers import Workers
from headrace.errors import DamageError
from headrace.store import Workspace
from headrace.trace import event, progress

SHOWN_RECORDS = 3
SHOWN_FILES = 3


def measure_source(
    settings: MeasureSettings,
    *,
    files: Sequence[RawFile],
    quality: Path | None,
    workspace: Workspace,
    workers: Workers,
    later: Sequence[FirstUse] = (),
    alongside: Mapping[Quantity, Path] | None = None,
) -> dict[str, Any]:
    """Fills `workspace.output` with the source's documents, scores and quarantine; returns counts.

    quality: folder of the learned models, where the settings ask for their scores.
    later: kernels that the run will use after this, to be compiled meanwhile by another process.
    alongside: what to derive of the documents in the same go, and where the step that wants it keeps its units.
    Raises InputError if a file is damaged as a whole, DamageError if more records are than `quarantine_limit` allows.
    """
    source, limit, alongside = settings.source, settings.quarantine_limit, alongside or {}
    kernels = FirstUse(f"measure-{settings.kernels}", partial(measure_sample, settings, quality=quality))
    parts = [FirstUse("lines", compile_parts)] if settings.scores else []
    reads_json = any(kind_of(source, file).format == "jsonl" for file in files)
    reading = [FirstUse("json-lines", read_sample)] if reads_json else []
    ensure_compiled(kernels, later=[*parts, *reading, *later])
    for others in (*reading, *first_uses([*alongside])):
        ensure_compiled(others)
    tasks = _Tasks(settings, files, workspace.kept, quality=quality, quantities=tuple(alongside))
    counts = _measure_all(tasks, workers, total_bytes=sum(file.size_bytes for file in files))
    folders = tasks.folders
    damaged = sum((Counter(count.damaged) for count in counts), Counter[str]())
    num_documents = sum(count.num_documents for count in counts)
    if damaged.total() > limit * (damaged.total() + num_documents):
        message = _too_much_damage(source, damaged, num_documents, limit=limit, folders=folders)
        raise DamageError(message, [folder / "quarantine.parquet" for folder in folders])
    empty = _empty_files(counts, tasks)
    if empty:
        event("empty_files", source=source.name, number=len(empty), first=empty[:SHOWN_FILES])
    _place_all(folders, workspace.output)
    for quantity, kept in alongside.items():
        hand_over(folders, quantity, kept)
    return {
        "files": len(files),
        "empty_files": len(empty),
        "files_without_checksum": _count_unprotected(source, files),
        "units": len(folders),
        "documents": num_documents,
        "text_bytes": sum(count.num_text_bytes for count in counts),
        "skipped": dict(sorted(sum((Counter(count.skipped) for count in counts), Counter[str]()).items())),
        "quarantined": damaged.total(),
        "quarantine_reasons": dict(sorted(damaged.items())),
    }


class _Tasks:
    """The tasks of all units, made while they are asked for: pieces of large compressed files appear only then."""

    def __init__(self, settings: MeasureSettings, files: Sequence[RawFile], kept: Path, **others: Any) -> None:
        self.source = settings.source
        self.kept = kept
        self.folders: list[Path] = []
        """Where the units given out so far will lie, in order."""
        self.num_later_parts: Counter[str] = Counter()
        """File -> its parts but the first one, for files that are cut."""
        self._settings, self._files, self._others = settings, files, others

    def __iter__(self) -> Iterator[MeasureTask]:
        units = feed_units(
            self.source, self._files, spill=self.kept / "spilled", is_done=lambda index: self._folder(index).exists()
        )
        for unit in units:
            self.folders.append(self._folder(unit.index))
            self.num_later_parts.update(part.file.name for part in unit.parts if part.start)
            yield MeasureTask(self._settings, unit, folder=self.folders[-1], **self._others)

    def _folder(self, index: int) -> Path:
        return self.kept / f"unit-{index:05d}"


def _measure_all(tasks: _Tasks, workers: Workers, *, total_bytes: int) -> list[UnitCounts]:
    counts: list[UnitCounts] = []
    done_bytes = 0
    progress("measure", 0, total_bytes, unit="bytes", source=tasks.source.name)
    for count in workers.map_attempts(measure_unit, tasks, crumbs=tasks.kept):
        counts.append(count)
        done_bytes += count.size_bytes
        progress("measure", done_bytes, total_bytes, unit="bytes", source=tasks.source.name)
    return counts


def _empty_files(counts: Sequence[UnitCounts], tasks: _Tasks) -> list[str]:
    """The files that hold no record at all, sorted: no damage, but perhaps not what was meant."""
    empty = Counter(file for count in counts for file in count.empty_files)
    return sorted(file for file, number in empty.items() if number == 1 + tasks.num_later_parts[file])


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
    return sum(kind_of(source, file).compression == "zstd" and not has_zstd_checksum(file) for file in files)
