"""JSON lines: one object a line, one document an object.

Whole numbers beyond 64 bits, which most readers of JSON would round, become strings of their digits.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from headrace.corpus.read.batches import BATCH_BYTES, Batch, Integers
from headrace.corpus.read.json_objects import BEGIN, CAREFUL, END, LOOSE, PADDING, PLAIN, Objects, read_objects
from headrace.corpus.read.lines import Line, Lines
from headrace.corpus.read.records import DamagedRecord, RawDocument, Reason, Record, checked_fields, damaged
from headrace.corpus.texts import replace_rows

EXPONENT = re.compile(rb"e\+?\d\d")
"""What is in metadata with a number of 1e16 or more that is no whole one, as orjson reads and writes those beyond 64
bits; it begins with a letter, so that looking for it takes 5 % of the parsing and not 20 %."""
MANY_DIGITS = re.compile(rb"\d{19}")
"""What is in lines with a whole number beyond 64 bits, and not in most hexadecimal ids, which have exponents too."""

MOST_DIGITS = 20
"""Of a whole number that fits into 64 bits, its sign among them."""

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
    """The same records in batches. Of lines that are written plainly, only the bytes are touched."""
    faults, group = list[DamagedRecord](), list[Lines]()
    for lines in _own_lines(found, within):
        if isinstance(lines, Line):
            faults.append(damaged(lines.offset, lines.size_bytes, reason="record_too_large", data=lines.data))
        elif lines.block:
            group.append(lines)
        if sum(len(lines.block) for lines in group) >= BATCH_BYTES:
            yield _read_lines(group, text_field, faults)
            faults, group = [], []
    if faults or group:
        yield _read_lines(group, text_field, faults)


def _read_lines(group: Sequence[Lines], text_field: str, faults: list[DamagedRecord]) -> Batch:
    """The records of lines, those that are not plain taken one by one, and further damaged ones."""
    objects = read_objects(
        b"".join((*(lines.block for lines in group), PADDING)), text_field.encode("utf-8", "surrogatepass")
    )
    kinds, begins, ends = objects.kinds, objects.lines[:, BEGIN], objects.lines[:, END]
    offsets = begins + _shifts(group, begins)
    documents = dict[int, RawDocument]()
    for row in np.flatnonzero((kinds == LOOSE) | (kinds == CAREFUL)).tolist():
        record = _read_other(objects, row, offset=int(offsets[row]), text_field=text_field)
        if isinstance(record, RawDocument):
            documents[row] = record
        elif record is not None:
            faults.append(record)
    texts = replace_rows(objects.texts, {row: found.text for row, found in documents.items() if kinds[row] == CAREFUL})
    metadata = replace_rows(objects.metadata, {row: found.metadata for row, found in documents.items()})
    rows = np.union1d(np.flatnonzero(kinds == PLAIN), np.array([*documents], np.int64))
    if len(rows) < len(kinds):
        texts, metadata = texts.take(rows), metadata.take(rows)
    faults.sort(key=lambda record: record.offset)
    return Batch(texts, metadata, offsets[rows], ends[rows] - begins[rows], faults)


def _shifts(group: Sequence[Lines], begins: Integers) -> Integers:
    """What lies before each line in the file, but not in the joined blocks of its group."""
    firsts = np.cumsum([0, *(len(lines.block) for lines in group)])
    shifts: Integers = np.array([lines.offset for lines in group], np.int64) - firsts[:-1]
    return shifts.take(np.searchsorted(firsts[1:], begins, side="right"))


def _read_other(objects: Objects, row: int, *, offset: int, text_field: str) -> Record | None:
    """The record of a line that is not plain; None for a blank one. Of a loose line the text is not read again."""
    begin, end, text_begin, text_end = objects.lines[row, BEGIN:].tolist()
    data = objects.block[begin:end]
    if objects.kinds[row] == LOOSE:
        try:
            others = data[: text_begin - begin] + b'""' + data[text_end - begin :]
            metadata = _metadata(orjson.loads(others), text_field)
            if _may_be_rounded(metadata, others):
                metadata = _metadata(_with_exact_numbers(others), text_field)
            return RawDocument(offset, len(data), "", metadata.decode())
        except (ValueError, TypeError, KeyError):
            pass  # the slow way says what is wrong
    return _read_line(data, offset, text_field) if data and not data.isspace() else None


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
            cut = lines.block.find(b"\n") + 1 or len(lines.block)
            lines = Lines(lines.offset + cut, lines.block[cut:])
        yield lines if isinstance(lines, Line) else _up_to(lines, end)


def _up_to(lines: Lines, end: int) -> Lines:
    """The lines that begin at `end` or before."""
    cut = lines.block.find(b"\n", end - lines.offset) + 1 if lines.offset <= end else 0
    return Lines(lines.offset, lines.block[:cut] if cut or lines.offset > end else lines.block)


def _read_line(data: bytes, offset: int, text_field: str) -> Record:
    size_bytes = len(data)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        reason = _fault(data, str(error))
        value = _with_endless_numbers(data) if reason == "broken_json" else None
        if value is None:
            return damaged(offset, size_bytes, reason=reason, data=data)
    if not isinstance(value, dict):
        return damaged(offset, size_bytes, reason="not_an_object", data=data)
    record = checked_fields(value, text_field=text_field, offset=offset, data=data)
    if isinstance(record, RawDocument) and _may_be_rounded(record.metadata.encode(), data):
        return checked_fields(_with_exact_numbers(data), text_field=text_field, offset=offset, data=data)
    return record


def _metadata(fields: dict[str, Any], text_field: str) -> bytes:
    """The fields but for the text as JSON. Raises KeyError if there is none, TypeError for what cannot be written."""
    del fields[text_field]
    return orjson.dumps(fields)


def _may_be_rounded(metadata: bytes, data: bytes) -> bool:
    """Whether the line that metadata were read from may hold a whole number that is none in them any more."""
    return EXPONENT.search(metadata) is not None and MANY_DIGITS.search(data) is not None


def _with_exact_numbers(data: bytes) -> Any:
    """The value of a line, with whole numbers that 64 bits cannot hold as strings. Raises ValueError if it has none."""
    return json.loads(data.decode(), parse_int=_whole_number, parse_constant=lambda _: None)


def _whole_number(digits: str) -> int | str:
    """The number; its digits where it is beyond 64 bits. One of thousands of digits is not even looked at."""
    number = int(digits) if len(digits) <= MOST_DIGITS else None
    return number if number is not None and -(2**63) <= number < 2**64 else digits


def _with_endless_numbers(data: bytes) -> Any:
    """The value of a line that has NaN or infinities, which Python's own `json` writes: they become null. Else None."""
    try:
        value = _with_exact_numbers(data)
        orjson.dumps(value)  # no lone surrogates
        return value
    except (ValueError, TypeError, RecursionError):
        return None


def _fault(data: bytes, message: str) -> Reason:
    try:
        data.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    if "surrogate" in message:
        return "lone_surrogate"
    return "nested_too_deep" if "depth" in message or "recursion" in message.lower() else "broken_json"
