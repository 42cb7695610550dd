"""HTML: a file is a page, a page is a document, and of the page only its main text.

Measured on the Python documentation (124 of the 497 pages that have a source beside them, words of the page against
words of the source): everything visible, precision 0.860 and recall 0.929; resiliparse's main content, 0.965 and 0.908
(it takes lists of names and footnotes for navigation); the element that the page itself declares as main, without the
parts that are links to elsewhere, 0.965 and 0.918, at 40 MB/s instead of 27. So: what the page declares, else the
heuristic. In both, no page keeps a side bar, a footer or a pilcrow.
"""

import codecs
import re
from collections.abc import Mapping

import numpy as np
import orjson
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import HTMLTree

from headrace.corpus.read.encodings import decode_first
from headrace.corpus.read.records import Reason, Record, checked_text, damaged

HTML_LIMIT_BYTES = 16_000_000
"""Largest page."""

MAX_TAGS = 400_000
"""Most tags of a page: its tree takes about 500 bytes for each."""

MAX_DEPTH = 1000
"""Deepest nesting read (browsers stop at 512). The heuristic's time grows with its square: a second at 8,000 levels."""

TAG = re.compile(rb"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
NEVER_WITHIN_ITSELF = frozenset(
    b"area base br col colgroup dd dt embed hr img input li link meta option p param source tbody td th thead tr "
    b"wbr".split()
)
"""Elements that hold nothing, or that end where the next one begins."""

MAIN = 'main, [role="main"]'
ELSEWHERE = (
    "nav",
    "footer",
    "[role=navigation]",
    "a.headerlink",  # Sphinx: the pilcrow beside a heading
    ".toctree-wrapper",  # Sphinx: the table of other pages; 2 points of precision
    ".navheader",  # DocBook
    ".navfooter",
    ".toc",
)
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_page(
    data: bytes,
    *,
    offset: int,
    size_bytes: int,
    charset: str | None = None,
    fields: Mapping[str, str | None] | None = None,
) -> Record:
    """The document in a page; its title joins the `fields` of the metadata. `charset`: what the server said."""
    if reason := _refusal(data):
        return damaged(offset, size_bytes, reason=reason, data=data)
    page = decode_page(data, charset)
    if page is None:
        return damaged(offset, size_bytes, reason="unknown_encoding", data=data)
    tree = HTMLTree.parse(page)
    metadata = orjson.dumps({**(fields or {}), "title": " ".join((tree.title or "").split())}).decode()
    return checked_text(main_text(tree).strip(), offset=offset, size_bytes=size_bytes, metadata=metadata)


def page_text(page: str) -> str | None:
    """The main text of a page that is decoded already; None if it is too large or nested too deep."""
    return main_text(HTMLTree.parse(page)).strip() if _refusal(page.encode()) is None else None


def visible_text(page: str) -> str | None:
    """All that a page shows, advertisements and navigation too; None if it is too large."""
    if _refusal(page.encode()):
        return None
    return str(extract_plain_text(HTMLTree.parse(page), preserve_formatting=True, alt_texts=False)).strip()


def decode_page(data: bytes, charset: str | None = None) -> str | None:
    """The page as text: by byte order mark, `charset`, declaration, UTF-8, statistics; None if none reads it whole."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return decode_first(data[len(mark) :], [encoding])
    said = [charset] if charset else []
    return decode_first(data, [*said, detect_encoding(data, from_html_meta=True), "utf-8", detect_encoding(data)])


def main_text(tree: HTMLTree) -> str:
    """The text that the page is about, with its headings, paragraphs, lists and code."""
    declared = tree.body.query_selector_all(MAIN) if tree.body else []
    is_declared = len(declared) == 1
    text: str = extract_plain_text(
        declared[0].html if is_declared else tree,
        main_content=not is_declared,
        preserve_formatting=True,
        alt_texts=False,  # most are file names or "image"
        skip_elements=list(ELSEWHERE),
    )
    return text


def _refusal(data: bytes) -> Reason | None:
    """Why a page is not parsed: a tree takes memory by its nodes, and time by its depth."""
    num_tags = data.count(b"<")
    if len(data) > HTML_LIMIT_BYTES or num_tags > MAX_TAGS:
        return "record_too_large"
    return "nested_too_deep" if num_tags > MAX_DEPTH and _is_too_deep(data) else None


def _is_too_deep(data: bytes) -> bool:
    """Whether more than `MAX_DEPTH` elements are open at once, by the tags. Few pages get past the first bound."""
    codes = np.frombuffer(data, np.uint8)
    after = codes[np.flatnonzero(codes[:-1] == ord("<")) + 1]
    open_tags = np.cumsum(np.where(after == ord("/"), -1, np.where(after >= ord("A"), 1, 0)))
    if int((open_tags - np.minimum.accumulate(open_tags)).max(initial=0)) <= MAX_DEPTH:
        return False
    depth = deepest = 0
    for closing, name in TAG.findall(data):
        if name.lower() not in NEVER_WITHIN_ITSELF:
            depth = max(0, depth - 1) if closing else depth + 1
            deepest = max(deepest, depth)
    return deepest > MAX_DEPTH
