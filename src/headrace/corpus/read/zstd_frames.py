"""Where the frames and blocks of a zstd file lie, without decompressing it.

Each block says its size in three bytes and holds at most 128 KiB of text. So a decompressor can be given a few blocks
at a time, which bounds its output, and a file of many frames can be entered at any of them.

Source: RFC 8878, sections 3.1.1 (frames and blocks) and 3.1.2 (skippable frames).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = range(0x184D2A50, 0x184D2A60)
HEADER_BYTES = 18
"""The longest header of a frame."""
BLOCKS_PER_PIECE = 8
"""Of 128 KiB each: a piece is at most 1 MiB of text, which fits the cache."""
RLE = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a file."""

    start: int
    """First byte in the file."""
    text_start: int
    """First byte of its text in the decompressed stream."""
    text_bytes: int


def read_pieces(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """A few blocks at a time, and whether a frame ends with them. Raises EOFError, ZstdError."""
    while (header := _read_header(stream)) is not None:
        piece, is_last = [header], False
        checksum_bytes = _checksum_bytes(header)
        while not is_last:
            for _ in range(BLOCKS_PER_PIECE):
                block, is_last = _read_block(stream)
                piece += block
                if is_last:
                    piece.append(_exactly(stream, checksum_bytes))
                    break
            yield b"".join(piece), is_last
            piece = []


def list_frames(stream: BinaryIO, *, longest: int) -> list[Frame] | None:
    """Every frame of a file; None if one does not say how long its text is, or it is longer than `longest`.

    Raises EOFError, ZstdError.
    """
    frames: list[Frame] = []
    text_start = 0
    while (header := _read_header(stream)) is not None:
        text_bytes = zstandard.frame_content_size(header)
        if not 0 <= text_bytes <= longest:
            return None
        frames.append(Frame(stream.tell() - len(header), text_start, text_bytes))
        text_start += text_bytes
        is_last = False
        while not is_last:
            size, is_last = _block_size(_exactly(stream, 3))
            stream.seek(size, 1)
        stream.seek(_checksum_bytes(header), 1)
    return frames


def _read_header(stream: BinaryIO) -> bytes | None:
    """The header of the next frame that holds text; None at the end of the file."""
    while magic := stream.read(4):
        if int.from_bytes(magic, "little") in SKIPPABLE:
            _skip(stream, int.from_bytes(_exactly(stream, 4), "little"))
            continue
        if magic != MAGIC:
            raise zstandard.ZstdError("no frame begins where one should" if len(magic) == 4 else "rubbish at the end")
        head = magic + stream.read(HEADER_BYTES - len(magic))
        size = _header_size(head)
        if size > len(head):
            raise EOFError("it ends in the middle of a frame")
        stream.seek(size - len(head), 1)
        return head[:size]
    return None


def _header_size(head: bytes) -> int:
    try:
        return int(zstandard.frame_header_size(head))
    except zstandard.ZstdError as error:
        if len(head) < HEADER_BYTES:
            raise EOFError("it ends in the middle of a frame") from error
        raise


def _checksum_bytes(header: bytes) -> int:
    return 4 if header[4] & 0b100 else 0


def _read_block(stream: BinaryIO) -> tuple[list[bytes], bool]:
    head = _exactly(stream, 3)
    size, is_last = _block_size(head)
    return [head, _exactly(stream, size)], is_last


def _block_size(head: bytes) -> tuple[int, bool]:
    """Bytes of a block as they lie in the file, and whether it is the last of its frame."""
    number = int.from_bytes(head, "little")
    return (1 if (number >> 1) & 3 == RLE else number >> 3), bool(number & 1)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("it ends in the middle of a frame")
    return data


def _skip(stream: BinaryIO, size: int) -> None:
    if size:
        stream.seek(size - 1, 1)
        _exactly(stream, 1)
