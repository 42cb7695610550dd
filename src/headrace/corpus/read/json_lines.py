"""JSON lines: one object a line, one document an object."""

from collections.abc import Iterator

import orjson

from headrace.corpus.read.records import Reason, Record, checked_fields, damaged
from headrace.corpus.read.streams import Line


def read_json_lines(lines: Iterator[Line], *, text_field: str) -> Iterator[Record]:
    """One record per line that is not blank."""
    for line in lines:
        if line.is_too_large:
            yield damaged(line.offset, line.size_bytes, reason="record_too_large", data=line.data)
        elif line.data and not line.data.isspace():
            yield _read_line(line, text_field)


def _read_line(line: Line, text_field: str) -> Record:
    try:
        value = orjson.loads(line.data)
    except orjson.JSONDecodeError as error:
        return damaged(line.offset, line.size_bytes, reason=_fault(line.data, str(error)), data=line.data)
    if not isinstance(value, dict):
        return damaged(line.offset, line.size_bytes, reason="not_an_object", data=line.data)
    return checked_fields(value, text_field=text_field, offset=line.offset, data=line.data)


def _fault(data: bytes, message: str) -> Reason:
    try:
        data.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    if "surrogate" in message:
        return "lone_surrogate"
    return "nested_too_deep" if "depth" in message or "recursion" in message.lower() else "broken_json"
