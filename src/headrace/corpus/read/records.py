"""What comes out of a file: a document, a record that is damaged, or one that holds no document."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

RECORD_LIMIT_BYTES = 64_000_000
"""Largest record read; above it a "document" is a broken file, and one must fit in memory several times over."""

EXCERPT_BYTES = 200

BOM = b"\xef\xbb\xbf"

Reason = Literal[
    "broken_html",
    "broken_http",
    "broken_json",
    "broken_mail",
    "broken_quotes",
    "broken_warc",
    "broken_xml",
    "empty_text",
    "invalid_utf8",
    "killed_worker",
    "lone_surrogate",
    "nested_archive",
    "nested_too_deep",
    "not_an_object",
    "nul_character",
    "record_too_large",
    "text_missing",
    "text_not_a_string",
    "text_null",
    "unknown_encoding",
    "wrong_number_of_fields",
]


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A readable document, its text as the file has it."""

    offset: int
    """First byte in the decompressed stream; the row number in Parquet."""
    size_bytes: int
    """Length in the decompressed stream; of the UTF-8 text in Parquet."""
    text: str
    metadata: str
    """The record's other fields, as a JSON object."""


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record that cannot be used, and why."""

    offset: int
    size_bytes: int
    reason: Reason
    excerpt: str
    """Its beginning, or the surroundings of the fault, safe to print."""


@dataclass(frozen=True, slots=True)
class SkippedRecord:
    """A record that is sound and holds no document: a WARC request, a picture, a redirect."""

    offset: int
    size_bytes: int
    reason: str


Record = RawDocument | DamagedRecord
AnyRecord = Record | SkippedRecord


def damaged(offset: int, size_bytes: int, *, reason: Reason, data: bytes) -> DamagedRecord:
    """A damaged record; of `data` the first bytes are shown, with everything unprintable escaped."""
    text = data[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
    excerpt = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return DamagedRecord(offset, size_bytes, reason, excerpt)


def skipped(offset: int, size_bytes: int, reason: str) -> SkippedRecord:
    """A record that holds no document, and why."""
    return SkippedRecord(offset, size_bytes, reason)


def checked_text(text: str, *, offset: int, size_bytes: int, metadata: str) -> Record:
    """The document, unless its text is one that no corpus should hold."""
    if not text or text.isspace():
        return damaged(offset, size_bytes, reason="empty_text", data=text.encode())
    if "\0" in text:
        place = max(0, text.index("\0") - 20)
        return damaged(offset, size_bytes, reason="nul_character", data=text[place : place + EXCERPT_BYTES].encode())
    return RawDocument(offset, size_bytes, text, metadata)


def checked_fields(fields: dict[Any, Any], *, text_field: str, offset: int, data: bytes) -> Record:
    """The document in a JSON object whose bytes are `data`."""
    size_bytes = len(data)
    if text_field not in fields:
        return damaged(offset, size_bytes, reason="text_missing", data=data)
    text = fields.pop(text_field)
    if text is None:
        return damaged(offset, size_bytes, reason="text_null", data=data)
    if not isinstance(text, str):
        return damaged(offset, size_bytes, reason="text_not_a_string", data=data)
    try:
        metadata = orjson.dumps(fields).decode()
    except orjson.JSONEncodeError:  # it reads 1,024 levels and writes 254
        return damaged(offset, size_bytes, reason="nested_too_deep", data=data)
    return checked_text(text, offset=offset, size_bytes=size_bytes, metadata=metadata)
