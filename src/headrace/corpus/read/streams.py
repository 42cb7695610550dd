"""Files as blocks of decompressed bytes. A stream that ends early is an error, never an end.

Every block is a few MB at most whatever the file claims, so a compression bomb costs time and no memory.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

from headrace.corpus.discover import Compression
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.records import RECORD_LIMIT_BYTES
from headrace.corpus.read.zstd_frames import read_pieces
from headrace.errors import InputError

BLOCK_BYTES = 1 << 20
ZSTD_WINDOW_BYTES = 1 << 27
"""Window that `zstd --long` writes by default; a larger one is memory that the file's writer decides about."""
XZ_MEMORY_BYTES = 1 << 27
"""`xz -9` needs half of it."""

REMEDY = "Nothing of this source was published. Fetch or make the file again, or leave it out of the source's `path`."

Decompressor = bz2.BZ2Decompressor | lzma.LZMADecompressor


def open_blocks(file: RawFile, compression: Compression, *, entry: int = 0) -> Iterator[bytes]:
    """The decompressed bytes of a file, from the frame that begins at byte `entry` of what is stored.

    Raises InputError if the file is cut short or its checksums do not hold.
    """
    with reported(file, compression), file.open(entry) as stream:
        yield from decompressed(stream, compression)


def decompressed(stream: BinaryIO, compression: Compression) -> Iterator[bytes]:
    """The decompressed bytes of a stream. Raises what the decompressor raises, which `reported` names."""
    match compression:
        case "none":
            yield from _plain_blocks(stream)
        case "gzip":
            yield from _gzip_blocks(stream)
        case "zstd":
            yield from _zstd_blocks(stream)
        case "bzip2":
            yield from _stream_blocks(stream, bz2.BZ2Decompressor, padding=b"")
        case "xz":
            yield from _stream_blocks(stream, _new_xz, padding=b"\0")


def read_range(file: RawFile, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes [start, end) of a file as it is stored. Raises InputError if it is shorter than `end`."""
    with reported(file, "none"), file.open(start) as stream:
        left = end - start if end is not None else None
        while left != 0 and (block := stream.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))):
            yield block
            left = None if left is None else left - len(block)
        if left:
            raise EOFError(f"it ends {left:,} bytes before where it ended a moment ago")


@contextmanager
def reported(file: RawFile, compression: Compression) -> Iterator[None]:
    """Names the file in what goes wrong with it."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zstandard.ZstdError) as error:
        raise InputError(f"{file.name}: not a whole {compression} file ({error}). {REMEDY}") from error
    except OSError as error:
        fault = f"not a whole {compression} file" if compression == "bzip2" else "cannot be read"
        raise InputError(f"{file.name}: {fault} ({error}). {REMEDY}") from error


def has_zstd_checksum(file: RawFile | Path) -> bool:
    """Whether the first frame ends with a checksum, without which a flipped bit may go unnoticed."""
    with file.open("rb") if isinstance(file, Path) else file.open() as stream:
        try:
            return bool(zstandard.get_frame_parameters(stream.read(18)).has_checksum)
        except zstandard.ZstdError:
            return False


def _plain_blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _gzip_blocks(stream: BinaryIO) -> Iterator[bytes]:
    if not stream.read(1):
        raise EOFError("the file is empty")
    stream.seek(-1, 1)
    with gzip.GzipFile(fileobj=stream, mode="rb") as members:  # in a row they are one stream; each has its CRC checked
        while block := members.read(BLOCK_BYTES):
            yield block


def _zstd_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Frame by frame: `ZstdDecompressor.stream_reader` takes the end of the file for the end of a frame."""
    context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    frame, num_frames = context.decompressobj(), 0
    for piece, is_end in read_pieces(stream):
        if block := frame.decompress(piece):
            yield block
        if is_end:
            if not frame.eof:
                raise EOFError("a frame is longer than it says")
            num_frames += 1
            frame = context.decompressobj()
    if num_frames == 0:
        raise EOFError("the file is empty")


def _new_xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


def _stream_blocks(stream: BinaryIO, new: Callable[[], Decompressor], *, padding: bytes) -> Iterator[bytes]:
    """Streams in a row. Python's own file objects take rubbish after a stream for the end, and so lose what follows."""
    decompressor, data, is_inside = new(), b"", True
    while True:
        if not data and (decompressor.needs_input or not is_inside) and not (data := stream.read(BLOCK_BYTES)):
            break
        if not is_inside:
            if not (data := data.lstrip(padding) if padding else data):
                continue
            decompressor, is_inside = new(), True
        if block := decompressor.decompress(data, BLOCK_BYTES):
            yield block
        data = b""
        if decompressor.eof:
            data, is_inside = decompressor.unused_data, False
    if is_inside:
        raise EOFError("it ends in the middle of a stream")


def read_whole(blocks: Iterator[bytes], limit: int = RECORD_LIMIT_BYTES) -> tuple[bytes, int]:
    """The bytes of a stream and their number; above the limit only the first of the bytes, but still their number."""
    kept: list[bytes] = []
    size_bytes = 0
    for block in blocks:
        if size_bytes <= limit:
            kept.append(block)
        size_bytes += len(block)
    return b"".join(kept), size_bytes
