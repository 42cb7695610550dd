"""One unit of work: read, normalise, score, write."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson
import pyarrow.compute as pc

from headrace.corpus.alongside import Alongside
from headrace.corpus.columns import DOCUMENTS, QUARANTINE, SCORES
from headrace.corpus.kept import ensure_unit
from headrace.corpus.measure.batch import measure_batch
from headrace.corpus.measure.careful import healthy_batches
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.quantity import Quantity
from headrace.corpus.read import Batch, DamagedRecord, Unit
from headrace.corpus.read.batches import BATCH_BYTES, join_batches
from headrace.corpus.tables import RowWriter, TableWriter
from headrace.corpus.texts import Texts
from headrace.corpus.workers import Attempt

RESULT = "counts.json"


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """What a worker needs to know to measure a unit."""

    settings: MeasureSettings
    unit: Unit
    quality: Path | None
    """Folder of the learned models, if there are any."""
    folder: Path
    """Where the finished unit will lie."""
    quantities: tuple[Quantity, ...] = ()
    """What is derived of the documents alongside."""

    def __str__(self) -> str:
        return str(self.unit)


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """What a unit held."""

    size_bytes: int
    num_documents: int
    num_text_bytes: int
    damaged: dict[str, int]
    """Reason -> number of records."""
    skipped: dict[str, int]
    """Kind -> number of sound records that are no documents, such as the requests in a WARC file."""
    empty_files: list[str]
    """Files, or the parts of some that are cut, without any record, damaged ones counted."""


def measure_unit(task: MeasureTask, attempt: Attempt) -> UnitCounts:
    """Measures a unit, or finds that it was measured before a kill."""
    ensure_unit(task.folder, partial(_build, task, attempt))
    task.unit.release()
    return UnitCounts(**orjson.loads((task.folder / RESULT).read_bytes()))


def _build(task: MeasureTask, attempt: Attempt, folder: Path) -> None:
    source, reasons, skipped = task.settings.source.name, Counter[str](), Counter[str]()
    empty_files: list[str] = []
    with (
        TableWriter(folder / "documents.parquet", DOCUMENTS) as documents,
        TableWriter(folder / "scores.parquet", SCORES) as scores,
        RowWriter(folder / "quarantine.parquet", QUARANTINE) as quarantine,
    ):
        gathered = _Gathered(task, documents, scores)
        for part in task.unit.parts:
            file, num_records = part.file.name, 0
            for batch in healthy_batches(task.settings.source, part, attempt, measure=partial(_try, task, file)):
                skipped.update(batch.skipped)
                num_records += len(batch) + len(batch.damaged) + sum(batch.skipped.values())
                for record in batch.damaged:
                    reasons[record.reason] += 1
                    quarantine.add(_describe(record, source=source, file=file))
                gathered.add(batch, file)
            if not num_records:
                empty_files.append(file)
        gathered.measure()
        gathered.alongside.write(folder)
    counts = UnitCounts(
        task.unit.size_bytes,
        gathered.num_documents,
        gathered.num_text_bytes,
        damaged=dict(sorted(reasons.items())),
        skipped=dict(sorted(skipped.items())),
        empty_files=empty_files,
    )
    (folder / RESULT).write_bytes(orjson.dumps(counts))


class _Gathered:
    """Batches on their way to the tables, gathered over small files: what a batch costs is the same for any size."""

    def __init__(self, task: MeasureTask, documents: TableWriter, scores: TableWriter) -> None:
        self._task, self._documents, self._scores = task, documents, scores
        self._batches: list[Batch] = []
        self._files: list[str] = []
        self._size_bytes = 0
        self.num_documents = self.num_text_bytes = 0
        self.alongside = Alongside(task.quantities)

    def add(self, batch: Batch, file: str) -> None:
        """Takes the documents of a batch of a file."""
        self._batches.append(batch)
        self._files += [file] * len(batch)
        self._size_bytes += int(batch.sizes.sum())
        if self._size_bytes >= BATCH_BYTES:
            self.measure()

    def measure(self) -> None:
        """Measures and writes what was gathered."""
        if self._files:
            task = self._task
            joined = join_batches(self._batches)
            texts, scores = measure_batch(joined, settings=task.settings, files=self._files, quality=task.quality)
            self._documents.add(texts)
            self._scores.add(scores)
            self.alongside.add(Texts.from_arrow(texts["text"].combine_chunks()))
            self.num_documents += texts.num_rows
            self.num_text_bytes += pc.sum(scores["num_bytes"]).as_py()
        self._batches, self._files, self._size_bytes = [], [], 0


def _try(task: MeasureTask, file: str, batch: Batch) -> None:
    """Measures documents to see whether they let it live."""
    measure_batch(batch, settings=task.settings, files=[file] * len(batch), quality=task.quality)


def _describe(record: DamagedRecord, *, source: str, file: str) -> dict[str, object]:
    return {
        "source": source,
        "file": file,
        "offset": record.offset,
        "size_bytes": record.size_bytes,
        "reason": record.reason,
        "excerpt": record.excerpt,
    }
