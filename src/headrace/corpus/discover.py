"""Which files belong to a source, and what each of them is."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headrace.corpus.config import Format, SourceConfig
from headrace.errors import InputError, RecipeError

Compression = Literal["none", "gzip", "zstd"]

FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".md": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
}
COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file of a source."""

    path: Path
    name: str
    """Path relative to the recipe's folder, with forward slashes: what users see and what identities are made from."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """How a file is read."""

    format: Format
    compression: Compression


def find_files(source: SourceConfig, folder: Path) -> list[RawFile]:
    """The files of a source, each once, sorted by name.

    Raises InputError if a path matches nothing, RecipeError if a file's format is unknown or a setting cannot apply.
    """
    found = {path for pattern in source.path for path in _match(source, pattern, folder=folder)}
    files = sorted((RawFile(path, _display_name(path, folder)) for path in found), key=lambda file: file.name)
    for file in files:
        _check(source, file)
    return files


def kind_of(source: SourceConfig, file: RawFile) -> FileKind:
    """How `file` is read: by the source's `format`, else by suffix. Raises RecipeError if neither says."""
    kind = _kind_by_suffix(file.path.name)
    if source.format is not None:
        return FileKind(source.format, kind[1])
    if kind[0] is None:
        raise RecipeError(
            f"source {source.name}: {file.name} has no suffix of a known format ({', '.join(FORMATS)}, each also with "
            f"{' or '.join(COMPRESSIONS)}). Write `format:` for the source, or a path that leaves this file out."
        )
    return FileKind(kind[0], kind[1])


def _kind_by_suffix(name: str) -> tuple[Format | None, Compression]:
    stem, suffix = os.path.splitext(name.lower())
    compression = COMPRESSIONS.get(suffix, "none")
    inner = suffix if compression == "none" else os.path.splitext(stem)[1]
    return FORMATS.get(inner), compression


def _match(source: SourceConfig, pattern: str, *, folder: Path) -> list[Path]:
    if (folder / pattern).is_dir():
        paths: Iterator[Path] = (path for path in (folder / pattern).rglob("*") if _is_readable(source, path))
    elif (folder / pattern).is_file():  # a name may hold a character that means something in a glob
        paths = iter([folder / pattern])
    else:
        paths = (folder / name for name in glob.iglob(pattern, root_dir=folder, recursive=True))
    # resolved only lexically: a user who links folders together wants to see the names of the links
    files = [Path(os.path.abspath(path)) for path in paths if path.is_file()]
    if not files:
        raise InputError(
            f"source {source.name}: no file matches {pattern} in {folder.absolute()}. "
            "Paths are relative to the recipe's folder; `**` goes through sub-folders."
        )
    return files


def _is_readable(source: SourceConfig, path: Path) -> bool:
    known = source.format is not None or _kind_by_suffix(path.name)[0] is not None
    return known and not path.name.startswith(".")


def _check(source: SourceConfig, file: RawFile) -> None:
    kind = kind_of(source, file)
    if kind.format == "parquet" and kind.compression != "none":
        raise RecipeError(
            f"source {source.name}: {file.name} is compressed from outside. Unpack it: Parquet compresses itself."
        )
    if source.document_start is not None and kind.format != "text":
        raise RecipeError(
            f"source {source.name}: document_start is for plain text, and {file.name} is read as {kind.format}."
        )
    if "text" in source.model_fields_set and kind.format in ("text", "html"):
        raise RecipeError(
            f"source {source.name}: `text` names a field, and {file.name}, read as {kind.format}, has none."
        )


def _display_name(path: Path, folder: Path) -> str:
    name = Path(os.path.relpath(path, folder)).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")  # names may be any bytes, tables hold UTF-8
