"""Parquet as this floor writes and reads it: zstd, a checksum on every page, checked on reading."""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.columns import Columns, Kind
from headrace.errors import StoreError

Row = dict[str, Any]

ROW_GROUP_BYTES = 16_000_000
ROW_GROUP_ROWS = 100_000

ARROW_TYPES: dict[Kind, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "strings": pa.list_(pa.string()),
}


def arrow_schema(columns: Columns) -> pa.Schema:
    """The schema of a table; no column of this floor is ever null."""
    return pa.schema([pa.field(name, ARROW_TYPES[kind], nullable=False) for name, kind in columns.items()])


def open_writer(path: Path, columns: Columns) -> pq.ParquetWriter:
    """A writer whose bytes depend on the rows and on where the row groups are cut, on nothing else."""
    return pq.ParquetWriter(
        path, arrow_schema(columns), compression="zstd", compression_level=3, write_page_checksum=True
    )


class RowWriter:
    """Writes rows in row groups of bounded size; of each row it takes the columns it knows, and wants them all."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._writer = open_writer(path, columns)
        self._schema = arrow_schema(columns)
        self._pick = itemgetter(*columns)
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, row: Row, size_bytes: int = 0) -> None:
        """Adds a row of about `size_bytes`."""
        self._rows.append(self._pick(row))
        self._bytes += size_bytes
        if self._bytes >= ROW_GROUP_BYTES or len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=ROW_GROUP_ROWS)
        self._rows.clear()
        self._bytes = 0


@contextmanager
def stored(path: Path) -> Iterator[pq.ParquetFile]:
    """A table that headrace wrote, page checksums verified as pages are read. Raises StoreError if it is damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path}: {error}. Run `headrace gc --damaged` and run again: it will be rebuilt.") from error


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A table, or some of its columns. Raises StoreError if it is damaged."""
    with stored(path) as parquet:
        return parquet.read(columns, use_threads=False)


def read_texts(documents: Path, ids: Container[str]) -> dict[str, str]:
    """Id -> text of the wanted documents of a shard; texts are read only from the row groups that hold one."""
    found: dict[str, str] = {}
    with stored(documents) as parquet:
        for index in range(parquet.num_row_groups):
            column = parquet.read_row_group(index, ["id"], use_threads=False)["id"].to_pylist()
            rows = [row for row, document in enumerate(column) if document in ids]
            if rows:
                texts = parquet.read_row_group(index, ["text"], use_threads=False)["text"].take(rows).to_pylist()
                found.update(zip((column[row] for row in rows), texts, strict=True))
    return found
