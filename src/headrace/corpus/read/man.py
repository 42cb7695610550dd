"""Manual pages, written with the macros man(7) or mdoc(7): a page is a document, name and section its metadata.

This is a reader, no typesetter: paragraphs, headings, lists and examples come out as text, a line each or as they
stand; fonts, widths and page breaks disappear. Macros that a page defines for itself are left out, not carried out.
"""

import re
from collections.abc import Callable, Iterator

import orjson
from resiliparse.parse.encoding import detect_encoding

from headrace.corpus.read.encodings import decode_first
from headrace.corpus.read.mdoc import mdoc_line
from headrace.corpus.read.records import RECORD_LIMIT_BYTES, AnyRecord, checked_text, damaged, skipped
from headrace.corpus.read.roff_escapes import resolve_escapes, strip_comment
from headrace.corpus.read.roff_page import RoffPage

WORD = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|\S)+)')
LINK = re.compile(r"""(?:['.]\\"[^\n]*\n|\s)*\.so\s+\S+\s*(?:['.]\\"[^\n]*\n?|\s)*""")
UNWANTED = {"de": "..", "de1": "..", "am": "..", "ig": "..", "EQ": ".EN", "PS": ".PE"}
"""Requests that open what no reader sees -> the line that ends it."""
JOINED = {"BR", "BI", "IB", "IR", "RB", "RI"}
SPACED = {"B", "I", "SM", "SB", "R", "CW"}


def read_manual_page(data: bytes, *, size_bytes: int) -> AnyRecord:
    """The document in one page's source; a page that only says which other page to show is skipped."""
    if size_bytes > RECORD_LIMIT_BYTES:
        return damaged(0, size_bytes, reason="record_too_large", data=data)
    source = decode_first(data, ("utf-8", detect_encoding(data), "latin-1"))
    assert source is not None, "latin-1 reads everything"
    if LINK.fullmatch(source):
        return skipped(0, size_bytes, "link")
    page = RoffPage()
    for line in _visible_lines(iter(source.splitlines())):
        _read_line(page, line)
    metadata = orjson.dumps({"title": page.title, "section": page.section}).decode()
    return checked_text(page.text(), offset=0, size_bytes=size_bytes, metadata=metadata)


def _visible_lines(lines: Iterator[str]) -> Iterator[str]:
    """The lines without comments, definitions and equations; lines that go on are joined."""
    for line in lines:
        whole = strip_comment(line)
        while whole.endswith("\\") and not whole.endswith("\\\\") and (more := next(lines, None)) is not None:
            whole = whole[:-1] + strip_comment(more)
        name, _ = _request(whole)
        if end := UNWANTED.get(name or ""):
            for skipped in lines:
                if skipped.replace("'", ".").startswith(end):
                    break
        elif not re.fullmatch(r"[.']\s*", whole) or not line.startswith((".", "'")):
            yield whole


def _request(line: str) -> tuple[str | None, str]:
    """(macro, the rest) of a control line; (None, line) of text."""
    if not line.startswith((".", "'")):
        return None, line
    name, _, rest = line[1:].lstrip().partition(" ")
    return name.partition("\t")[0], rest.strip()


def _read_line(page: RoffPage, line: str) -> None:
    num_ends = line.count("\\}")
    line = line.replace("\\}", "")
    if page.is_hidden:
        page.open_blocks([False] * line.count("\\{"))
    elif line.strip(". ") or not num_ends:
        _read_visible(page, line)
    page.close_blocks(num_ends)


def _read_visible(page: RoffPage, line: str) -> None:
    name, rest = _request(line)
    if name is None:
        page.add_text(resolve_escapes(line, page.strings))
    elif name in ("if", "ie", "el", "while"):
        _read_condition(page, name, rest)
    elif name in ("ds", "as"):
        key, _, value = rest.partition(" ")
        page.strings[key] = resolve_escapes(value.strip().removeprefix('"'), page.strings)
    elif name in REQUESTS:
        REQUESTS[name](page, _words(page, rest))
    elif name in JOINED | SPACED:
        page.add_text(("" if name in JOINED else " ").join(_words(page, rest)), is_tag=not rest)
    else:
        mdoc_line(page, name, _words(page, rest))


def _words(page: RoffPage, rest: str) -> list[str]:
    found = (match[2] if match[1] is None else match[1].replace('""', '"') for match in WORD.finditer(rest))
    return [resolve_escapes(word, page.strings) for word in found]


def _read_condition(page: RoffPage, name: str, rest: str) -> None:
    """Takes the way of a terminal: `n` holds, `t` does not; of a condition that would need counting, neither branch."""
    if name == "el":
        condition, body = not page.last_condition, rest
    else:
        test, _, body = rest.partition(" ")
        condition = test in ("n", "!t")
        page.last_condition = condition or test not in ("t", "!n")
    body = body.strip()
    if body.startswith("\\{"):
        page.open_blocks([condition])
        body = body[2:].strip()
    if condition and body:
        _read_visible(page, body)


def _title(page: RoffPage, words: list[str]) -> None:
    page.title, page.section = (*words, "", "")[:2]


def _manual_reference(page: RoffPage, words: list[str]) -> None:
    name, section, *rest = (*words, "", "")
    page.add_text(f"{name}({section}){''.join(rest)}" if section else name)


def _synopsis_option(page: RoffPage, words: list[str]) -> None:
    page.add_text(f"[{' '.join(words)}]")


REQUESTS: dict[str, Callable[[RoffPage, list[str]], None]] = {
    "TH": _title,
    "SH": lambda page, words: page.add_heading(" ".join(words)),
    "SS": lambda page, words: page.add_heading(" ".join(words)),
    **{
        name: lambda page, words: page.end_paragraph() for name in ("PP", "P", "LP", "sp", "HP", "RS", "RE", "SY", "YS")
    },
    "TP": lambda page, words: page.begin_entry(None),
    "TQ": lambda page, words: page.begin_entry(None),
    "IP": lambda page, words: page.begin_entry(words[0] if words else ""),
    "br": lambda page, words: page.end_line(),
    "nf": lambda page, words: page.set_literal(True),
    "EX": lambda page, words: page.set_literal(True),
    "fi": lambda page, words: page.set_literal(False),
    "EE": lambda page, words: page.set_literal(False),
    "TS": lambda page, words: page.begin_table(),
    "TE": lambda page, words: page.end_table(),
    "UR": lambda page, words: page.open_link(words),
    "MT": lambda page, words: page.open_link(words),
    "UE": lambda page, words: page.close_link(words),
    "ME": lambda page, words: page.close_link(words),
    "MR": _manual_reference,
    "OP": _synopsis_option,
}
