"""Blocks of bytes as lines, many at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

from headrace.corpus.read.records import BOM, RECORD_LIMIT_BYTES


@dataclass(slots=True)
class Line:
    """One line without its newline; `data` is cut off where `size_bytes` is above the limit."""

    offset: int
    size_bytes: int
    data: bytes

    @property
    def is_too_large(self) -> bool:
        return self.size_bytes > RECORD_LIMIT_BYTES


@dataclass(slots=True)
class Lines:
    """Lines that follow one another, without their newlines, none above the limit; `offset` is where the first is."""

    offset: int
    data: list[bytes]


def split_blocks(blocks: Iterator[bytes], start: int = 0) -> Iterator[Lines | Line]:
    """The lines of a stream that begins at byte `start`, a block's worth at a time; one above the limit comes alone.

    A byte order mark at byte 0 is left out. Of a line above the limit only the beginning is kept in memory.
    """
    offset, size, parts, kept = start, 0, list[bytes](), 0
    for block in blocks:
        pieces = block.split(b"\n")
        rest = pieces.pop()
        if pieces:
            size += len(pieces[0])
            pieces[0] = b"".join((*parts, pieces[0])) if parts else pieces[0]
            ended_at = offset + size + 1
            if size > RECORD_LIMIT_BYTES:
                yield _line(offset, pieces.pop(0), size_bytes=size)
                offset = ended_at
            if pieces:
                yield _lines(offset, pieces)
                offset += sum(map(len, pieces)) + len(pieces)
            size, kept = 0, 0
            parts.clear()
        size += len(rest)
        if rest and kept <= RECORD_LIMIT_BYTES:
            parts.append(rest)
            kept += len(rest)
    if size > RECORD_LIMIT_BYTES:
        yield _line(offset, b"".join(parts), size_bytes=size)
    elif size:
        yield _lines(offset, [b"".join(parts)])


def split_lines(blocks: Iterator[bytes], start: int = 0) -> Iterator[Line]:
    """The same lines one by one."""
    for found in split_blocks(blocks, start):
        if isinstance(found, Line):
            yield found
            continue
        offset = found.offset
        for data in found.data:
            yield Line(offset, len(data), data)
            offset += len(data) + 1


def _line(offset: int, data: bytes, *, size_bytes: int) -> Line:
    if offset == 0 and data.startswith(BOM):
        return Line(len(BOM), size_bytes - len(BOM), data[len(BOM) :])
    return Line(offset, size_bytes, data)


def _lines(offset: int, data: list[bytes]) -> Lines:
    if offset == 0 and data[0].startswith(BOM):
        return Lines(len(BOM), [data[0][len(BOM) :], *data[1:]])
    return Lines(offset, data)
