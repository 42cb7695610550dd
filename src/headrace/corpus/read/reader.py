"""The one door to all formats."""

from collections.abc import Iterable, Iterator
from itertools import chain

from headrace.corpus.config import SourceConfig
from headrace.corpus.raw_file import RawFile
from headrace.corpus.read.batches import Batch, batch_records
from headrace.corpus.read.csv_rows import delimiter_of, read_rows
from headrace.corpus.read.html import page_text, read_page
from headrace.corpus.read.json_lines import batch_json_lines, read_json_lines
from headrace.corpus.read.lines import split_blocks
from headrace.corpus.read.mail import read_message
from headrace.corpus.read.man import read_manual_page
from headrace.corpus.read.mbox import read_mailbox
from headrace.corpus.read.mediawiki import read_dump
from headrace.corpus.read.parquet import batch_parquet, read_parquet
from headrace.corpus.read.part import Part
from headrace.corpus.read.plain_text import read_plain_text
from headrace.corpus.read.records import (
    RECORD_LIMIT_BYTES,
    AnyRecord,
    RawDocument,
    Record,
    SkippedRecord,
    checked_text,
    damaged,
)
from headrace.corpus.read.streams import open_blocks, read_range, read_whole
from headrace.corpus.read.warc import read_records

ARCHIVE_MAGICS = ((0, b"PK\x03\x04"), (257, b"ustar"), (0, b"7z\xbc\xaf"), (0, b"Rar!"))
PACKED_MAGICS = ((0, b"\x1f\x8b\x08"), (0, b"\x28\xb5\x2f\xfd"), (4, b"1AY&SY"), (0, b"\xfd7zXZ\x00"))


def read_part(source: SourceConfig, part: Part) -> Iterator[Record]:
    """The documents and damaged records of a part, in order. Raises InputError if its file is damaged as a whole."""
    records = (
        _read_parquet(source, part) if part.kind.format == "parquet" else _read_blocks(source, part, _blocks(part))
    )
    return (record for record in records if not isinstance(record, SkippedRecord))


def read_batches(source: SourceConfig, part: Part) -> Iterator[Batch]:
    """The same records as `read_part`, a few MB at a time, and how many held no document and why."""
    if source.markup == "none" and part.kind.format == "parquet":
        row_groups = range(part.start, part.end or 0)
        return batch_parquet(part.file, row_groups, text_column=source.text)
    if source.markup == "none" and part.kind.format == "jsonl":
        blocks, nested = _peek(_blocks(part), part.start)
        if nested is None:
            return batch_json_lines(split_blocks(blocks, part.start), text_field=source.text, within=_frame_range(part))
    if part.kind.format == "parquet":
        return batch_records(_read_parquet(source, part))
    return batch_records(_read_blocks(source, part, _blocks(part)))


def _read_parquet(source: SourceConfig, part: Part) -> Iterable[AnyRecord]:
    records = read_parquet(part.file, range(part.start, part.end or 0), text_column=source.text)
    return _without_markup(records) if source.markup == "html" else records


def _read_blocks(source: SourceConfig, part: Part, blocks: Iterator[bytes]) -> Iterable[AnyRecord]:
    file, format_, start = part.file, part.kind.format, part.start
    blocks, nested = _peek(blocks, start)
    if nested is not None:
        _, size_bytes = read_whole(chain([nested], blocks), limit=len(nested))
        return [damaged(0, size_bytes, reason="nested_archive", data=nested)]
    records: Iterable[AnyRecord]
    match format_:
        case "jsonl":
            lines = split_blocks(blocks, start)
            records = read_json_lines(lines, text_field=source.text, within=_frame_range(part))
        case "csv" | "tsv":
            delimiter = delimiter_of(source, format_)
            records = read_rows(blocks, start, head=part.head, delimiter=delimiter, text_column=source.text, file=file)
        case "text":
            return read_plain_text(blocks, start, document_start=source.document_start)
        case "warc":
            return read_records(blocks, start)
        case "mediawiki":
            return read_dump(blocks, start, file=file)
        case "mbox":
            return read_mailbox(blocks, start)
        case _:
            return [_read_file(format_, *read_whole(blocks))]
    return _without_markup(records) if source.markup == "html" else records


def _read_file(format_: str, data: bytes, size_bytes: int) -> AnyRecord:
    """The one document of a file."""
    if size_bytes > RECORD_LIMIT_BYTES:
        return damaged(0, size_bytes, reason="record_too_large", data=data)
    match format_:
        case "html":
            return read_page(data, offset=0, size_bytes=size_bytes)
        case "mail":
            return read_message(data, offset=0, size_bytes=size_bytes)
        case _:
            assert format_ == "man", f"a format without a reader: {format_}"
            return read_manual_page(data, size_bytes=size_bytes)


def _blocks(part: Part) -> Iterator[bytes]:
    if part.spill is not None:
        return open_blocks(RawFile(str(part.spill), part.file.name), "none")
    if part.kind.compression == "none":
        return read_range(part.file, start=part.start, end=part.end)
    return open_blocks(part.file, part.kind.compression, entry=part.entry or 0)


def _frame_range(part: Part) -> tuple[int, int] | None:
    """Of a part made of zstd frames, where lines begin that are its own; frames end anywhere in a line."""
    return None if part.entry is None or part.end is None else (part.start, part.end)


def _peek(blocks: Iterator[bytes], start: int) -> tuple[Iterator[bytes], bytes | None]:
    """The same blocks, and the first of them if a file of files, or a compressed one, begins with it."""
    first = next(blocks, b"")
    is_nested = start == 0 and any(first.startswith(magic, place) for place, magic in ARCHIVE_MAGICS + PACKED_MAGICS)
    return (blocks, first) if is_nested else (chain([first], blocks), None)


def _without_markup(records: Iterable[AnyRecord]) -> Iterator[AnyRecord]:
    """The records with the main text of the page that each document's text is."""
    for record in records:
        if not isinstance(record, RawDocument):
            yield record
            continue
        offset, size_bytes, metadata = record.offset, record.size_bytes, record.metadata
        text = page_text(record.text)
        if text is None:
            yield damaged(offset, size_bytes, reason="broken_html", data=record.text[:1000].encode())
        else:
            yield checked_text(text, offset=offset, size_bytes=size_bytes, metadata=metadata)
