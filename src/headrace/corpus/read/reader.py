"""The one door to all formats."""

from collections.abc import Iterator

from headrace.corpus.config import SourceConfig
from headrace.corpus.read.html import read_page
from headrace.corpus.read.json_lines import read_json_lines
from headrace.corpus.read.parquet import read_parquet
from headrace.corpus.read.plain_text import read_plain_text
from headrace.corpus.read.records import Record
from headrace.corpus.read.streams import open_blocks, read_range, split_lines
from headrace.corpus.read.units import Part


def read_part(source: SourceConfig, part: Part) -> Iterator[Record]:
    """The records of a part, in order. Raises InputError if its file is damaged as a whole."""
    file, kind = part.file, part.kind
    match kind.format:
        case "parquet":
            return read_parquet(file, range(part.start, part.end), text_column=source.text)
        case "html":
            return iter([read_page(open_blocks(file, kind.compression))])
        case "text":
            return read_plain_text(open_blocks(file, kind.compression), document_start=source.document_start)
        case "jsonl":
            is_range = kind.compression == "none"
            blocks = (
                read_range(file.path, start=part.start, end=part.end)
                if is_range
                else open_blocks(file, kind.compression)
            )
            return read_json_lines(split_lines(blocks, part.start), text_field=source.text)
