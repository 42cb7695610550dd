"""MediaWiki XML dumps: every article of the main namespace is a document, its title goes into the metadata.

The file is cut at `<page>` by its bytes and each page is parsed alone. So a broken page costs one page, and no entity
can be declared (a DTD is only possible before the first page, where it is refused), which is what XML bombs are made
of. `<page>` inside a text is written `&lt;page&gt;`, so the cut is exact.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

import orjson

from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.records import RECORD_LIMIT_BYTES, AnyRecord, checked_text, damaged, skipped
from headrace.corpus.read.window import Window
from headrace.errors import InputError

PAGE, PAGE_END = b"<page>", b"</page>"
OPENING, EDGE = re.compile(PAGE), re.compile(rb"</?page>")
HEAD_BYTES = 1_000_000
MAIN_NAMESPACE = "0"
FIELDS = ("title", "ns", "id", "timestamp", "text")
REDIRECT = re.compile(r"\s*#\w+\s*:?\s*\[\[")


@dataclass(slots=True)
class _Page:
    """What a page says about itself; of several revisions the last one's text."""

    fields: dict[str, str] = field(default_factory=dict)
    is_redirect: bool = False
    path: list[str] = field(default_factory=list)
    characters: list[str] = field(default_factory=list)

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self.path.append(name)
        self.characters.clear()
        self.is_redirect |= name == "redirect"

    def end(self, name: str) -> None:
        self.path.pop()
        is_own_id = name != "id" or len(self.path) == 1  # revisions and their authors have ids too
        if name in FIELDS and is_own_id:
            self.fields[name] = "".join(self.characters)
        self.characters.clear()


def is_page_start(line: bytes) -> bool:
    """Whether a page begins with this line."""
    return line.lstrip().startswith(PAGE)


def read_dump(blocks: Iterator[bytes], start: int, *, file: RawFile) -> Iterator[AnyRecord]:
    """The articles of a dump, or of a part of it that begins at a page.

    Raises InputError if what stands before the first page is not the head of a dump, or declares a DTD.
    """
    window = Window(blocks, start)
    head, _, found = window.take_until(OPENING, width=len(PAGE), keep=HEAD_BYTES)
    if start == 0:
        _check_head(head, file)
    while found:
        offset = window.offset
        data, size_bytes, edge = window.take_until(
            EDGE, width=len(PAGE_END), keep=RECORD_LIMIT_BYTES + 1, begin=len(PAGE)
        )
        if edge == PAGE_END:
            window.drop(len(PAGE_END))
            yield _read_page(data + PAGE_END, offset=offset, size_bytes=size_bytes + len(PAGE_END))
        else:
            yield damaged(offset, size_bytes, reason="broken_xml", data=data)
        found = edge if edge == PAGE else window.take_until(OPENING, width=len(PAGE), keep=0)[2]


def _check_head(head: bytes, file: RawFile) -> None:
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise InputError(f"{file.name}: declares a DTD, which no MediaWiki dump does and which XML bombs are made of.")
    if b"<mediawiki" not in head:
        raise InputError(f"{file.name}: not a MediaWiki dump: no <mediawiki> before the first <page>.")


def _read_page(data: bytes, *, offset: int, size_bytes: int) -> AnyRecord:
    if size_bytes > RECORD_LIMIT_BYTES:
        return damaged(offset, size_bytes, reason="record_too_large", data=data)
    page = _Page()
    parser = expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = page.start, page.end
    parser.CharacterDataHandler = page.characters.append
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        return damaged(offset, size_bytes, reason="broken_xml", data=data)
    wikitext = page.fields.get("text", "")
    if page.is_redirect or REDIRECT.match(wikitext):
        return skipped(offset, size_bytes, "redirect")
    if page.fields.get("ns", MAIN_NAMESPACE).strip() != MAIN_NAMESPACE:
        return skipped(offset, size_bytes, "other_namespace")
    from headrace.corpus.read.wikitext import plain_text  # here because its parser is only needed for dumps

    metadata = orjson.dumps({name: page.fields[name] for name in ("title", "id", "timestamp") if name in page.fields})
    return checked_text(plain_text(wikitext), offset=offset, size_bytes=size_bytes, metadata=metadata.decode())
