"""JSON lines: one object a line, one document an object."""

from collections.abc import Iterable, Iterator

import orjson

from headrace.corpus.read.batches import BATCH_BYTES, Batch, BatchBuilder
from headrace.corpus.read.lines import Line, Lines
from headrace.corpus.read.records import Reason, Record, checked_fields, damaged

Range = tuple[int, int]
"""Lines are read that begin after the first and not after the second byte, and the one at byte 0."""


def read_json_lines(found: Iterable[Lines | Line], *, text_field: str, within: Range | None = None) -> Iterator[Record]:
    """One record per line that is not blank."""
    for lines in _own_lines(found, within):
        if isinstance(lines, Line):
            yield damaged(lines.offset, lines.size_bytes, reason="record_too_large", data=lines.data)
            continue
        offset = lines.offset
        for data in lines.data:
            if data and not data.isspace():
                yield _read_line(data, offset, text_field)
            offset += len(data) + 1


def batch_json_lines(found: Iterable[Lines | Line], *, text_field: str, within: Range | None = None) -> Iterator[Batch]:
    """The same records in batches, at about a microsecond each besides parsing."""
    builder = BatchBuilder()
    for lines in _own_lines(found, within):
        if isinstance(lines, Line):
            builder.add(damaged(lines.offset, lines.size_bytes, reason="record_too_large", data=lines.data))
            continue
        offset, data = lines.offset, lines.data
        while data:
            number, size_bytes = _add_lines(builder, data, offset, text_field)
            offset, data = offset + size_bytes, data[number:]
            if data:
                yield builder.build()
                builder = BatchBuilder()
    if builder:
        yield builder.build()


def _add_lines(builder: BatchBuilder, lines: list[bytes], offset: int, text_field: str) -> tuple[int, int]:
    """Adds lines until the batch is full; returns how many, and their bytes."""
    loads, dumps = orjson.loads, orjson.dumps
    begin, room = offset, BATCH_BYTES - builder.size_bytes
    for number, data in enumerate(lines):
        size = len(data)
        if size > room and room < BATCH_BYTES:
            builder.size_bytes = BATCH_BYTES - room
            return number, offset - begin
        try:
            fields = loads(data)
            text = fields.pop(text_field)
            if not text or text.isspace() or "\0" in text:
                raise ValueError("perhaps damaged")
            metadata = dumps(fields).decode() if fields else "{}"
        except (ValueError, KeyError, AttributeError, TypeError):  # whatever it is, the slow way says what
            if data and not data.isspace():
                builder.add(_read_line(data, offset, text_field))
        else:
            builder.texts.append(text)
            builder.metadata.append(metadata)
            builder.offsets.append(offset)
            builder.sizes.append(size)
        room -= size
        offset += size + 1
    builder.size_bytes = BATCH_BYTES - room
    return len(lines), offset - begin


def _own_lines(found: Iterable[Lines | Line], within: Range | None) -> Iterator[Lines | Line]:
    """The lines that begin in a range."""
    if within is None:
        yield from found
        return
    start, end = within
    is_first = start > 0
    for lines in found:
        if lines.offset > end:
            return
        if is_first:
            is_first = False
            if isinstance(lines, Line):
                continue
            lines = Lines(lines.offset + len(lines.data[0]) + 1, lines.data[1:])
        yield lines if isinstance(lines, Line) else _up_to(lines, end)


def _up_to(lines: Lines, end: int) -> Lines:
    offset = lines.offset
    for number, data in enumerate(lines.data):
        if offset > end:
            return Lines(lines.offset, lines.data[:number])
        offset += len(data) + 1
    return lines


def _read_line(data: bytes, offset: int, text_field: str) -> Record:
    size_bytes = len(data)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return damaged(offset, size_bytes, reason=_fault(data, str(error)), data=data)
    if not isinstance(value, dict):
        return damaged(offset, size_bytes, reason="not_an_object", data=data)
    return checked_fields(value, text_field=text_field, offset=offset, data=data)


def _fault(data: bytes, message: str) -> Reason:
    try:
        data.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    if "surrogate" in message:
        return "lone_surrogate"
    return "nested_too_deep" if "depth" in message or "recursion" in message.lower() else "broken_json"
