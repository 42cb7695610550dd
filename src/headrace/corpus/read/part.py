"""What one call of a reader reads."""

from dataclasses import dataclass
from pathlib import Path

from headrace.corpus.discover import FileKind
from headrace.corpus.raw_file import RawFile


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or the part of it from `start` to before `end`: bytes of its decompressed text; row groups in Parquet."""

    file: RawFile
    kind: FileKind
    start: int
    end: int | None
    """None: to the end of a compressed file, wherever that is."""
    size_bytes: int
    """Bytes as they are stored: what of the file is done when the part is."""
    entry: int | None = None
    """Byte of the stored file where the zstd frame begins that holds `start`."""
    head: bytes = b""
    """What the file begins with that a later part needs: the names of the columns."""
    spill: Path | None = None
    """Where the part's text lies decompressed, for a file that cannot be entered in the middle."""
