"""Files as blocks of decompressed bytes, and blocks as lines. A stream that ends early is an error, never an end."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from headrace.corpus.discover import Compression, RawFile
from headrace.corpus.read.records import BOM, RECORD_LIMIT_BYTES
from headrace.errors import InputError

BLOCK_BYTES = 1 << 20
ZSTD_INPUT_BYTES = 2048
"""A zstd block can blow 4 bytes up to 128 KiB, so this much input makes at most 64 MiB of output at once."""
ZSTD_WINDOW_BYTES = 1 << 27
"""Window that `zstd --long` writes by default; a larger one is memory that the file's writer decides about."""

REMEDY = "Nothing of this source was published. Fetch or make the file again, or leave it out of the source's `path`."


def open_blocks(file: RawFile, compression: Compression) -> Iterator[bytes]:
    """The decompressed bytes of a file. Raises InputError if the file is cut short or its checksums do not hold."""
    try:
        match compression:
            case "none":
                yield from read_range(file.path)
            case "gzip":
                yield from _gzip_blocks(file.path)
            case "zstd":
                yield from _zstd_blocks(file.path)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise InputError(f"{file.name}: not a whole {compression} file ({error}). {REMEDY}") from error
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error}). {REMEDY}") from error


def read_range(path: Path, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes [start, end) of a file as it lies on the disk."""
    with path.open("rb") as stream:
        stream.seek(start)
        left = end - start if end is not None else None
        while block := stream.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left)):
            yield block
            left = None if left is None else left - len(block)


def has_zstd_checksum(path: Path) -> bool:
    """Whether the first frame ends with a checksum, without which a flipped bit may go unnoticed."""
    with path.open("rb") as stream:
        try:
            return bool(zstandard.get_frame_parameters(stream.read(18)).has_checksum)
        except zstandard.ZstdError:
            return False


def _gzip_blocks(path: Path) -> Iterator[bytes]:
    if path.stat().st_size == 0:
        raise EOFError("the file is empty")
    with gzip.open(path, "rb") as stream:  # members in a row are one stream; each has its CRC checked
        while block := stream.read(BLOCK_BYTES):
            yield block


def _zstd_blocks(path: Path) -> Iterator[bytes]:
    """Frame by frame: `ZstdDecompressor.stream_reader` takes the end of the file for the end of a frame."""
    context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    frame = context.decompressobj()
    in_frame, num_frames = False, 0
    with path.open("rb") as stream:
        while data := stream.read(ZSTD_INPUT_BYTES):
            while data:
                if block := frame.decompress(data):
                    yield block
                data = frame.unused_data if frame.eof else b""
                in_frame = not frame.eof
                if frame.eof:
                    num_frames += 1
                    frame = context.decompressobj()
    if in_frame or num_frames == 0:
        raise EOFError("it ends in the middle of a frame" if in_frame else "the file is empty")


def read_whole(blocks: Iterator[bytes]) -> tuple[bytes, int]:
    """The bytes of a stream and their number; above the limit only the first of the bytes, but still their number."""
    kept: list[bytes] = []
    size_bytes = 0
    for block in blocks:
        if size_bytes <= RECORD_LIMIT_BYTES:
            kept.append(block)
        size_bytes += len(block)
    return b"".join(kept), size_bytes


@dataclass(slots=True)
class Line:
    """One line without its newline; `data` is cut off where `size_bytes` is above the limit."""

    offset: int
    size_bytes: int
    data: bytes

    @property
    def is_too_large(self) -> bool:
        return self.size_bytes > RECORD_LIMIT_BYTES


def split_lines(blocks: Iterator[bytes], start: int = 0) -> Iterator[Line]:
    """The lines of a stream that begins at byte `start`; a byte order mark at byte 0 is left out.

    Of a line above the limit only the beginning is kept in memory.
    """
    offset, size, parts, kept = start, 0, list[bytes](), 0
    for block in blocks:
        pieces = block.split(b"\n")
        for piece in pieces[:-1]:
            data = b"".join((*parts, piece)) if parts else piece
            yield _line(offset, data, size_bytes=size + len(piece))
            offset += size + len(piece) + 1
            size, kept = 0, 0
            parts.clear()
        rest = pieces[-1]
        size += len(rest)
        if rest and kept <= RECORD_LIMIT_BYTES:
            parts.append(rest)
            kept += len(rest)
    if size:
        yield _line(offset, b"".join(parts), size_bytes=size)


def _line(offset: int, data: bytes, *, size_bytes: int) -> Line:
    if offset == 0 and data.startswith(BOM):
        return Line(len(BOM), size_bytes - len(BOM), data[len(BOM) :])
    return Line(offset, size_bytes, data)
