"""Plain text: a file is a document, or every line that matches a pattern begins one."""

import re
from collections.abc import Iterator

from headrace.corpus.read.lines import Line, split_lines
from headrace.corpus.read.records import BOM, EXCERPT_BYTES, RECORD_LIMIT_BYTES, Record, checked_text, damaged
from headrace.corpus.read.streams import read_whole


def read_plain_text(blocks: Iterator[bytes], start: int, *, document_start: str | None) -> Iterator[Record]:
    """The documents of a file, or of a part that begins with one. Text before the first match is one, unless blank."""
    if document_start is not None:
        yield from _split(split_lines(blocks, start), re.compile(document_start))
        return
    data, size_bytes = read_whole(blocks)
    mark = len(BOM) if data.startswith(BOM) else 0
    yield _document(data[mark:], offset=mark, size_bytes=size_bytes - mark)


def _split(lines: Iterator[Line], start: re.Pattern[str]) -> Iterator[Record]:
    gathered = bytearray()  # one buffer: a list of many short lines would take 20 times the memory
    begin = size_bytes = num_documents = 0
    for line in lines:
        if start.match(line.data.decode("utf-8", "replace")):
            if num_documents or not _is_blank(gathered):
                yield _document(bytes(gathered), offset=begin, size_bytes=size_bytes)
            num_documents += 1
            gathered, begin, size_bytes = bytearray(), line.offset, 0
        elif not gathered:
            begin = line.offset  # after a byte order mark, if there is one
        if size_bytes <= RECORD_LIMIT_BYTES:
            gathered += line.data
            gathered += b"\n"
        size_bytes += line.size_bytes + 1
    if num_documents or not _is_blank(gathered):
        yield _document(bytes(gathered), offset=begin, size_bytes=size_bytes)


def _is_blank(data: bytearray) -> bool:
    return not data or data.isspace()


def _document(data: bytes, *, offset: int, size_bytes: int) -> Record:
    if size_bytes > RECORD_LIMIT_BYTES:
        return damaged(offset, size_bytes, reason="record_too_large", data=data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:  # reported where the bad byte is, with what stands around it
        around = data[max(0, error.start - EXCERPT_BYTES // 2) :]
        return damaged(offset + error.start, size_bytes, reason="invalid_utf8", data=around)
    return checked_text(text, offset=offset, size_bytes=size_bytes, metadata="{}")
