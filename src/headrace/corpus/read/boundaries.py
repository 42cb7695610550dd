"""Where a record begins, in the middle of a file: what large files are cut by.

In JSON lines, text, mbox and MediaWiki a record's first line is known when it is seen, so a search may begin anywhere.
In CSV (a quoted field may hold newlines) and WARC (a body may hold anything) it is known only from the record before,
so a search begins at a record.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from headrace.corpus.config import Format, SourceConfig
from headrace.corpus.read.csv_rows import delimiter_of, row_starts
from headrace.corpus.read.lines import split_lines
from headrace.corpus.read.mbox import is_envelope
from headrace.corpus.read.mediawiki import is_page_start
from headrace.corpus.read.warc import record_starts

IsFirstLine = Callable[[bytes, bytes], bool]
"""(the line before, the line) -> whether a record begins with the line."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """How records of one format are told apart."""

    is_first_line: IsFirstLine | None = None
    starts: Callable[[Iterator[bytes], int], Iterator[int]] | None = None
    """Offsets of all records in a stream that begins at a record, at the given offset."""

    @property
    def is_anywhere(self) -> bool:
        """Whether a search may begin in the middle of a record."""
        return self.is_first_line is not None

    def next_start(self, blocks: Iterator[bytes], position: int, *, at_least: int) -> int | None:
        """The first record start at or after `at_least` in a stream whose first byte is at `position`."""
        if self.is_first_line is not None:
            starts = _first_lines(blocks, position, self.is_first_line)
        else:
            assert self.starts is not None, "a boundary is found one way or the other"
            starts = self.starts(blocks, position)
        return next((start for start in starts if start >= at_least), None)


def boundary_of(source: SourceConfig, format_: Format) -> Boundary | None:
    """How files of a format are cut; None for those that are not."""
    match format_:
        case "jsonl":
            return Boundary(is_first_line=lambda before, line: True)
        case "text" if source.document_start is not None:
            matches = re.compile(source.document_start).match
            return Boundary(is_first_line=lambda before, line: matches(line.decode("utf-8", "replace")) is not None)
        case "mbox":
            return Boundary(is_first_line=is_envelope)
        case "mediawiki":
            return Boundary(is_first_line=lambda before, line: is_page_start(line))
        case "csv" | "tsv":
            delimiter = delimiter_of(source, format_)
            return Boundary(starts=lambda blocks, start: row_starts(blocks, start, delimiter))
        case "warc":
            return Boundary(starts=record_starts)
        case _:
            return None


def _first_lines(blocks: Iterable[bytes], position: int, is_first: IsFirstLine) -> Iterator[int]:
    """The first line is taken for the rest of one, so no record is found before the second."""
    before: bytes | None = None
    for line in split_lines(iter(blocks), position):
        if before is not None and is_first(before, line.data):
            yield line.offset
        before = line.data if before is not None else b"(the rest of a line)"
