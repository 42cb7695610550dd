"""CSV and TSV after RFC 4180: the first row names the columns, one of them is the text, the others are metadata.

Python's own reader decides where a row ends, both for reading and for cutting files, so the two never disagree. A row
that it refuses costs that row; an opening quote that is never closed costs what follows up to the next quote.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import orjson

from headrace.corpus.config import Format, SourceConfig
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.lines import Line, split_lines
from headrace.corpus.read.records import BOM, Reason, Record, checked_text, damaged
from headrace.errors import InputError

DELIMITERS: dict[str, str] = {"csv": ",", "tsv": "\t"}
"""Format -> what separates the fields where the source does not say."""

USUAL_DELIMITERS = ("\t", ";", "|", ",")
"""Those that a hint may name, the surest sign first."""
FIELD_CHARACTERS = 16_000_000
"""Longest field. The reader holds 4 bytes a character, and an unclosed quote makes one field of all that follows."""

csv.field_size_limit(FIELD_CHARACTERS)  # the module knows only one limit for the whole process


def delimiter_of(source: SourceConfig, format_: Format) -> str:
    """What separates the fields of a source's files of a format."""
    return source.delimiter or DELIMITERS[format_]


@dataclass(slots=True)
class Row:
    """One row; its fields hold bytes that are no UTF-8 as lone surrogates."""

    offset: int
    size_bytes: int
    data: bytes
    fields: list[str]
    reason: Reason | None = None
    """Why it cannot be used."""


def read_rows(
    blocks: Iterator[bytes], start: int, *, head: bytes, delimiter: str, text_column: str, file: RawFile
) -> Iterator[Record]:
    """The documents of a stream that begins at a row; `head` is the file's first row if the stream is a later part.

    Raises InputError if there is no such column.
    """
    rows = split_rows(blocks, start, delimiter)
    first = next(split_rows(iter([head]), 0, delimiter), None) if head else next(rows, None)
    if first is None:
        return
    names = [_readable(name) for name in first.fields]
    if text_column not in names or first.reason is not None:
        raise InputError(
            f"{file.name}: no column `{text_column}`; its first row has {', '.join(names) or 'none'}. "
            f"Write `text:` with the name of the column that holds the text{_hint(names, delimiter)}."
        )
    for row in rows:
        yield _read_row(row, names, names.index(text_column))


def _hint(names: list[str], delimiter: str) -> str:
    """What to try where the whole first row became one name."""
    found = next((each for each in USUAL_DELIMITERS if each != delimiter and any(each in name for name in names)), None)
    return f", or `delimiter: {json.dumps(found)}` if that separates its fields" if found and len(names) == 1 else ""


def split_rows(blocks: Iterator[bytes], start: int, delimiter: str) -> Iterator[Row]:
    """The rows of a stream that are not blank."""
    lines = _Lines(split_lines(blocks, start))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_row()
        try:
            fields = next(reader, None)
            reason: Reason | None = None
        except csv.Error as error:
            fields, reason = [], "record_too_large" if "field limit" in str(error) else "broken_quotes"
        if fields is None:
            return
        reason = "record_too_large" if lines.is_cut else reason
        if fields or reason:
            yield Row(lines.offset, lines.size_bytes, bytes(lines.data[:-1]), fields, reason)


def row_starts(blocks: Iterator[bytes], start: int, delimiter: str) -> Iterator[int]:
    """Where each row begins in a stream that begins at a row. Lines without quotes are not looked into."""
    lines = split_lines(blocks, start)
    for line in lines:
        yield line.offset
        if b'"' in line.data:
            rest = _Lines(chain([line], lines))
            try:
                next(csv.reader(rest, delimiter=delimiter, strict=True), None)
            except csv.Error:
                continue  # the next line begins a row, as it does for `split_rows`


def first_row(blocks: Iterator[bytes], delimiter: str) -> bytes:
    """The bytes of the row that names the columns."""
    row = next(split_rows(blocks, 0, delimiter), None)
    return row.data if row else b""


class _Lines:
    """Lines as the csv module wants them, and where those lie that it took for the present row."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self.begin_row()

    def begin_row(self) -> None:
        """The next line is the first of a row."""
        self.offset = self.size_bytes = self._num_lines = 0
        self.data = bytearray()
        self.is_cut = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if not self._num_lines:
            self.offset = line.offset
        self._num_lines += 1
        self.is_cut |= line.is_too_large
        self.data += line.data
        self.data += b"\n"
        self.size_bytes = line.offset + line.size_bytes - self.offset
        return line.data.decode("utf-8", "surrogateescape") + "\n"


def _read_row(row: Row, names: list[str], text_index: int) -> Record:
    reason = row.reason
    if reason is None and len(row.fields) != len(names):
        reason = "wrong_number_of_fields"
    if reason is None and not _is_utf8(row.data):
        reason = "invalid_utf8"
    if reason is not None:
        return damaged(row.offset, row.size_bytes, reason=reason, data=row.data)
    others = {
        name: value for index, (name, value) in enumerate(zip(names, row.fields, strict=True)) if index != text_index
    }
    metadata = orjson.dumps(others).decode()
    return checked_text(row.fields[text_index], offset=row.offset, size_bytes=row.size_bytes, metadata=metadata)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _readable(name: str) -> str:
    return name.removeprefix(BOM.decode()).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
