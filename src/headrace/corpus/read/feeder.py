"""Large files that must be decompressed from their beginning (gzip, bzip2, xz, zstd in one frame), cut into pieces.

The feeder decompresses once and writes pieces that end where a record does; many workers read those. It is as fast as
the decompressor: about 300 MB of text a second for gzip, 1,300 for zstd, 100 for xz, 40 for bzip2.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from headrace.corpus.discover import FileKind
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.boundaries import Boundary
from headrace.corpus.read.part import Part
from headrace.corpus.read.streams import decompressed, reported


@dataclass(frozen=True, slots=True)
class Feeding:
    """How a file is fed."""

    folder: Path
    name: str
    """What the names of the pieces begin with."""
    range_bytes: int
    """A piece ends with the first record that ends at or after so many bytes."""
    head: bytes
    """What later parts need of the file's beginning."""


def feed_file(
    file: RawFile, kind: FileKind, boundary: Boundary, *, feeding: Feeding, skip: Callable[[int], bool]
) -> Iterator[Part]:
    """The pieces of a file, each in a file of its own by the time it is given out.

    The file of piece n is deleted at once if `skip(n)`. Raises InputError if the file is damaged.
    """
    with reported(file, kind.compression), file.open() as stream:
        blocks = decompressed(stream, kind.compression)
        start, stored, carry, number = 0, 0, b"", 0
        while carry or number == 0:
            path = feeding.folder / f"{feeding.name}-{number:05d}"
            with path.open("w+b") as piece:
                size_bytes, carry = _fill(
                    piece, carry, blocks, start=start, boundary=boundary, range_bytes=feeding.range_bytes
                )
            if skip(number):
                path.unlink()
            read = stream.tell()
            head_of_later = feeding.head if start else b""
            yield Part(file, kind, start, start + size_bytes, read - stored, head=head_of_later, spill=path)
            start, stored, number = start + size_bytes, read, number + 1


def _fill(
    piece: BinaryIO, carry: bytes, blocks: Iterator[bytes], *, start: int, boundary: Boundary, range_bytes: int
) -> tuple[int, bytes]:
    """Writes a piece that begins with `carry`; returns its size and the first bytes of the next, none at the end."""
    position = start
    ahead = _recorded(chain([carry], blocks), piece)
    if boundary.is_anywhere:
        while piece.tell() <= range_bytes and next(ahead, None) is not None:
            pass
        if piece.tell() <= range_bytes:
            return piece.tell(), b""
        position += range_bytes - 1
        piece.seek(range_bytes - 1)
        ahead = chain([piece.read()], ahead)
    cut = boundary.next_start(ahead, position, at_least=start + range_bytes)
    if cut is None:
        return piece.tell(), b""
    piece.seek(cut - start)
    rest = piece.read()
    piece.truncate(cut - start)
    return cut - start, rest


def _recorded(blocks: Iterator[bytes], piece: BinaryIO) -> Iterator[bytes]:
    """The blocks, each written before it is looked at: a record may be larger than memory."""
    for block in blocks:
        piece.write(block)
        yield block
