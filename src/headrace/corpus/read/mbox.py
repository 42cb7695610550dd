"""Mailboxes in the mbox format: messages one after the other, each below a line that begins with "From "."""

import re
from collections.abc import Iterator

from headrace.corpus.read.lines import split_lines
from headrace.corpus.read.mail import read_message
from headrace.corpus.read.records import EXCERPT_BYTES, RECORD_LIMIT_BYTES, Record, damaged

ENVELOPE = b"From "
QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


def is_envelope(before: bytes, line: bytes) -> bool:
    """Whether a message begins with this line: after a blank line, since a writer may forget to quote a "From "."""
    return line.startswith(ENVELOPE) and not before.rstrip(b"\r")


def read_mailbox(blocks: Iterator[bytes], start: int) -> Iterator[Record]:
    """The messages of a mailbox, or of a part of it that begins at a message."""
    message, before = bytearray(), b""  # one buffer: a list of many short lines would take 20 times the memory
    offset, size_bytes = start, 0
    for line in split_lines(blocks, start):
        if size_bytes and is_envelope(before, line.data):
            yield _read(message, offset=offset, size_bytes=size_bytes)
            message, size_bytes = bytearray(), 0
        if not size_bytes:
            offset = line.offset
        if size_bytes <= RECORD_LIMIT_BYTES:
            message += line.data
            message += b"\n"
        size_bytes += line.size_bytes + 1
        before = line.data
    if size_bytes:
        yield _read(message, offset=offset, size_bytes=size_bytes)


def _read(message: bytearray, *, offset: int, size_bytes: int) -> Record:
    if size_bytes > RECORD_LIMIT_BYTES:
        return damaged(offset, size_bytes, reason="record_too_large", data=bytes(message[:EXCERPT_BYTES]))
    return read_message(QUOTED.sub(rb"\1", message), offset=offset, size_bytes=size_bytes)
