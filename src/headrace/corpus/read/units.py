"""Units of work: pieces of input of a few tens of MB, the same for any number of workers.

What a unit holds depends on the files alone, so a unit that was finished before a kill is one that is wanted after.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import FileKind, RawFile, kind_of
from headrace.corpus.read.streams import REMEDY
from headrace.errors import InputError

RANGE_BYTES = 32_000_000
BATCH_BYTES = 16_000_000
BATCH_PARTS = 256
COMPRESSED_FACTOR = 4
"""Text makes about this many bytes of a compressed one; it only balances batches."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or the part of it from `start` to before `end`: bytes in JSON lines, row groups in Parquet."""

    file: RawFile
    kind: FileKind
    start: int
    end: int
    size_bytes: int
    """Bytes on the disk."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Parts that one worker reads in one go."""

    index: int
    source: str
    parts: tuple[Part, ...]

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)

    def __str__(self) -> str:
        first, more = self.parts[0], len(self.parts) - 1
        return f"source {self.source}, unit {self.index} ({first.file.name}{f' and {more} more' if more else ''})"


def plan_units(source: SourceConfig, files: Sequence[RawFile]) -> list[Unit]:
    """Cuts and batches `files`, in order. Raises InputError if a Parquet file has no readable footer."""
    parts = (part for file in files for part in _parts_of(file, kind_of(source, file)))
    return [Unit(index, source.name, tuple(batch)) for index, batch in enumerate(_batches(parts))]


def _parts_of(file: RawFile, kind: FileKind) -> Iterator[Part]:
    size_bytes = file.path.stat().st_size
    if kind.format == "parquet":
        yield from _row_group_parts(file, kind)
    elif kind.format == "jsonl" and kind.compression == "none" and size_bytes > RANGE_BYTES:
        cuts = [0, *_line_starts(file.path, range(RANGE_BYTES, size_bytes, RANGE_BYTES)), size_bytes]
        yield from (Part(file, kind, a, b, b - a) for a, b in pairwise(cuts) if a < b)
    else:
        yield Part(file, kind, 0, size_bytes, size_bytes)


def _line_starts(path: Path, marks: Iterable[int]) -> Iterator[int]:
    """The first line start at or after each mark, each once however long the line."""
    with path.open("rb") as stream:
        for mark in marks:
            if mark <= stream.tell():
                continue
            stream.seek(mark - 1)
            while (line := stream.readline(RANGE_BYTES)) and not line.endswith(b"\n"):
                pass
            yield stream.tell()


def _row_group_parts(file: RawFile, kind: FileKind) -> Iterator[Part]:
    try:
        with pq.ParquetFile(file.path) as parquet:
            footer = parquet.metadata
            sizes = [footer.row_group(index).total_byte_size for index in range(footer.num_row_groups)]
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.name}: not a whole Parquet file ({error}). {REMEDY}") from error
    if not sizes:
        yield Part(file, kind, 0, 0, 0)
    start = 0
    for index in range(len(sizes)):
        is_last = index == len(sizes) - 1
        if is_last or sum(sizes[start : index + 2]) > RANGE_BYTES:
            yield Part(file, kind, start, index + 1, sum(sizes[start : index + 1]))
            start = index + 1


def _batches(parts: Iterable[Part]) -> Iterator[list[Part]]:
    batch: list[Part] = []
    batch_bytes = 0
    for part in parts:
        weight = part.size_bytes * (1 if part.kind.compression == "none" else COMPRESSED_FACTOR)
        if batch and (batch_bytes + weight > BATCH_BYTES or len(batch) == BATCH_PARTS):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(part)
        batch_bytes += weight
    if batch:
        yield batch
