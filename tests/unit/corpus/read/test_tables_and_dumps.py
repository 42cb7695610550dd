"""CSV, TSV, WARC and MediaWiki: what is read, what is quarantined, what is skipped."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.read import RawDocument, Record, plan_units, read_batches
from headrace.errors import InputError, RecipeError

Read = Callable[..., list[Record]]
SortOut = Callable[[list[Record]], tuple[list[str], list[tuple[int, str]]]]


def metadata(records: list[Record]) -> list[dict[str, Any]]:
    return [json.loads(record.metadata) for record in records if isinstance(record, RawDocument)]


def test_csv_is_read_with_quotes_newlines_and_other_columns(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('\ufeffid,body,"a ""b"""\r\n1,"x, ""y""\nz",\r\n\r\n2,早,q\r\n'.encode())

    records = read(path="a.csv", text="body")

    assert sorted_out(records) == (['x, "y"\nz', "早"], [])
    assert metadata(records) == [{"id": "1", 'a "b"': ""}, {"id": "2", 'a "b"': "q"}]


def test_each_damaged_row_costs_one_row(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    good, bad = b"1,fine\n", [b"1\n", b'1,"a" b\n', b"1,caf\xe9\n", b"1,  \n", b"1,a\0b\n", b"1,2,3\n"]
    (tmp_path / "a.csv").write_bytes(b"id,text\n" + good.join([b"", *bad, b""]))

    texts, damage = sorted_out(read(path="a.csv"))

    reasons = ["wrong_number_of_fields", "broken_quotes", "invalid_utf8", "empty_text", "nul_character"]
    assert texts == ["fine"] * 7
    assert [reason for _, reason in damage] == [*reasons, "wrong_number_of_fields"]
    assert [offset for offset, _ in damage][:2] == [8 + 7, 8 + 7 + 2 + 7]


def test_tsv_is_cut_at_tabs_and_an_open_quote_ends_with_the_file(
    read: Read, sorted_out: SortOut, tmp_path: Path
) -> None:
    (tmp_path / "a.tsv").write_bytes(b'id\ttext\n1\ta, b\n2\t"open\n3\tlost\n')

    assert sorted_out(read(path="a.tsv")) == (["a, b"], [(15, "broken_quotes")])


def test_a_table_without_the_text_column_names_those_it_has(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,body\n1,x\n")

    with pytest.raises(InputError, match="no column `text`; its first row has id, body"):
        read(path="a.csv")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv_with_another_delimiter_is_read_and_a_quoted_one_is_part_of_a_field(
    delimiter: str, read: Read, sorted_out: SortOut, tmp_path: Path
) -> None:
    rows = [["id", "text"], ["1", f'"a, b{delimiter} c"'], ["2", "早, d"]]
    (tmp_path / "a.csv").write_text("\n".join(delimiter.join(row) for row in rows))

    records = read(path="a.csv", delimiter=delimiter)

    assert sorted_out(records) == ([f"a, b{delimiter} c", "早, d"], [])
    assert metadata(records) == [{"id": "1"}, {"id": "2"}]


def test_a_large_file_is_cut_where_rows_begin_whatever_delimits_its_fields(
    read: Read, sorted_out: SortOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"first, {number}\nsecond; {number}" for number in range(200)]
    (tmp_path / "a.csv").write_text("id;text\n" + "".join(f'{n};"{text}"\n' for n, text in enumerate(texts)))
    monkeypatch.setattr("headrace.corpus.read.units.RANGE_BYTES", 500)

    assert sorted_out(read(path="a.csv", delimiter=";")) == (texts, [])


def test_a_first_row_that_became_one_name_says_which_delimiter_to_try(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id;text\n1;x\n")
    (tmp_path / "b.csv").write_bytes(b"id\ttext\n1\tx\n")

    with pytest.raises(InputError, match=r'has id;text. Write `text:` .*, or `delimiter: ";"` if that separates'):
        read(path="a.csv")
    with pytest.raises(InputError, match=r'or `delimiter: "\\t"` if'):
        read(path="b.csv")


def test_a_delimiter_is_for_tables_of_text(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")

    with pytest.raises(RecipeError, match=r"`delimiter` is for CSV and TSV, and .* is read as jsonl"):
        read(path="a.jsonl", delimiter=";")


@pytest.mark.parametrize("delimiter", ["", ";;", '"', " ", "\n", "，"])
def test_what_cannot_delimit_fields_is_refused(delimiter: str) -> None:
    with pytest.raises(ValueError, match="wanted one ASCII character"):
        SourceConfig(name="s", path="a.csv", delimiter=delimiter)


def test_a_source_without_a_delimiter_has_the_address_that_it_always_had() -> None:
    assert "delimiter" not in SourceConfig(name="s", path="a.csv").as_json()
    assert SourceConfig(name="s", path="a.csv", delimiter=";").as_json()["delimiter"] == ";"


def test_parquet_columns_may_be_dictionaries(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    texts = pa.array(["one", "two", None, "one", " "]).dictionary_encode()
    labels = pa.array(["x", "y", "x", None, "x"]).dictionary_encode()
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": texts.take(pa.array([0, 1, 3]))}), tmp_path / "b.parquet")

    records = read(path="a.parquet")
    source = SourceConfig(name="s", path="b.parquet")
    (unit,) = plan_units(source, find_files(source, tmp_path))
    (batch,) = read_batches(source, unit.parts[0])

    assert sorted_out(records) == (["one", "two", "one"], [(2, "text_null"), (4, "empty_text")])
    assert metadata(records) == [{"label": "x"}, {"label": "y"}, {"label": None}]
    assert [batch.texts[row] for row in range(len(batch))] == ["one", "two", "one"]


def test_a_field_may_hold_a_page(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    lines = [{"text": "<nav>go</nav><main><h1>A</h1><p>b &amp; c</main>", "id": 1}, {"text": "<p></p>"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))

    records = read(path="a.jsonl", markup="html")

    assert sorted_out(records)[0][0].split() == ["A", "b", "&", "c"]
    assert metadata(records) == [{"id": 1}]
    assert [reason for _, reason in sorted_out(records)[1]] == ["empty_text"]


def test_markup_is_for_formats_with_fields(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")

    with pytest.raises(RecipeError, match="`markup` is about a field"):
        read(path="a.txt", markup="html")


def warc(*, is_packed: bool, **changes: bytes) -> bytes:
    """A request and a page per kind of transfer, a picture, an error page, plain text and a WET record."""
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=is_packed)
    page = "<html><title>Grüße</title><main><p>Straße</p></main></html>".encode("latin-1")
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)
    responses: list[tuple[str, bytes, dict[str, str]]] = [
        ("200 OK", page, {"Content-Type": "text/html; charset=iso-8859-1"}),
        ("200 OK", gzip.compress(page), {"Content-Type": "text/html; charset=latin1", "Content-Encoding": "gzip"}),
        ("200 OK", chunked, {"Content-Type": "text/html;charset=ISO-8859-1", "Transfer-Encoding": "chunked"}),
        ("200 OK", b"\x89PNG", {"Content-Type": "image/png"}),
        ("404 Not Found", page, {"Content-Type": "text/html"}),
        ("200 OK", "纯文本".encode("gb18030"), {"Content-Type": "text/plain; charset=gb2312"}),
        (
            "200 OK",
            gzip.compress(b"<p>" + b" " * 30_000_000),
            {"Content-Type": "text/html", "Content-Encoding": "gzip"},
        ),
    ]
    dated = {"WARC-Date": "2024-05-06T07:08:09Z"}
    for number, (status, body, headers) in enumerate(responses):
        head = StatusAndHeaders(status, list(headers.items()), protocol="HTTP/1.1")
        url = f"http://example.com/{number}"
        get = StatusAndHeaders("GET / HTTP/1.1", [("Host", "example.com")], is_http_request=True)
        writer.write_record(writer.create_warc_record(url, "request", http_headers=get, warc_headers_dict=dated))
        record = writer.create_warc_record(
            url, "response", io.BytesIO(body), http_headers=head, warc_headers_dict=dated
        )
        writer.write_record(record)
    wet = writer.create_warc_record(
        "http://example.com/wet", "conversion", io.BytesIO("text 早".encode()), warc_content_type="text/plain"
    )
    writer.write_record(wet)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["warc", "warc.gz"])
def test_warc_gives_pages_and_plain_text_with_address_and_date(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(warc(is_packed=suffix == "warc.gz"))
    source = SourceConfig(name="s", path=(f"a.{suffix}",))

    units = plan_units(source, find_files(source, tmp_path))
    (batch,) = [batch for unit in units for part in unit.parts for batch in read_batches(source, part)]

    assert list(batch.texts) == ["Straße"] * 3 + ["纯文本", "text 早"]
    assert json.loads(batch.metadata[1]) == {
        "url": "http://example.com/1", "date": "2024-05-06T07:08:09Z", "title": "Grüße",
    }  # fmt: skip
    assert batch.skipped == {"request": 7, "not_text": 1, "http_status": 1}
    assert [record.reason for record in batch.damaged] == ["record_too_large"]


def test_rubbish_and_a_cut_in_a_warc_file_cost_only_themselves(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    data = warc(is_packed=False)
    second = data.index(b"WARC/1.0", 10)
    (tmp_path / "a.warc").write_bytes(data[:second] + b"rubbish\n" + data[second:-20])

    texts, damage = sorted_out(read(path="a.warc"))

    assert texts == ["Straße"] * 3 + ["纯文本"]
    assert [reason for _, reason in damage] == ["broken_warc", "record_too_large", "broken_warc"]
    assert damage[0][0] == second


WIKITEXT = """{{Infobox|name={{nested}}}}
'''Water''' (''aqua'') is a [[chemical substance|substance]].<ref>A {{cite}}</ref> [[File:a.png|thumb|A [[picture]]]]
== Use &amp; abuse ==
* [[Drinking]], see [http://example.com this]<!-- no -->
{| class="wikitable"
| cell
|}
[[Category:Liquids]][[fr:Eau]]__NOTOC__ H<sub>2</sub>O (  )"""


def dump(*pages: str, head: str = "<mediawiki>") -> bytes:
    return "\n".join([head, *pages, "</mediawiki>"]).encode()


def page(text: str, *, title: str = "Water", ns: int = 0, more: str = "") -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    revision = f"<revision><id>9</id><text>{text}</text></revision>"
    return f"<page><title>{title}</title><ns>{ns}</ns><id>7</id>{more}{revision}</page>"


def test_wikitext_becomes_what_a_reader_sees(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(dump(page(WIKITEXT)))

    records = read(path="a.xml", format="mediawiki")

    text = "Water (aqua) is a substance.\n\nUse & abuse\n\nDrinking, see this\n\nH2O"
    assert sorted_out(records) == ([text], [])
    assert metadata(records) == [{"title": "Water", "id": "7"}]


def test_redirects_and_other_namespaces_are_skipped_and_a_broken_page_costs_itself(tmp_path: Path) -> None:
    pages = [page("one"), page("talk", ns=1), page("#REDIRECT [[one]]"), page("", more='<redirect title="one"/>')]
    broken = [page("&no;").replace("&amp;no", "&no"), "<page><title>cut", page("two"), page("x").replace("x", "\x01")]
    (tmp_path / "a.xml").write_bytes(dump(*pages, *broken, page("three")))
    source = SourceConfig(name="s", path=("a.xml",), format="mediawiki")

    units = plan_units(source, find_files(source, tmp_path))
    (batch,) = [batch for unit in units for part in unit.parts for batch in read_batches(source, part)]

    assert list(batch.texts) == ["one", "two", "three"]
    assert batch.skipped == {"redirect": 2, "other_namespace": 1}
    assert [record.reason for record in batch.damaged] == ["broken_xml"] * 3


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ('<!DOCTYPE m [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><mediawiki>', "declares a DTD"),
        ("<rss>", "not a MediaWiki dump"),
    ],
)
def test_what_is_no_dump_or_may_be_a_bomb_is_refused(head: str, message: str, read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(dump(page("one"), head=head))

    with pytest.raises(InputError, match=message):
        read(path="a.xml", format="mediawiki")
