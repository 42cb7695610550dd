"""Parquet: one column is the text, the others are metadata."""

from collections.abc import Iterator

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.discover import RawFile
from headrace.corpus.read.records import RECORD_LIMIT_BYTES, Record, checked_text, damaged
from headrace.corpus.read.streams import REMEDY
from headrace.errors import InputError

BATCH_ROWS = 1024


def read_parquet(file: RawFile, row_groups: range, *, text_column: str) -> Iterator[Record]:
    """The rows of some row groups; offsets are row numbers in the file. Raises InputError if the file is damaged."""
    try:
        with pq.ParquetFile(file.path, page_checksum_verification=True) as parquet:
            _check_text_column(parquet.schema_arrow, text_column, file=file)
            row = sum(parquet.metadata.row_group(index).num_rows for index in range(row_groups.start))
            for batch in parquet.iter_batches(BATCH_ROWS, row_groups=list(row_groups), use_threads=False):
                yield from _read_batch(batch, first_row=row, text_column=text_column)
                row += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name}: a damaged Parquet file ({error}). {REMEDY}") from error


def _check_text_column(schema: pa.Schema, text_column: str, *, file: RawFile) -> None:
    if text_column not in schema.names:
        raise InputError(
            f"{file.name}: no column `{text_column}`; it has {', '.join(schema.names)}. "
            "Write `text:` with the name of the column that holds the text."
        )
    kind = schema.field(text_column).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise InputError(
            f"{file.name}: column `{text_column}` holds {kind}, not strings. Write `text:` with another column."
        )


def _read_batch(batch: pa.RecordBatch, *, first_row: int, text_column: str) -> Iterator[Record]:
    texts = batch.column(text_column).cast(pa.large_binary())  # as bytes: one bad value must not fail the whole batch
    others = batch.drop_columns([text_column]).to_pylist()
    for index, value in enumerate(texts):
        fields = others[index] if others else {}
        yield _read_value(value.as_py(), row=first_row + index, fields=fields)


def _read_value(value: bytes | None, *, row: int, fields: dict[str, object]) -> Record:
    if value is None:
        return damaged(row, 0, reason="text_null", data=b"")
    if len(value) > RECORD_LIMIT_BYTES:
        return damaged(row, len(value), reason="record_too_large", data=value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return damaged(row, len(value), reason="invalid_utf8", data=value)
    metadata = orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return checked_text(text, offset=row, size_bytes=len(value), metadata=metadata)
