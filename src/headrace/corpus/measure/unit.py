"""One unit of work: read, normalise, score, write."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson
import xxhash

from headrace.corpus.columns import DOCUMENTS, QUARANTINE, SCORES
from headrace.corpus.config import SourceConfig
from headrace.corpus.kept import ensure_unit
from headrace.corpus.measure.language import identify_language
from headrace.corpus.measure.scores import Form, hash_content, normalize_text, score_text
from headrace.corpus.read import DamagedRecord, RawDocument, Record, Unit, read_part
from headrace.corpus.tables import Row, RowWriter

RESULT = "counts.json"


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """What a worker needs to know to measure a unit."""

    source: SourceConfig
    unit: Unit
    form: Form
    folder: Path
    """Where the finished unit will lie."""

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


def measure_unit(task: MeasureTask) -> UnitCounts:
    """Measures a unit, or finds that it was measured before a kill."""
    ensure_unit(task.folder, partial(_build, task))
    return UnitCounts(**orjson.loads((task.folder / RESULT).read_bytes()))


def _build(task: MeasureTask, folder: Path) -> None:
    damaged: Counter[str] = Counter()
    num_documents = num_text_bytes = 0
    with (
        RowWriter(folder / "documents.parquet", DOCUMENTS) as documents,
        RowWriter(folder / "scores.parquet", SCORES) as scores,
        RowWriter(folder / "quarantine.parquet", QUARANTINE) as quarantine,
    ):
        for part in task.unit.parts:
            for record in read_part(task.source, part):
                row = {"source": task.source.name, "file": part.file.name, **_place(record)}
                if isinstance(record, DamagedRecord):
                    damaged[record.reason] += 1
                    quarantine.add({**row, "reason": record.reason, "excerpt": record.excerpt})
                    continue
                row |= _measure(task, record, file=row["file"])
                num_documents += 1
                num_text_bytes += row["num_bytes"]
                documents.add(row, row["num_bytes"])
                scores.add(row)
    counts = UnitCounts(task.unit.size_bytes, num_documents, num_text_bytes, dict(sorted(damaged.items())))
    (folder / RESULT).write_bytes(orjson.dumps(counts))


def _place(record: Record) -> Row:
    return {"offset": record.offset, "size_bytes": record.size_bytes}


def _measure(task: MeasureTask, record: RawDocument, *, file: str) -> Row:
    """The columns of a document and of its scores, apart from where it comes from."""
    text = normalize_text(record.text, task.form)
    identity = "\0".join((task.source.name, file, str(record.offset), text))
    declared = task.source.language
    language, language_score = (declared, 1.0) if declared else identify_language(text)
    return {
        "id": xxhash.xxh3_128_hexdigest(identity.encode()),
        "text": text,
        "metadata": record.metadata,
        "language": language,
        "language_score": language_score,
        "content_hash": hash_content(text),
        **score_text(text, language),
    }
