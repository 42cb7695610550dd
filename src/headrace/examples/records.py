"""Files of examples as records: dictionaries as the file has them, each with the line it began at."""

import csv
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.discover import Compression
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.csv_rows import DELIMITERS
from headrace.corpus.read.lines import split_lines
from headrace.corpus.read.records import RECORD_LIMIT_BYTES
from headrace.corpus.read.streams import open_blocks, read_whole
from headrace.errors import InputError
from headrace.examples.find import Format, format_of

Record = dict[str, Any]
Numbered = tuple[int, Record]
"""The number of the line that a record begins at, counted from 1; its own number in JSON lists and Parquet."""

BATCH_ROWS = 1024


def read_records(file: RawFile) -> Iterator[Numbered]:
    """The records of a file, in order. Raises InputError, naming file and line, for what cannot be read."""
    kind, compression = format_of(file)
    if kind == "parquet":
        return _read_parquet(file)
    return _READERS[kind](file, compression)


def fault(file: RawFile, number: int, what: str) -> InputError:
    """What is wrong with a record, in one sentence."""
    unit = "record" if format_of(file)[0] in ("json", "parquet") else "line"
    return InputError(f"{file.name}, {unit} {number:,}: {what}")


def _read_lines(file: RawFile, compression: Compression) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends."""
    for number, line in enumerate(split_lines(open_blocks(file, compression)), 1):
        if line.is_too_large:
            raise fault(file, number, f"{line.size_bytes:,} bytes, wanted at most {RECORD_LIMIT_BYTES:,}.")
        try:
            yield number, line.data.decode().removesuffix("\r")
        except UnicodeDecodeError as error:
            raise fault(file, number, f"no UTF-8 text ({error}). Save the file as UTF-8.") from error


def _read_json_lines(file: RawFile, compression: Compression) -> Iterator[Numbered]:
    for number, line in _read_lines(file, compression):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise fault(file, number, f"not JSON ({error}); wanted one object a line.") from error
        yield number, _as_object(record, file, number)


def _read_json(file: RawFile, compression: Compression) -> Iterator[Numbered]:
    data, size_bytes = read_whole(open_blocks(file, compression))
    if size_bytes > RECORD_LIMIT_BYTES:
        raise InputError(
            f"{file.name}: {size_bytes:,} bytes of JSON in one piece, wanted at most {RECORD_LIMIT_BYTES:,}. Write one "
            "object a line, as `.jsonl`."
        )
    try:
        records = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InputError(f"{file.name}: not JSON ({error}).") from error
    if not isinstance(records, list):
        raise InputError(f"{file.name}: a JSON {_type(records)}, wanted a list of objects.")
    for number, record in enumerate(records, 1):
        yield number, _as_object(record, file, number)


def _as_object(record: object, file: RawFile, number: int) -> Record:
    if not isinstance(record, dict):
        raise fault(file, number, f"a JSON {_type(record)}, wanted an object such as {{...}}.")
    return record


def _type(value: object) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "truth value", int: "number", float: "number"}
    return names.get(type(value), "null")


def _read_delimited(file: RawFile, compression: Compression) -> Iterator[Numbered]:
    lines = _read_lines(file, compression)
    reader = csv.reader((f"{line}\n" for _, line in lines), delimiter=DELIMITERS[format_of(file)[0]], strict=True)
    names: list[str] | None = None
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise fault(file, number, f"its quotes do not end ({error}).") from error
        if fields is None:
            return
        if not fields:
            continue
        if names is None:
            names = fields
        elif len(fields) != len(names):
            raise fault(file, number, f"{len(fields)} fields, wanted {len(names)}: {', '.join(names)}.")
        else:
            yield number, dict(zip(names, fields, strict=True))


def _read_conll(file: RawFile, compression: Compression) -> Iterator[Numbered]:
    """Sentences of columns: the first is the word, the last its tag; a blank line ends a sentence."""
    tokens, tags, start = list[str](), list[str](), 1
    for number, line in _read_lines(file, compression):
        fields = line.split("\t") if "\t" in line else line.split()
        fields = [field.strip() for field in fields]
        if not any(fields):
            if tokens:
                yield start, {"tokens": tokens, "tags": tags}
            tokens, tags, start = [], [], number + 1
            continue
        if len(fields) < 2 or not fields[0] or not fields[-1]:
            raise fault(file, number, "wanted a word and its tag, with a tab or spaces between them.")
        tokens.append(fields[0])
        tags.append(fields[-1])
    if tokens:
        yield start, {"tokens": tokens, "tags": tags}


def _read_parquet(file: RawFile) -> Iterator[Numbered]:
    try:
        with file.open() as stream, pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
            number = 0
            for batch in parquet.iter_batches(BATCH_ROWS, use_threads=False):
                for record in batch.to_pylist():
                    number += 1
                    yield number, record
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.name}: cannot be read as Parquet ({error}).") from error


_READERS: dict[Format, Callable[[RawFile, Compression], Iterator[Numbered]]] = {
    "jsonl": _read_json_lines,
    "json": _read_json,
    "csv": _read_delimited,
    "tsv": _read_delimited,
    "conll": _read_conll,
}
