"""Parquet: one column is the text, the others are metadata."""

from collections.abc import Iterator

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.batches import BATCH_BYTES, Batch, batch_records
from headrace.corpus.read.records import RECORD_LIMIT_BYTES, Record, checked_text, damaged
from headrace.corpus.read.streams import REMEDY
from headrace.corpus.texts import Texts
from headrace.errors import InputError

MOST_ROWS = 8192
MAY_BE_BLANK = np.isin(np.arange(256), [*range(33), 0xC2, 0xE1, 0xE2, 0xE3])
"""First bytes of the characters that are white space, and of some others."""


def read_parquet(file: RawFile, row_groups: range, *, text_column: str) -> Iterator[Record]:
    """The rows of some row groups; offsets are row numbers in the file. Raises InputError if the file is damaged."""
    for row, batch in _row_batches(file, row_groups, text_column=text_column):
        yield from _read_batch(batch, first_row=row, text_column=text_column)


def batch_parquet(file: RawFile, row_groups: range, *, text_column: str) -> Iterator[Batch]:
    """The same rows in batches, their texts as Arrow holds them."""
    for row, batch in _row_batches(file, row_groups, text_column=text_column):
        texts = _sound_texts(batch.column(text_column))
        if texts is None:
            yield from batch_records(_read_batch(batch, first_row=row, text_column=text_column))
            continue
        others = batch.drop_columns([text_column])
        metadata = list(map(_metadata, others.to_pylist())) if others.num_columns else ["{}"] * len(texts)
        sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        yield Batch(
            Texts.from_arrow(texts),
            Texts.from_strings(metadata),
            np.arange(row, row + len(texts), dtype=np.int64),
            sizes,
            [],
        )


def _row_batches(file: RawFile, row_groups: range, *, text_column: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of a few MB, each with the number of its first row."""
    try:
        with file.open() as stream, pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
            _check_text_column(parquet.schema_arrow, text_column, file=file)
            groups = [parquet.metadata.row_group(index) for index in row_groups]
            row = sum(parquet.metadata.row_group(index).num_rows for index in range(row_groups.start))
            for group, index in zip(groups, row_groups, strict=True):
                num_rows = group.num_rows * BATCH_BYTES // max(1, group.total_byte_size)
                num_rows = min(MOST_ROWS, max(1, num_rows))
                for batch in parquet.iter_batches(num_rows, row_groups=[index], use_threads=False):
                    yield row, batch
                    row += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name}: a damaged Parquet file ({error}). {REMEDY}") from error


def _sound_texts(column: pa.Array) -> pa.Array | None:
    """The texts if each of them is one that a corpus may hold; None if rows must be looked at one by one."""
    if column.null_count or not len(column):
        return None
    try:
        texts = column.cast(pa.large_binary()).cast(pa.large_string())  # the second cast checks that it is UTF-8
    except pa.ArrowInvalid:
        return None
    _, offset_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    sizes = np.diff(offsets)
    if sizes.min() == 0 or sizes.max() > RECORD_LIMIT_BYTES:
        return None
    data = np.frombuffer(data_buffer, np.uint8)
    if not data[offsets[0] : offsets[-1]].all():
        return None
    suspects = np.flatnonzero(MAY_BE_BLANK[data[offsets[:-1]]])
    return None if any(texts[int(index)].as_py().isspace() for index in suspects) else texts


def _check_text_column(schema: pa.Schema, text_column: str, *, file: RawFile) -> None:
    if text_column not in schema.names:
        raise InputError(
            f"{file.name}: no column `{text_column}`; it has {', '.join(schema.names)}. "
            "Write `text:` with the name of the column that holds the text."
        )
    held = schema.field(text_column).type
    kind = held.value_type if pa.types.is_dictionary(held) else held
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise InputError(
            f"{file.name}: column `{text_column}` holds {held}, not strings. Write `text:` with another column."
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
    return checked_text(text, offset=row, size_bytes=len(value), metadata=_metadata(fields))


def _metadata(fields: dict[str, object]) -> str:
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
