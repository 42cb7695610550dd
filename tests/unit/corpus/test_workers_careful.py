"""Careful attempts yield what others yield, note each place before its document is touched, and leave killers out."""

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.measure.careful import healthy_batches
from headrace.corpus.read import Batch, DamagedRecord, Part, plan_units
from headrace.corpus.workers import Attempt, Place
from headrace.corpus.workers.attempt import read_crumb

TEXTS = ["one", "two two", "three", "vier"]
LINES = [
    *(orjson.dumps({"text": text}) for text in TEXTS[:2]),
    b'{"text": null}',
    *(b'{"text": "%s"}' % t.encode() for t in TEXTS[2:]),
]
OFFSETS = [0, 15, 49, 67]
NULL = DamagedRecord(34, 14, "text_null", '{"text": null}')


@pytest.fixture
def lines(tmp_path: Path) -> tuple[SourceConfig, Part]:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(LINES) + b"\n")
    return part_of(tmp_path, "a.jsonl")


def part_of(folder: Path, name: str) -> tuple[SourceConfig, Part]:
    source = SourceConfig(name="s", path=(name,))
    ((part,),) = [unit.parts for unit in plan_units(source, find_files(source, folder))]
    return source, part


def contents(batch: Batch) -> list[tuple[int, str]]:
    return [(offset, str(text)) for offset, text in zip(batch.offsets.tolist(), batch.texts, strict=True)]


def test_a_careful_attempt_yields_what_an_ordinary_one_yields(lines: tuple[SourceConfig, Part], tmp_path: Path) -> None:
    crumb = tmp_path / "crumb"
    (ordinary,) = healthy_batches(*lines, Attempt(), measure=contents)
    (careful,) = healthy_batches(*lines, Attempt(2, crumb), measure=contents)

    assert contents(ordinary) == contents(careful) == list(zip(OFFSETS, TEXTS, strict=True))
    assert ordinary.damaged == careful.damaged == [NULL]
    assert not crumb.exists()


def test_an_ordinary_attempt_measures_nothing_twice(lines: tuple[SourceConfig, Part]) -> None:
    measured: list[Batch] = []
    list(healthy_batches(*lines, Attempt(), measure=measured.append))

    assert measured == []


def test_each_place_is_noted_before_its_document_is_measured(lines: tuple[SourceConfig, Part], tmp_path: Path) -> None:
    crumb = tmp_path / "crumb"
    seen: list[tuple[Place | None, list[tuple[int, str]]]] = []
    list(
        healthy_batches(*lines, Attempt(2, crumb), measure=lambda one: seen.append((read_crumb(crumb), contents(one))))
    )

    assert seen == [(Place("a.jsonl", o), [(o, text)]) for o, text in zip(OFFSETS, TEXTS, strict=True)]


def test_killers_are_damaged_records_and_never_measured(lines: tuple[SourceConfig, Part], tmp_path: Path) -> None:
    skip = frozenset({Place("a.jsonl", 15), Place("b.jsonl", 0)})
    measured: list[tuple[int, str]] = []
    attempt = Attempt(4, tmp_path / "crumb", skip)
    (batch,) = healthy_batches(*lines, attempt, measure=lambda one: measured.extend(contents(one)))

    assert contents(batch) == measured == [(0, "one"), (49, "three"), (67, "vier")]
    assert batch.damaged == [NULL, DamagedRecord(15, 18, "killed_worker", "two two")]


def test_rows_of_parquet_are_left_out_too(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "a.parquet")
    skip = frozenset({Place("a.parquet", 3)})
    (batch,) = healthy_batches(*part_of(tmp_path, "a.parquet"), Attempt(4, tmp_path / "crumb", skip), measure=contents)

    assert contents(batch) == [(0, "one"), (1, "two two"), (2, "three")]
    assert [(record.offset, record.reason) for record in batch.damaged] == [(3, "killed_worker")]


def test_a_file_that_kills_its_reader_becomes_one_damaged_record(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a text that nobody reads")
    lone, crumb = part_of(tmp_path, "a.txt"), tmp_path / "crumb"
    batches = healthy_batches(*lone, Attempt(2, crumb), measure=contents)

    assert [contents(batch) for batch in batches] == [[(0, "a text that nobody reads")]]
    skip = frozenset({Place("a.txt", 0)})
    (batch,) = healthy_batches(*lone, Attempt(4, crumb, skip), measure=contents)
    assert (len(batch), batch.damaged) == (0, [DamagedRecord(0, 24, "killed_worker", "")])
