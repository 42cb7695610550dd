"""Units cover every byte once, whatever the sizes of files and lines."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.read import RawDocument, plan_units, read_part
from headrace.corpus.read.units import BATCH_PARTS, RANGE_BYTES


@pytest.mark.parametrize("line_bytes", [1_000_003, 50_000_000])
def test_a_large_file_is_cut_at_line_ends(line_bytes: int, tmp_path: Path) -> None:
    count = 2 * RANGE_BYTES // line_bytes + 3
    with (tmp_path / "a.jsonl").open("wb") as file:
        for number in range(count):
            file.write(b'{"text": "%d %s"}\n' % (number, b"x" * line_bytes))
    source = SourceConfig(name="s", path=("a.jsonl",))

    units = plan_units(source, find_files(source, tmp_path))

    parts = [part for unit in units for part in unit.parts]
    assert len(units) > 1
    assert [part.start for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert sum(unit.size_bytes for unit in units) == (tmp_path / "a.jsonl").stat().st_size
    found = [record for part in parts for record in read_part(source, part)]
    assert all(isinstance(record, RawDocument) for record in found)
    assert [int(record.text.split()[0]) for record in found if isinstance(record, RawDocument)] == list(range(count))


def test_small_files_are_read_many_at_a_time(tmp_path: Path) -> None:
    for number in range(BATCH_PARTS + 5):
        (tmp_path / f"{number:04d}.txt").write_text(str(number))
    source = SourceConfig(name="s", path=(".",))

    assert [len(unit.parts) for unit in plan_units(source, find_files(source, tmp_path))] == [BATCH_PARTS, 5]


def test_parquet_is_cut_at_row_groups(tmp_path: Path) -> None:
    texts = [f"{number} " + "x" * 1_000_000 for number in range(80)]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": texts}), path, row_group_size=10, compression="none", use_dictionary=False)
    source = SourceConfig(name="s", path=("t.parquet",))

    units = plan_units(source, find_files(source, tmp_path))

    assert [(part.start, part.end) for unit in units for part in unit.parts] == [(0, 3), (3, 6), (6, 8)]
    offsets = [record.offset for unit in units for part in unit.parts for record in read_part(source, part)]
    assert offsets == list(range(80))


def test_a_table_without_rows_is_a_unit_without_records(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "t.parquet")
    source = SourceConfig(name="s", path=("t.parquet",))

    units = plan_units(source, find_files(source, tmp_path))

    assert [list(read_part(source, part)) for unit in units for part in unit.parts] == [[]]
