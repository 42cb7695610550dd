"""One bad record costs one record: it is filed under file, offset and reason, and its neighbours do not notice."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.corpus.read.records import RECORD_LIMIT_BYTES
from headrace.errors import InputError
from headrace.store import Artefact
from headrace.trace import Record, recording

Measure = Callable[..., Artefact]
Table = Callable[[Artefact, str], pl.DataFrame]

GOOD = [b'{"text": "document number %d", "page": %d}' % (n, n) for n in range(20)]

BAD_LINES = {
    "broken_json": b'{"text": "cut off he',
    "not_an_object": b'["an", "array"]',
    "text_missing": b'{"txt": "a typo"}',
    "text_null": b'{"text": null}',
    "text_not_a_string": b'{"text": 17}',
    "invalid_utf8": b'{"text": "caf\xe9 au lait"}',
    "lone_surrogate": rb'{"text": "half a pair \ud83d"}',
    "empty_text": b'{"text": " \\n\\t "}',
    "nul_character": rb'{"text": "a \u0000 inside"}',
    "nested_too_deep": b'{"text": "deep", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "record_too_large": b'{"text": "' + b"x" * RECORD_LIMIT_BYTES + b'"}',
}


@pytest.mark.parametrize("reason", BAD_LINES)
def test_a_bad_line_is_quarantined_with_its_offset_and_the_rest_is_read(
    reason: str, measure: Measure, table: Table, tmp_path: Path
) -> None:
    lines = [*GOOD[:9], BAD_LINES[reason], *GOOD[9:]]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    measured = measure(path="a.jsonl")

    quarantine = table(measured, "quarantine-*.parquet").to_dicts()
    offset = sum(len(line) + 1 for line in GOOD[:9])
    assert [(row["file"], row["offset"], row["reason"]) for row in quarantine] == [("a.jsonl", offset, reason)]
    assert quarantine[0]["size_bytes"] == len(BAD_LINES[reason])
    assert quarantine[0]["excerpt"].isprintable()
    documents = table(measured, "documents-*.parquet")
    assert documents["text"].to_list() == [f"document number {n}" for n in range(20)]
    assert [json.loads(entry)["page"] for entry in documents["metadata"]] == list(range(20))


def test_numbers_that_json_does_not_have_become_null_and_cost_no_record(
    measure: Measure, table: Table, tmp_path: Path
) -> None:
    numbers = ["NaN", "Infinity", "-Infinity", "1e999", "1"]
    lines = [f'{{"text": "a text with a number {n}", "score": {number}}}' for n, number in enumerate(numbers)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))

    measured = measure(path="a.jsonl")

    documents = table(measured, "documents-*.parquet")
    assert documents["text"].to_list() == [f"a text with a number {n}" for n in range(5)]
    assert [json.loads(metadata)["score"] for metadata in documents["metadata"]] == [None, None, None, None, 1]


def test_metadata_nested_deeper_than_can_be_written_is_quarantined(measure: Measure, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "deep", "x": ' + b"[" * 500 + b"]" * 500 + b"}\n" + GOOD[0])

    measured = measure(path="a.jsonl")

    assert measured.summary["quarantine_reasons"] == {"nested_too_deep": 1}
    assert measured.summary["documents"] == 1


def test_a_byte_order_mark_is_not_part_of_the_first_record(measure: Measure, table: Table, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(GOOD[:2]))
    (tmp_path / "b.txt").write_bytes("\ufeffplain".encode())

    measured = measure(path=["a.jsonl", "b.txt"])

    assert table(measured, "documents-*").get_column("text").to_list() == [
        "document number 0",
        "document number 1",
        "plain",
    ]


def test_offsets_point_at_the_record_in_the_file(measure: Measure, table: Table, tmp_path: Path) -> None:
    data = b"\n\n".join(GOOD) + b"\r\n"
    (tmp_path / "a.jsonl").write_bytes(data)

    for row in table(measure(path="a.jsonl"), "scores-*").iter_rows(named=True):
        line = data[row["offset"] : row["offset"] + row["size_bytes"]]
        assert json.loads(line)["text"].startswith("document number")


def test_damage_above_the_limit_stops_the_run_and_says_why(measure: Measure, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*GOOD[:18], b"[]", b"[]", b"{}"]))

    with pytest.raises(InputError, match=r"3 of 21 .* damaged \(14.3%\).*limit is 5.0%.*a.jsonl:\d+ \(not_an_object\)"):
        measure(path="a.jsonl", limit=0.05)


def test_plain_text_is_cut_where_a_line_matches(measure: Measure, table: Table, tmp_path: Path) -> None:
    text = "Title\n\nCHAPTER I\r\nIt was.\nIn CHAPTER none.\nCHAPTER II\nIt is."
    (tmp_path / "novel.txt").write_bytes(text.encode())

    measured = measure(path="novel.txt", document_start="^CHAPTER ")

    texts = [part.rstrip("\n") for part in table(measured, "documents-*")["text"]]
    assert texts == [
        "Title",
        "CHAPTER I\nIt was.\nIn CHAPTER none.",
        "CHAPTER II\nIt is.",
    ]
    offsets = table(measured, "scores-*")["offset"].to_list()
    assert offsets == [0, text.index("CHAPTER I"), text.index("CHAPTER II")]


def test_a_bad_byte_costs_only_the_chapter_it_is_in(measure: Measure, table: Table, tmp_path: Path) -> None:
    data = b"CHAPTER 1\nfine\nCHAPTER 2\nbad \xff byte\nCHAPTER 3\nfine\n"
    (tmp_path / "novel.txt").write_bytes(data)

    measured = measure(path="novel.txt", document_start="CHAPTER ")

    assert table(measured, "scores-*")["offset"].to_list() == [0, data.index(b"CHAPTER 3")]
    assert table(measured, "quarantine-*").to_dicts()[0]["offset"] == data.index(b"\xff")


@pytest.mark.parametrize(
    ("encoding", "declaration"),
    [
        ("utf-8", ""),
        ("gb18030", '<meta charset="gb2312">'),
        ("utf-16", ""),
        ("cp1252", '<meta charset="latin1">'),
    ],
)
def test_html_is_read_in_its_encoding_and_loses_navigation(
    encoding: str, declaration: str, measure: Measure, table: Table, tmp_path: Path
) -> None:
    word = "café" if encoding == "cp1252" else "水渠"
    page = f"""<html><head>{declaration}<title>A  {word}</title></head><body>
        <nav><a href="x">Home</a></nav><div role="navigation">index | next</div>
        <main><h1>{word} heading</h1><p>A paragraph about {word}.</p><ul><li>an item</li></ul>
        <pre>if x:\n    y()</pre></main><footer>Copyright</footer></body></html>"""
    (tmp_path / "page.html").write_bytes(page.encode(encoding))

    document = table(measure(path="page.html"), "documents-*").to_dicts()[0]

    for part in (f"{word} heading", f"A paragraph about {word}.", "an item", "if x:\n    y()"):
        assert part in document["text"]
    for part in ("Home", "next", "Copyright"):
        assert part not in document["text"]
    assert json.loads(document["metadata"]) == {"title": f"A {word}"}


def test_parquet_rows_are_records_and_columns_are_metadata(measure: Measure, table: Table, tmp_path: Path) -> None:
    binary = pa.array([b"one", None, b"bad \xff", b"", b"five"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 5, binary.buffers(), binary.null_count)  # a column no writer checked
    pq.write_table(pa.table({"body": texts, "year": [1, 2, 3, 4, 5]}), tmp_path / "t.parquet", row_group_size=2)

    measured = measure(path="t.parquet", text="body")

    documents, scores = table(measured, "documents-*"), table(measured, "scores-*")
    assert documents["text"].to_list() == ["one", "five"]
    assert documents["metadata"].to_list() == ['{"year":1}', '{"year":5}']
    assert scores["offset"].to_list() == [0, 4]
    found = table(measured, "quarantine-*").select("offset", "reason").rows()
    assert found == [(1, "text_null"), (2, "invalid_utf8"), (3, "empty_text")]


def test_a_parquet_file_without_the_text_column_names_those_it_has(measure: Measure, tmp_path: Path) -> None:
    pl.DataFrame({"body": ["one"], "year": [1]}).write_parquet(tmp_path / "t.parquet")

    with pytest.raises(InputError, match="no column `text`; it has body, year"):
        measure(path="t.parquet")


def test_a_file_without_records_is_counted_and_named_and_no_damage(
    measure: Measure, table: Table, tmp_path: Path
) -> None:
    files = {
        "a.jsonl": b"",
        "b.jsonl": b"\n \n",
        "c.csv": b"id,text\n",
        "d.mbox": b"",
        "e.jsonl": GOOD[0],
        "f.txt": b"",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "g.parquet")
    heard: list[Record] = []
    with recording(None, [heard.append]):
        measured = measure(path=[*files, "g.parquet"])

    assert measured.summary["documents"] == 1
    assert measured.summary["empty_files"] == 5
    assert [(event["number"], event["first"]) for event in heard if event["name"] == "empty_files"] == [
        (5, ["a.jsonl", "b.jsonl", "c.csv"])
    ]
    assert table(measured, "quarantine-*.parquet").select("file", "reason").rows() == [("f.txt", "empty_text")]


def test_a_file_that_is_cut_is_empty_if_all_its_parts_are(
    measure: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.corpus.read.units.RANGE_BYTES", 400)
    (tmp_path / "a.jsonl").write_bytes(b"\n" * 1000 + GOOD[0])
    (tmp_path / "b.jsonl").write_bytes(b"\n" * 1000)

    measured = measure(path="*.jsonl")

    assert (measured.summary["documents"], measured.summary["empty_files"]) == (1, 1)
