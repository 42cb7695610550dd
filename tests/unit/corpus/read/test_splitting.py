"""The records of all units of a file are those of the whole file, whatever the format, the compression and the cuts."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.read import Record, Unit, feed_units, plan_units, read_batches, read_part, units
from headrace.errors import InputError

COUNT = 60


def jsonl() -> bytes:
    lines = [b'{"text": "line %d %s"}' % (n, b"x" * (n * 37 % 400)) for n in range(COUNT)]
    lines[7], lines[30], lines[41] = b"{broken", b"", b'{"text": "caf\xe9"}'
    return b"\n".join(lines) + b"\n"


def text() -> bytes:
    return b"Preface\n" + b"".join(b"CHAPTER %d\nsome text %s\n\n" % (n, b"y" * (n % 90)) for n in range(COUNT))


def csv() -> bytes:
    rows = [
        b'%d,"first line, ""quoted""\r\nsecond line %d\n\nthird",%s\r\n' % (n, n, b"z" * (n % 50)) for n in range(COUNT)
    ]
    rows[11], rows[22], rows[33] = b'1,"broken" here,x\r\n', b"too,few\r\n", b'5" pipe,not "quoted,ok\n'
    return b"id,text,note\r\n" + b"".join(rows)


def mbox() -> bytes:
    message = "From me Mon Jan  1 00:00:00 2024\nSubject: number {n}\nFrom: me@example.com\n\n"
    message += "Body {n}\n\n>From here\n{pad}\n\n"
    return "".join(message.format(n=n, pad="w" * (n % 70)) for n in range(COUNT)).encode()


def mediawiki() -> bytes:
    page = "  <page>\n    <title>Title {n}</title>\n    <ns>{ns}</ns>\n    <id>{n}</id>\n    <revision>\n      <text>"
    page += "'''Text''' &lt;page&gt; number {n} {pad}</text>\n    </revision>\n  </page>\n"
    pages = [page.format(n=n, ns=(n % 3 == 0 and 1) or 0, pad="v" * (n % 80)) for n in range(COUNT)]
    pages[13] = pages[13].replace("</title>", "")
    return ("<mediawiki>\n  <siteinfo/>\n" + "".join(pages) + "</mediawiki>\n").encode()


def warc() -> bytes:
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=False)
    for n in range(COUNT):
        head = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
        page = b"<main><p>Page %d\r\n\r\nWARC/1.0\r\n %s</p></main>" % (n, b"u" * (n % 60))
        dated = {"WARC-Date": "2024-01-01T00:00:00Z", "WARC-Record-ID": f"<urn:uuid:{n:08d}>"}
        record = writer.create_warc_record(
            f"http://example.com/{n}", "response", io.BytesIO(page), http_headers=head, warc_headers_dict=dated
        )
        writer.write_record(record)
        if n == 20:
            file.write(b"rubbish that is no record\nand more of it\n")
    return file.getvalue()


SAMPLES: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "jsonl": (jsonl, {}),
    "txt": (text, {"document_start": "CHAPTER"}),
    "csv": (csv, {}),
    "mbox": (mbox, {}),
    "xml": (mediawiki, {"format": "mediawiki"}),
    "warc": (warc, {}),
}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}


def records_of(source: SourceConfig, found: list[Unit]) -> list[Record]:
    return [record for unit in found for part in unit.parts for record in read_part(source, part)]


def in_batches(source: SourceConfig, found: list[Unit]) -> tuple[list[Any], list[Any]]:
    batches = [batch for unit in found for part in unit.parts for batch in read_batches(source, part)]
    columns = [
        row for b in batches for row in zip(b.offsets.tolist(), b.sizes.tolist(), b.texts, b.metadata, strict=True)
    ]
    return columns, [record for batch in batches for record in batch.damaged]


def by_kind(records: list[Record]) -> tuple[list[Any], list[Any]]:
    documents = [(r.offset, r.size_bytes, r.text, r.metadata) for r in records if hasattr(r, "text")]
    return documents, [record for record in records if not hasattr(record, "text")]


@pytest.mark.parametrize("range_bytes", [1, 700, 5_000])
@pytest.mark.parametrize("suffix", SAMPLES)
def test_units_of_a_plain_file_hold_its_records(
    suffix: str, range_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, options = SAMPLES[suffix]
    (tmp_path / f"a.{suffix}").write_bytes(make())
    source = SourceConfig(name="s", path=(f"a.{suffix}",), **options)
    files = find_files(source, tmp_path)
    whole = records_of(source, plan_units(source, files))
    monkeypatch.setattr(units, "RANGE_BYTES", range_bytes)

    found = plan_units(source, files)

    parts = [part for unit in found for part in unit.parts]
    assert len(by_kind(whole)[0]) > COUNT * 0.6
    assert len(parts) >= min(COUNT * 0.6, len(make()) // range_bytes // 2)
    assert all(left.end == right.start for left, right in pairwise(parts))
    assert sum(unit.size_bytes for unit in found) == len(make())
    assert records_of(source, found) == whole
    assert in_batches(source, found) == by_kind(whole)


@pytest.mark.parametrize("range_bytes", [1, 700, 5_000])
@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("suffix", SAMPLES)
def test_pieces_that_are_fed_hold_the_records_of_the_whole_file(
    suffix: str, compression: str, range_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, options = SAMPLES[suffix]
    name = f"a.{suffix}{compression}"
    (tmp_path / name).write_bytes(COMPRESS[compression](make()))
    source = SourceConfig(name="s", path=(name,), **options)
    files = find_files(source, tmp_path)
    whole = records_of(source, plan_units(source, files))
    monkeypatch.setattr(units, "RANGE_BYTES", range_bytes)
    monkeypatch.setattr(units, "WHOLE_BYTES", 0)
    spill = tmp_path / "spill"

    found: list[Unit] = []
    records: list[Record] = []
    for unit in feed_units(source, files, spill=spill, is_done=lambda index: index == 1):
        found.append(unit)
        if unit.index == 1:
            assert list(spill.iterdir()) == []
            records += [record for record in whole if start_of(found[1]) <= record.offset < end_of(found[1])]
            continue
        assert len(list(spill.iterdir())) == 1
        records += records_of(source, [unit])
        unit.release()

    assert [unit.index for unit in found] == list(range(len(found)))
    assert len(found) >= min(COUNT * 0.6, len(make()) // range_bytes // 2)
    assert sum(unit.size_bytes for unit in found) == (tmp_path / name).stat().st_size
    assert list(spill.iterdir()) == []
    assert records == whole


def start_of(unit: Unit) -> int:
    return unit.parts[0].start


def end_of(unit: Unit) -> int:
    assert unit.parts[0].end is not None
    return unit.parts[0].end


@pytest.mark.parametrize("range_bytes", [1, 300, 2_000])
@pytest.mark.parametrize("frame_bytes", [50, 333, 1_000])
def test_a_file_of_many_zstd_frames_is_entered_at_frames(
    frame_bytes: int, range_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = jsonl()
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"index"
    frames = [COMPRESS[".zst"](data[at : at + frame_bytes]) for at in range(0, len(data), frame_bytes)]
    (tmp_path / "a.jsonl.zst").write_bytes(skippable.join(frames) + skippable)
    source = SourceConfig(name="s", path=("a.jsonl.zst",))
    files = find_files(source, tmp_path)
    whole = records_of(source, plan_units(source, files))
    monkeypatch.setattr(units, "RANGE_BYTES", range_bytes)
    monkeypatch.setattr(units, "ENTERED_BYTES", 0)

    found = plan_units(source, files)

    parts = [part for unit in found for part in unit.parts]
    assert len(parts) > len(data) / max(range_bytes, frame_bytes) / 3
    assert sum(unit.size_bytes for unit in found) == files[0].size_bytes
    assert records_of(source, found) == whole
    assert in_batches(source, found) == by_kind(whole)
    assert len(whole) == COUNT - 1


def test_a_fed_file_that_is_cut_off_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = COMPRESS[".gz"](jsonl())
    (tmp_path / "a.jsonl.gz").write_bytes(data[:-20])
    source = SourceConfig(name="s", path=("a.jsonl.gz",))
    monkeypatch.setattr(units, "WHOLE_BYTES", 0)
    fed = feed_units(source, find_files(source, tmp_path), spill=tmp_path / "spill", is_done=lambda index: False)

    with pytest.raises(InputError, match=r"a\.jsonl\.gz: not a whole gzip file"):
        list(fed)


def test_small_files_beside_a_fed_one_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "d", "e"):
        (tmp_path / f"{name}.jsonl").write_bytes(json.dumps({"text": name}).encode())
    (tmp_path / "c.jsonl.xz").write_bytes(lzma.compress(jsonl()))
    source = SourceConfig(name="s", path=("*.jsonl*",))
    files = find_files(source, tmp_path)
    monkeypatch.setattr(units, "RANGE_BYTES", 3_000)
    monkeypatch.setattr(units, "WHOLE_BYTES", 0)

    found = list(feed_units(source, files, spill=tmp_path / "spill", is_done=lambda index: False))

    assert [unit.index for unit in found] == list(range(len(found)))
    assert [len(unit.parts) for unit in (found[0], found[-1])] == [2, 2]
    assert records_of(source, found) == records_of(source, plan_units(source, files))
