"""WARC files: every response that holds HTML or plain text is a document, with its address and date in the metadata.

Records are told apart by their own lengths, here; what is inside one is taken apart by FastWARC. After something that
is no record, reading goes on at the next line that begins like one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from fastwarc.warc import WarcRecord, WarcRecordType
from resiliparse.parse.encoding import detect_encoding

from headrace.corpus.read.encodings import decode_first
from headrace.corpus.read.html import HTML_LIMIT_BYTES, read_page
from headrace.corpus.read.records import EXCERPT_BYTES, RECORD_LIMIT_BYTES, AnyRecord, checked_text, damaged, skipped
from headrace.corpus.read.window import Window

HEAD = re.compile(rb"WARC/\d\.\d\r?\n")
HEAD_END = re.compile(rb"\r?\n\r?\n")
NEXT_HEAD = re.compile(rb"(?<=\n)WARC/\d\.\d\r?\n")
LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
HEAD_BYTES = 65_536
WITH_TEXT = (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.conversion)
PAGE_TYPES = ("text/html", "application/xhtml+xml")
PLAIN_TYPES = ("text/plain",)


@dataclass(frozen=True, slots=True)
class _RawRecord:
    offset: int
    size_bytes: int
    data: bytes
    is_whole: bool


def read_records(blocks: Iterator[bytes], start: int) -> Iterator[AnyRecord]:
    """The records of a stream that begins at one; those without text are skipped ones."""
    for raw in _split(blocks, start, keep=RECORD_LIMIT_BYTES):
        if not raw.is_whole:
            yield damaged(raw.offset, raw.size_bytes, reason="broken_warc", data=raw.data)
        elif raw.size_bytes > RECORD_LIMIT_BYTES:
            yield _too_large(raw)
        else:
            yield _read(raw)


def record_starts(blocks: Iterator[bytes], start: int) -> Iterator[int]:
    """Where each record begins in a stream that begins at one."""
    return (raw.offset for raw in _split(blocks, start, keep=0))


def _split(blocks: Iterator[bytes], start: int, *, keep: int) -> Iterator[_RawRecord]:
    window = Window(blocks, start)
    while _skip_blank(window):
        offset = window.offset
        window.fill(HEAD_BYTES)
        end = HEAD_END.search(window.data, 0, HEAD_BYTES) if HEAD.match(window.data) else None
        length = LENGTH.search(window.data, 0, end.end()) if end else None
        if end is None or length is None:
            data, size_bytes, _ = window.take_until(NEXT_HEAD, width=16, keep=EXCERPT_BYTES, begin=1)
            yield _RawRecord(offset, size_bytes, data, is_whole=False)
            continue
        wanted = end.end() + int(length[1])
        data, size_bytes = window.take(wanted, keep=keep)
        yield _RawRecord(offset, size_bytes, data, is_whole=size_bytes == wanted)


def _skip_blank(window: Window) -> bool:
    """Goes over the empty lines between records; False at the end of the stream."""
    while window.fill(1):
        blank = len(window.data) - len(window.data.lstrip(b"\r\n"))
        if blank < len(window.data):
            window.drop(blank)
            return True
        window.drop(blank)
    return False


def _too_large(raw: _RawRecord) -> AnyRecord:
    """Pictures and films are often larger than any document may be, and no loss."""
    head = raw.data[:HEAD_BYTES].lower()
    if b"content-type: text/" in head or b"html" in head:
        return damaged(raw.offset, raw.size_bytes, reason="record_too_large", data=raw.data)
    return skipped(raw.offset, raw.size_bytes, "not_text")


def _read(raw: _RawRecord) -> AnyRecord:
    try:
        record = WarcRecord.from_bytes(raw.data)
        if record.record_type not in WITH_TEXT:
            return skipped(raw.offset, raw.size_bytes, str(record.headers.get("WARC-Type")).lower())
        is_response = record.record_type == WarcRecordType.response
        if is_response:
            record.parse_http(auto_decode="all")
        return _read_text(raw, record, is_response=is_response)
    except (OSError, ValueError):
        return damaged(raw.offset, raw.size_bytes, reason="broken_http", data=raw.data)


def _read_text(raw: _RawRecord, record: Any, *, is_response: bool) -> AnyRecord:
    if is_response and record.http_headers is None:
        return damaged(raw.offset, raw.size_bytes, reason="broken_http", data=raw.data)
    if is_response and record.http_headers.status_code != 200:
        return skipped(raw.offset, raw.size_bytes, "http_status")
    declared = record.http_content_type if is_response else record.headers.get("Content-Type")
    kind = (declared or "").partition(";")[0].strip().lower()
    if kind not in PAGE_TYPES + PLAIN_TYPES:
        return skipped(raw.offset, raw.size_bytes, "not_text")
    body = record.reader.read(HTML_LIMIT_BYTES + 1)  # no more: it may be packed a thousandfold
    if len(body) > HTML_LIMIT_BYTES:
        return damaged(raw.offset, raw.size_bytes, reason="record_too_large", data=body)
    fields = {"url": record.headers.get("WARC-Target-URI"), "date": record.headers.get("WARC-Date")}
    charset = record.http_charset if is_response else None
    if kind in PAGE_TYPES:
        return read_page(body, offset=raw.offset, size_bytes=raw.size_bytes, charset=charset, fields=fields)
    return _plain(raw, body, charset or ("utf-8" if not is_response else None), fields)


def _plain(raw: _RawRecord, body: bytes, charset: str | None, fields: dict[str, str | None]) -> AnyRecord:
    text = decode_first(body, (charset, "utf-8", detect_encoding(body)))
    if text is None:
        return damaged(raw.offset, raw.size_bytes, reason="unknown_encoding", data=body)
    metadata = orjson.dumps(fields).decode()
    return checked_text(text, offset=raw.offset, size_bytes=raw.size_bytes, metadata=metadata)
