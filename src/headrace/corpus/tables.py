"""Parquet as this floor writes and reads it: zstd, a checksum on every page, checked on reading."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.columns import OPTIONAL, Columns, Kind
from headrace.errors import StoreError

Row = dict[str, Any]

ROW_GROUP_BYTES = 8_000_000
ROW_GROUP_ROWS = 100_000

LEVEL = 1
"""Of zstd. Level 3 takes 1.4 to 1.8 times as long and saves 11 to 13 % of the bytes; level -1 saves 10 % of the time
and takes 30 % more. With one level for all, a shard that stays whole is published as it was measured."""

REPEATING = ("source", "file", "language", "metadata", "split", "reason")
"""Columns worth a dictionary: looking for one in texts, ids and numbers costs as much as compressing them."""

ARROW_TYPES: dict[Kind, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "strings": pa.list_(pa.string()),
}


def arrow_schema(columns: Columns) -> pa.Schema:
    """The schema of a table; only what need not be measured can be null."""
    fields = [pa.field(name, ARROW_TYPES[kind], nullable=name in OPTIONAL) for name, kind in columns.items()]
    return pa.schema(fields)


def table_of(columns: Mapping[str, pa.Array], schema: Columns) -> pa.Table:
    """The columns that a table wants, of those there are; missing ones must be optional, and are null."""
    num_rows = len(next(iter(columns.values())))
    arrays = [columns.get(name) for name in schema]
    return pa.Table.from_arrays(
        [
            pa.nulls(num_rows, field.type) if array is None else array
            for array, field in zip(arrays, arrow_schema(schema), strict=True)
        ],
        schema=arrow_schema(schema),
    )


def open_writer(path: Path, columns: Columns) -> pq.ParquetWriter:
    """A writer whose bytes depend on the rows and on where the row groups are cut, on nothing else."""
    return pq.ParquetWriter(
        path,
        arrow_schema(columns),
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=[name for name in columns if name in REPEATING],
        write_statistics=[name for name in columns if name != "text"],
        write_page_checksum=True,
    )


class TableWriter:
    """Writes tables, gathered to row groups of a good size whatever size they come in."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._writer = open_writer(path, columns)
        self._tables: list[pa.Table] = []
        self._num_bytes = self._num_rows = 0

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, table: pa.Table) -> None:
        """Adds a table's rows."""
        self._tables.append(table)
        self._num_bytes += table.nbytes
        self._num_rows += table.num_rows
        if self._num_bytes >= ROW_GROUP_BYTES or self._num_rows >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables).combine_chunks(), row_group_size=ROW_GROUP_ROWS)
        self._tables.clear()
        self._num_bytes = self._num_rows = 0


class RowWriter:
    """Writes rows a group at a time; of each row it takes the columns it knows, and wants them all."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._writer = open_writer(path, columns)
        self._schema = arrow_schema(columns)
        self._pick = itemgetter(*columns)
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, row: Row) -> None:
        """Adds a row."""
        self._rows.append(self._pick(row))
        if len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()


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


def read_texts(documents: Path, ids: Set[str]) -> dict[str, str]:
    """Id -> text of the wanted documents of a shard; texts are read only from the row groups that hold one."""
    found: dict[str, str] = {}
    with stored(documents) as parquet:
        for index in range(parquet.num_row_groups):
            if len(found) == len(ids):
                break
            column = parquet.read_row_group(index, ["id"], use_threads=False)["id"].to_pylist()
            rows = [row for row, document in enumerate(column) if document in ids]
            if rows:
                texts = parquet.read_row_group(index, ["text"], use_threads=False)["text"].take(rows).to_pylist()
                found.update(zip((column[row] for row in rows), texts, strict=True))
    return found
