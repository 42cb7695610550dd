"""Units of work: pieces of input of a few tens of MB, the same for any number of workers.

What a unit holds depends on the files alone, so a unit that was finished before a kill is one that is wanted after.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import DELIMITED, FileKind, kind_of
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.boundaries import Boundary, boundary_of
from headrace.corpus.read.csv_rows import delimiter_of, first_row
from headrace.corpus.read.feeder import Feeding, feed_file
from headrace.corpus.read.part import Part
from headrace.corpus.read.streams import REMEDY, open_blocks, read_range, reported
from headrace.corpus.read.zstd_frames import Frame, list_frames
from headrace.errors import InputError

RANGE_BYTES = 32_000_000
BATCH_BYTES = 16_000_000
BATCH_PARTS = 256
COMPRESSED_FACTOR = 4
"""Text makes about this many bytes of a compressed one; it only balances batches."""
ENTERED_BYTES = 8_000_000
"""Above this size a file of many zstd frames is entered at several of them."""
LONGEST_FRAME_BYTES = 128_000_000
"""Text of a frame that a worker can be asked to read through; a file with a longer one is read from its beginning."""
WHOLE_BYTES = 24_000_000
"""A compressed file up to this size is one part: on many files, many workers are quicker than one feeder."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Parts that one worker reads in one go."""

    index: int
    source: str
    parts: tuple[Part, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes as they are stored."""
        return sum(part.size_bytes for part in self.parts)

    def release(self) -> None:
        """Deletes what was spilled for this unit. Called when it is finished, by whoever waits for it."""
        for part in self.parts:
            if part.spill is not None:
                part.spill.unlink(missing_ok=True)

    def __str__(self) -> str:
        first, more = self.parts[0], len(self.parts) - 1
        return f"source {self.source}, unit {self.index} ({first.file.name}{f' and {more} more' if more else ''})"


def plan_units(source: SourceConfig, files: Sequence[RawFile]) -> list[Unit]:
    """Cuts and batches `files`, in order; a compressed file that cannot be entered in the middle stays whole.

    Raises InputError if a Parquet file has no readable footer.
    """
    return list(_units(source, files, None))


def feed_units(
    source: SourceConfig, files: Sequence[RawFile], *, spill: Path, is_done: Callable[[int], bool]
) -> Iterator[Unit]:
    """The units of `files` one by one, those of large single-stream files while they are decompressed.

    Pieces of such files are written into the folder `spill`, which holds nothing else, before their unit is given out;
    `Unit.release` deletes them. So at most as many lie there as units are out: ask for one when there is work for one.
    A unit that `is_done` (by its index) leaves no piece. Index and contents of a unit are the same on each call.
    """
    spill.mkdir(parents=True, exist_ok=True)
    for left_over in spill.iterdir():
        left_over.unlink()
    return _units(source, files, _Feed(spill, is_done))


@dataclass(frozen=True, slots=True)
class _Feed:
    spill: Path
    is_done: Callable[[int], bool]


def _units(source: SourceConfig, files: Sequence[RawFile], feed: _Feed | None) -> Iterator[Unit]:
    index = 0
    for is_fed, group in groupby(files, lambda file: feed is not None and _must_be_fed(source, file)):
        if is_fed:
            assert feed is not None, "nothing is fed without a folder"
            for file in group:
                for part in _fed_parts(source, file, feed, first=index):
                    yield Unit(index, source.name, (part,))
                    index += 1
            continue
        for batch in _batches(part for file in group for part in _parts_of(source, file)):
            yield Unit(index, source.name, tuple(batch))
            index += 1


def _fed_parts(source: SourceConfig, file: RawFile, feed: _Feed, *, first: int) -> Iterator[Part]:
    """The pieces of a file whose first is unit `first`."""
    kind = kind_of(source, file)
    boundary = boundary_of(source, kind.format)
    assert boundary is not None, "only what can be cut is fed"
    feeding = Feeding(feed.spill, f"unit-{first:05d}", RANGE_BYTES, _head(source, file, kind))
    return feed_file(file, kind, boundary, feeding=feeding, skip=lambda number: feed.is_done(first + number))


def _parts_of(source: SourceConfig, file: RawFile) -> Iterator[Part]:
    kind, size_bytes = kind_of(source, file), file.size_bytes
    boundary = boundary_of(source, kind.format)
    if kind.format == "parquet":
        yield from _row_group_parts(file, kind)
    elif kind.compression == "none" and boundary is not None and size_bytes > RANGE_BYTES:
        head = _head(source, file, kind)
        for start, end in pairwise([0, *_cuts(file, boundary, size_bytes), size_bytes]):
            yield Part(file, kind, start, end, end - start, head=head if start else b"")
    elif frames := _entries(file, kind):
        yield from _frame_parts(file, kind, frames)
    else:
        yield Part(file, kind, 0, size_bytes if kind.compression == "none" else None, size_bytes)


def _must_be_fed(source: SourceConfig, file: RawFile) -> bool:
    kind = kind_of(source, file)
    is_large = kind.compression != "none" and file.size_bytes > WHOLE_BYTES
    return is_large and boundary_of(source, kind.format) is not None and not _entries(file, kind)


def _head(source: SourceConfig, file: RawFile, kind: FileKind) -> bytes:
    """What the file begins with that every part of it needs: the names of the columns."""
    if kind.format not in DELIMITED:
        return b""
    return first_row(open_blocks(file, kind.compression), delimiter_of(source, kind.format))


def _cuts(file: RawFile, boundary: Boundary, size_bytes: int) -> Iterator[int]:
    cut = 0
    while cut + RANGE_BYTES < size_bytes:
        position = cut + RANGE_BYTES - 1 if boundary.is_anywhere else cut
        blocks = read_range(file, start=position)
        start = boundary.next_start(blocks, position, at_least=cut + RANGE_BYTES)
        if start is None or start >= size_bytes:
            return
        yield start
        cut = start


def _entries(file: RawFile, kind: FileKind) -> list[Frame]:
    """The frames that a file can be entered at; none if it is read from its beginning."""
    if kind.compression != "zstd" or kind.format != "jsonl" or file.size_bytes <= ENTERED_BYTES:
        return []
    with reported(file, "zstd"), file.open() as stream:
        return list_frames(stream, longest=LONGEST_FRAME_BYTES) or []


def _frame_parts(file: RawFile, kind: FileKind, frames: list[Frame]) -> Iterator[Part]:
    """Frames in a row, about a range of text together. A line across frames belongs to the part that it begins in."""
    begin = 0
    for index, frame in enumerate(frames):
        start, end = frames[begin], frame.text_start + frame.text_bytes
        is_last = index == len(frames) - 1
        if is_last or end - start.text_start >= RANGE_BYTES:
            stored_end = file.size_bytes if is_last else frames[index + 1].start
            yield Part(file, kind, start.text_start, end, stored_end - start.start, entry=start.start)
            begin = index + 1


def _row_group_parts(file: RawFile, kind: FileKind) -> Iterator[Part]:
    try:
        with file.open() as stream, pq.ParquetFile(stream) as parquet:
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
