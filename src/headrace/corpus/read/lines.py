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
    """Lines that follow one another, none above the limit; `offset` is where the first is."""

    offset: int
    block: bytes
    """With their newlines, which the last may lack; not empty."""

    @property
    def data(self) -> list[bytes]:
        """Each without its newline."""
        lines = self.block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        return lines


def split_blocks(blocks: Iterator[bytes], start: int = 0) -> Iterator[Lines | Line]:
    """The lines of a stream that begins at byte `start`, a block's worth at a time; one above the limit comes alone.

    A byte order mark at byte 0 is left out. Of a line above the limit only the beginning is kept in memory.
    """
    offset, size, parts, kept = start, 0, list[bytes](), 0
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            first = block.find(b"\n")
            size += first
            if size > RECORD_LIMIT_BYTES:
                yield _line(offset, b"".join((*parts, block[:first])), size_bytes=size)
                offset += size + 1
                whole = block[first + 1 : end]
            else:
                whole = b"".join((*parts, block[:end]))
            if whole:
                yield _lines(offset, whole)
                offset += len(whole)
            size, kept = 0, 0
            parts.clear()
        rest = block[end:]
        size += len(rest)
        if rest and kept <= RECORD_LIMIT_BYTES:
            parts.append(rest)
            kept += len(rest)
    if size > RECORD_LIMIT_BYTES:
        yield _line(offset, b"".join(parts), size_bytes=size)
    elif size:
        yield _lines(offset, b"".join(parts))


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


def _lines(offset: int, block: bytes) -> Lines:
    has_mark = offset == 0 and block.startswith(BOM)
    return Lines(len(BOM), block[len(BOM) :]) if has_mark else Lines(offset, block)
