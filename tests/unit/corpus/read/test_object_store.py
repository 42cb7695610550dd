"""Sources in object stores: a real S3 API on loopback, and fsspec's store in memory."""

import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pydantic import ValidationError

from headrace.corpus import raw_file
from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read import Record, plan_units, read_part, units
from headrace.errors import InputError, RecipeError

LINES = b"".join(b'{"text": "line %d"}\n' % n for n in range(2_000))


@pytest.fixture
def bucket(storage: dict[str, Any], tmp_path: Path) -> Any:
    """An empty bucket with two JSON lines files, one of them compressed, and a table."""
    store = fsspec.filesystem("s3", **storage)
    if store.exists("corpus"):
        store.rm("corpus", recursive=True)
    store.mkdir("corpus")
    store.pipe("corpus/raw/a b.jsonl", LINES)
    store.pipe("corpus/raw/deep/er/b.jsonl.zst", zstandard.compress(LINES))
    pq.write_table(pa.table({"text": ["one", "two"]}), tmp_path / "t.parquet")
    store.pipe("corpus/raw/t.parquet", (tmp_path / "t.parquet").read_bytes())
    store.pipe("corpus/raw/notes.unknown", b"?")
    return store


def records_of(source: SourceConfig, files: list[RawFile]) -> list[Record]:
    return [r for unit in plan_units(source, files) for part in unit.parts for r in read_part(source, part)]


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("s3://corpus/raw", ["a b.jsonl", "deep/er/b.jsonl.zst", "t.parquet"]),
        ("s3://corpus/raw/**/*.jsonl.zst", ["deep/er/b.jsonl.zst"]),
        ("s3://corpus/raw/*.jsonl", ["a b.jsonl"]),
        ("s3://corpus/raw/t.parquet", ["t.parquet"]),
    ],
)
def test_prefixes_globs_and_objects_are_found(
    path: str, names: list[str], storage: dict[str, Any], tmp_path: Path
) -> None:
    files = find_files(SourceConfig(name="s", path=(path,), storage=storage), tmp_path)

    assert [file.name for file in files] == [f"s3://corpus/raw/{name}" for name in names]
    assert all(file.size_bytes > 0 for file in files)


def test_objects_are_read_whole_and_in_ranges(
    bucket: Any, storage: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SourceConfig(name="s", path=("s3://corpus/raw",), storage=storage)
    files = find_files(source, tmp_path)
    whole = records_of(source, files)
    monkeypatch.setattr(units, "RANGE_BYTES", 5_000)

    assert sum(len(unit.parts) for unit in plan_units(source, files)) > 8
    assert records_of(source, files) == whole
    assert len(whole) == 4_002


def test_the_version_changes_with_the_bytes_and_only_with_them(
    bucket: Any, storage: dict[str, Any], tmp_path: Path
) -> None:
    source = SourceConfig(name="s", path=("s3://corpus/raw/*.jsonl",), storage=storage)
    (first,) = find_files(source, tmp_path)
    bucket.pipe("corpus/raw/a b.jsonl", LINES)
    (same,) = find_files(source, tmp_path)
    bucket.pipe("corpus/raw/a b.jsonl", LINES.replace(b"7", b"8"))
    (changed,) = find_files(source, tmp_path)

    assert first.version == same.version != changed.version
    with pytest.raises(InputError, match="changed since it was listed"):
        records_of(source, [first])


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("path", ["s3://corpus/nothing/*.jsonl", "s3://corpus/nothing", "s3://no-such-bucket/x/*.txt"])
def test_nothing_there_is_an_error_that_names_it(path: str, storage: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=path.replace("*", r"\*")):
        find_files(SourceConfig(name="s", path=(path,), storage=storage), tmp_path)


def test_memory_and_file_urls_are_read_as_well(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/box/a.txt", b"in memory")
    (tmp_path / "a b.txt").write_text("on disk")
    source = SourceConfig(name="s", path=("memory://box/*.txt", (tmp_path / "a b.txt").as_uri()))

    found = records_of(source, find_files(source, tmp_path))

    assert sorted(record.text for record in found if hasattr(record, "text")) == ["in memory", "on disk"]


@pytest.mark.parametrize("url", ["https://example.com/a.txt", "ftp://example.com/a.txt", "simplecache::s3://b/a.txt"])
def test_addresses_are_refused_with_the_remedy(url: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"is not read: .* fetch the files first"):
        find_files(SourceConfig(name="s", path=(url,)), tmp_path)


def test_a_missing_driver_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scheme: str, **options: Any) -> Any:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", fail)

    with pytest.raises(RecipeError, match=r"pip install 'headrace\[s3\]'"):
        find_files(SourceConfig(name="s", path=("s3://b/a.txt",)), tmp_path)
    assert set(raw_file.DRIVERS) >= {"s3", "gs", "memory"}


def test_credentials_have_no_place_in_a_recipe() -> None:
    with pytest.raises(ValidationError, match="secret: a recipe ends up in reports"):
        SourceConfig(name="s", path=("s3://b/a.txt",), storage={"secret": json.dumps("x")})
