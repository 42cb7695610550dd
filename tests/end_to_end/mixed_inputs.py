"""A folder of real text in every format that is read, with planted faults, and the recipe that makes one corpus of it.

The text is that of `examples/data`. What was planted, and how many documents each source holds, is known without
reading a byte back: `Planted` says it.
"""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"

QUESTION = "which of the seven brass keys that the harbour master lost in autumn opened the old tide gate first"
CHINESE_QUESTION = "港务长在秋天丢失的七把铜钥匙中哪一把最先打开了旧潮闸的大门"
DAMAGED_LINE = b'{"id": "cut", "text": "this line was cut in the mid'
ADDED = "<p>A reader of this page asked for one more sentence, and here it stands, alone and at the very end.</p>"

RECIPE: dict[str, Any] = {
    "name": "mixed",
    "seed": 5,
    "corpus": {
        "sources": [
            {"name": "pages", "path": "pages", "curate": ["gopher_repetition", {"rule": "num_words >= 50"}]},
            {"name": "crawl", "path": "crawl/*.warc.gz", "curate": [{"rule": "num_words >= 50"}]},
            {"name": "mail", "path": "mail", "curate": [{"rule": "num_characters >= 20", "name": "too_short"}]},
            {"name": "manuals", "path": "manuals", "curate": []},
            {
                "name": "poems",
                "path": "poems/*.parquet",
                "text": "content",
                "language": "zh",
                "curate": [{"rule": "num_characters >= 16", "name": "too_short"}],
            },
            {"name": "chapters", "path": "chapters/*.jsonl.zst", "language": "en"},
            {"name": "rows", "path": "rows/*", "text": "body"},
            {"name": "novel", "path": "novel/*.xz", "document_start": "(CHAPTER|Chapter) [IVXLC0-9]", "language": "en"},
        ],
        "rewrite": {"repair": True, "script": "simplified"},
        "redact": True,
        "quality": {"perplexity": {"reference": "novel/*.xz"}},
        "curate": ["gopher", {"rule": "perplexity <= 1000000", "name": "surprising"}],
        "deduplicate": ["exact", {"method": "minhash", "confirm": 0.7}, "lines"],
        "decontaminate": {"sets": [{"name": "quiz", "path": "quiz.jsonl", "fields": ["question"]}]},
        "mix": {"by": "language", "alpha": 0.5},
        "hold_out": "10%",
    },
}


@dataclass
class Planted:
    """What lies in the folder."""

    documents: dict[str, int] = field(default_factory=dict)
    """Source -> documents and damaged records."""
    raw_ids: list[str] = field(default_factory=list)
    """The ids that records of the raw input bear."""
    pages: list[str] = field(default_factory=list)
    """The files of the pages, in the order in which the crawl has them too."""
    repeated: dict[str, str] = field(default_factory=dict)
    """Raw id of a document that comes twice -> raw id of its first copy."""
    damaged: tuple[str, int] = ("", 0)
    """File and offset of the damaged record."""
    personal: dict[str, int] = field(default_factory=dict)
    """Kind -> values in mails."""
    secrets: list[str] = field(default_factory=list)
    """Those values."""


def write_mixed_inputs(folder: Path) -> Planted:
    """Writes all sources, the evaluation set and the recipe `mixed.yaml`."""
    planted = Planted()
    pages = list(_manual_pages(36))
    planted.pages = _write_pages(folder / "pages", pages)
    _write_crawl(folder / "crawl", pages)
    planted.documents |= {"pages": len(pages), "crawl": len(pages)}
    chapters = _example_records("bible/web", 160)
    _write_mails(folder / "mail", [chapter["text"] for chapter in chapters[:24]], planted)
    _write_manuals(folder / "manuals", planted)
    _write_poems(folder / "poems", planted)
    _write_chapters(folder / "chapters", chapters[24:120], planted)
    _write_rows(folder / "rows", chapters[110:160], planted)
    planted.documents["novel"] = _write_novel(folder / "novel")
    quiz = [{"question": QUESTION}, {"question": CHINESE_QUESTION}]
    (folder / "quiz.jsonl").write_bytes(b"\n".join(map(orjson.dumps, quiz)))
    (folder / "mixed.yaml").write_text(yaml.safe_dump(RECIPE, allow_unicode=True), encoding="utf-8")
    return planted


def _unpacked(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()


def _example_records(name: str, limit: int) -> list[dict[str, Any]]:
    lines = _unpacked(EXAMPLES / f"{name}.jsonl.zst").split(b"\n")
    return [orjson.loads(line) for line in lines[:limit]]


def _manual_pages(limit: int) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of pages with something to say."""
    paths = sorted((EXAMPLES / "manual" / "python").glob("[fht]*/*.html.zst"))
    for path in islice(paths, limit):
        yield f"{path.parent.name}-{path.name.removesuffix('.html.zst')}", _unpacked(path)


def _write_pages(folder: Path, pages: list[tuple[str, bytes]]) -> list[str]:
    """Writes each page as a file, plain or packed in one of four ways; returns the files' names in the ledger."""
    folder.mkdir()
    names = []
    packers: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("", bytes),
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstandard.ZstdCompressor(write_checksum=True).compress),
    ]
    for number, (name, page) in enumerate(pages):
        suffix, pack = packers[number % len(packers)]
        (folder / f"{name}.html{suffix}").write_bytes(pack(page))
        names.append(f"pages/{name}.html{suffix}")
    return names


def _write_crawl(folder: Path, pages: list[tuple[str, bytes]]) -> None:
    """The same pages as a crawler has them, every second one a little longer; and records that hold no document."""
    folder.mkdir()
    with (folder / "pages.warc.gz").open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        writer.write_record(writer.create_warcinfo_record("pages.warc.gz", {"software": "warcio"}))
        for number, (name, page) in enumerate(pages):
            if number % 2:
                page = page.replace(b"</section>", ADDED.encode() + b"</section>", 1)
            _respond(writer, f"{name}.html", page)
        _respond(writer, "gone.html", b"<p>not here</p>", status="404 Not Found")
        _respond(writer, "dot.png", b"\x89PNG", kind="image/png")


def _respond(
    writer: WARCWriter, name: str, body: bytes, *, status: str = "200 OK", kind: str = "text/html; charset=utf-8"
) -> None:
    headers = StatusAndHeaders(status, [("Content-Type", kind)], protocol="HTTP/1.1")
    url, date = f"https://example.org/{name}", {"WARC-Date": "2024-05-01T12:00:00Z"}
    payload = io.BytesIO(body)
    writer.write_record(
        writer.create_warc_record(url, "response", payload=payload, http_headers=headers, warc_headers_dict=date)
    )


def chinese_identity_number(first_seventeen: str) -> str:
    """The number with its check digit. Source: GB 11643-1999, written down here a second time, another way."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(first_seventeen))
    return first_seventeen + "10X98765432"[total % 11]


def _write_mails(folder: Path, texts: list[str], planted: Planted) -> None:
    """Twenty messages in a mailbox, the others as files of their own; every one with three personal data."""
    folder.mkdir()
    messages = [_message(number, text, planted) for number, text in enumerate(texts)]
    with (folder / "inbox.mbox").open("wb") as stream:
        for message in messages[:20]:
            stream.write(b"From sender@example.org Wed May  1 12:00:00 2024\n" + message.as_bytes() + b"\n\n")
    for number, message in enumerate(messages[20:]):
        (folder / f"{number}.eml").write_bytes(message.as_bytes().replace(b"\n", b"\r\n"))
    planted.documents["mail"] = len(messages)


def _message(number: int, text: str, planted: Planted) -> EmailMessage:
    address, phone = f"reader{number}@mail{number}.example.com", f"138{number:02d}5{number:02d}67{number % 10}"
    identity = chinese_identity_number(f"110105{1960 + number}0314{number:03d}")
    message = EmailMessage()
    message["From"], message["Subject"] = f"reader {number} <{address}>", f"Passage {number} 第{number}篇"
    # words of its own in the line: redacted, it would be the same in all mails, and so be cut as a repeated one
    body = f"{text[:60]}: write to {address}, call {phone}. 身份证号码：{identity}。\n\n{text}\n"
    message.set_content(body, cte="base64" if number % 3 else "quoted-printable")
    planted.secrets += [address, phone, identity]
    for kind in ("email", "phone", "cn_id"):
        planted.personal[kind] = planted.personal.get(kind, 0) + 1
    return message


ENGLISH_PAGE = r""".\" made for a test
.TH SLUICE 1 2024-05-01
.SH NAME
sluice \- open and close a sluice gate
.SH SYNOPSIS
.B sluice
.RB [ \-h " height" ]
.I gate
.SH DESCRIPTION
The gate is lifted to the given height, and lowered when the water behind it has fallen.
.TP
.B \-h
The height in centimetres. Without it the gate is opened as far as it goes.
"""
CHINESE_PAGE = r""".TH 水闸 1 2024-05-01
.SH 名称
水闸 \- 打开和关闭水闸
.SH 描述
闸门会升到指定的高度，等到后面的水位下降以后再放下来。没有给出高度时，闸门完全打开。
.TP
.B \-h
以厘米为单位的高度。
"""


def _write_manuals(folder: Path, planted: Planted) -> None:
    folder.mkdir()
    for name, page in (("sluice.1.gz", ENGLISH_PAGE), ("shuizha.1.gz", CHINESE_PAGE)):
        (folder / name).write_bytes(gzip.compress(page.encode()))
    planted.documents["manuals"] = 2


def _write_poems(folder: Path, planted: Planted) -> None:
    """Traditional and simplified poems; one holds a question of the evaluation set."""
    folder.mkdir()
    for script, name in (("traditional", "poems/tang"), ("simplified", "poems/song")):
        poems = _example_records(name, 400)
        ids, texts = [f"{script}-{number}" for number in range(len(poems))], [poem["text"] for poem in poems]
        texts[7] += f"\n{CHINESE_QUESTION}？" if script == "simplified" else ""
        authors = [poem["author"] for poem in poems]
        pq.write_table(pa.table({"id": ids, "content": texts, "author": authors}), folder / f"{script}.parquet")
        planted.raw_ids += ids
        planted.documents["poems"] = planted.documents.get("poems", 0) + len(poems)


def _write_chapters(folder: Path, chapters: list[dict[str, Any]], planted: Planted) -> None:
    """JSON lines with ids; one too short, one that holds a question, one that is cut off."""
    folder.mkdir()
    records = [{"id": f"chapter-{number}", **chapter} for number, chapter in enumerate(chapters)]
    records.append({"id": "short", "text": "Amen."})
    records.append({"id": "leaked", "text": f"{chapters[3]['text'][:2000]} {QUESTION.upper()}?"})
    lines = list(map(orjson.dumps, records))
    planted.damaged = ("chapters/web.jsonl.zst", sum(len(line) + 1 for line in lines[:40]))
    lines.insert(40, DAMAGED_LINE)
    data = zstandard.ZstdCompressor(write_checksum=True).compress(b"\n".join(lines) + b"\n")
    (folder / "web.jsonl.zst").write_bytes(data)
    planted.raw_ids += [record["id"] for record in records]
    planted.documents["chapters"] = len(lines)


def _write_rows(folder: Path, chapters: list[dict[str, Any]], planted: Planted) -> None:
    """CSV and TSV; the first ten rows are chapters that were there before."""
    folder.mkdir()
    for name, delimiter, part in (("a.csv.bz2", ",", chapters[:25]), ("b.tsv", "\t", chapters[25:])):
        rows = io.StringIO()
        writer = csv.writer(rows, delimiter=delimiter)
        writer.writerow(["id", "body", "book"])
        for number, chapter in enumerate(part):
            writer.writerow([f"{name[0]}-{number}", chapter["text"], chapter["book"]])
            planted.raw_ids.append(f"{name[0]}-{number}")
        data = rows.getvalue().encode()
        (folder / name).write_bytes(bz2.compress(data) if name.endswith(".bz2") else data)
    planted.repeated = {f"a-{number}": f"chapter-{86 + number}" for number in range(10)}
    planted.documents["rows"] = len(chapters)


def _write_novel(folder: Path) -> int:
    """One novel; returns its chapters, and the title page that stands before them."""
    folder.mkdir()
    data = _unpacked(EXAMPLES / "novels" / "persuasion.txt.zst")
    (folder / "persuasion.txt.xz").write_bytes(lzma.compress(data))
    return 1 + sum(line.startswith((b"Chapter ", b"CHAPTER ")) for line in data.split(b"\n"))
