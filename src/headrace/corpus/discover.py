"""Which files belong to a source, and what each of them is."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import orjson

from headrace.corpus.config import Format, SourceConfig
from headrace.corpus.raw_file import RawFile as RawFile
from headrace.corpus.raw_file import StoredObject, connect, version_of
from headrace.errors import InputError, RecipeError

Compression = Literal["none", "gzip", "zstd", "bzip2", "xz"]

FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".md": "text",
    ".markdown": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".html": "html",
    ".htm": "html",
    ".warc": "warc",
    ".eml": "mail",
    ".mbox": "mbox",
    **{f".{section}": "man" for section in range(1, 10)},
}
MANUAL_SUFFIX = re.compile(r"\.[1-9](am|const|curses|form|head|openssl|p|perl|pm|posix|ssl|tcl|tk|type|x)")
"""Sections that libraries and languages keep apart, such as `.3tcl` and `.3type`."""
RECURSIVE = re.compile(r"(?:^|(?<=/))\*\*(?:/|$)")
COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
ARCHIVES = {".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".zip", ".7z", ".rar", ".cpio", ".ar", ".deb", ".rpm"}

WITH_FIELDS = ("jsonl", "parquet", "csv", "tsv")
"""Formats whose records have named fields, one of which is the text."""
DELIMITED = ("csv", "tsv")
MAILDIR = ("cur", "new", "tmp")


@dataclass(frozen=True, slots=True)
class FileKind:
    """How a file is read."""

    format: Format
    compression: Compression


def find_files(source: SourceConfig, folder: Path) -> list[RawFile]:
    """The files of a source, each once, sorted by name.

    Raises InputError if a path matches nothing, RecipeError if a file's format is unknown or a setting cannot apply.
    """
    found = {file for pattern in source.path for file in _match(source, pattern, folder=folder)}
    files = sorted(found, key=lambda file: file.name)
    for file in files:
        _check(source, file)
    return files


def kind_of(source: SourceConfig, file: RawFile) -> FileKind:
    """How `file` is read: by the source's `format`, else by suffix. Raises RecipeError if neither says."""
    name = file.name.rpartition("/")[2]
    if archive := _archive_suffix(name):
        raise RecipeError(
            f"source {source.name}: {file.name} is an archive ({archive}), a folder in one file. Unpack it and write "
            "its folder, or a path that leaves this file out."
        )
    known, compression = _kind_by_suffix(name)
    kind = source.format or known
    if kind is None:
        raise RecipeError(
            f"source {source.name}: {file.name} has no suffix of a known format ({', '.join(FORMATS)}, each also with "
            f"{', '.join(COMPRESSIONS)}). Write `format:` for the source, or a path that leaves this file out."
        )
    return FileKind(kind, compression)


def _kind_by_suffix(name: str) -> tuple[Format | None, Compression]:
    stem, suffix = os.path.splitext(name.lower())
    compression = COMPRESSIONS.get(suffix, "none")
    inner = suffix if compression == "none" else os.path.splitext(stem)[1]
    return "man" if MANUAL_SUFFIX.fullmatch(inner) else FORMATS.get(inner), compression


def _archive_suffix(name: str) -> str | None:
    stem, suffix = os.path.splitext(name.lower())
    inner = os.path.splitext(stem)[1] if suffix in COMPRESSIONS else ""
    return next((kind for kind in (suffix, inner) if kind in ARCHIVES), None)


def _match(source: SourceConfig, pattern: str, *, folder: Path) -> list[RawFile]:
    scheme, separator, _ = pattern.partition("://")
    if separator and scheme == "file":
        pattern = unquote(urlsplit(pattern).path)
    is_remote = bool(separator) and scheme != "file"
    files = _objects(source, pattern) if is_remote else _local_files(source, pattern, folder=folder)
    if not files:
        where = "" if is_remote else f" in {folder.absolute()}"
        raise InputError(
            f"source {source.name}: no file matches {pattern}{where}. "
            "Paths are relative to the recipe's folder; `**` goes through sub-folders."
        )
    return files


def _local_files(source: SourceConfig, pattern: str, *, folder: Path) -> list[RawFile]:
    if (folder / pattern).is_dir():
        paths: Iterator[Path] = (
            path for path in (folder / pattern).rglob("*") if _is_readable(source, path.as_posix())
        )
        paths = (path for path in paths if not _is_undelivered(path))
    elif (folder / pattern).is_file():  # a name may hold a character that means something in a glob
        paths = iter([folder / pattern])
    else:
        paths = (folder / name for name in _matching(pattern, folder))
    # resolved only lexically: a user who links folders together wants to see the names of the links
    addresses = [os.path.abspath(path) for path in paths if path.is_file()]
    return [RawFile(address, _display_name(address, folder)) for address in addresses]


def _matching(pattern: str, folder: Path) -> Iterator[str]:
    """The names that a glob stands for, some perhaps twice. `**` enters linked folders, but not in a circle."""
    if not (recursive := RECURSIVE.search(pattern)):
        yield from glob.iglob(pattern, root_dir=folder)
        return
    before, after = pattern[: recursive.start()], pattern[recursive.end() :] or "*"
    for start in glob.iglob(before, root_dir=folder) if before else [""]:
        for place, folders, _ in os.walk(folder / start, followlinks=True):
            folders[:] = [name for name in folders if not name.startswith(".") and not _leads_back(Path(place, name))]
            below = Path(glob.escape(os.path.relpath(place, folder)))
            yield from _matching((below / after).as_posix(), folder)


def _leads_back(path: Path) -> bool:
    """Whether a folder is a link to one that it lies in."""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def _objects(source: SourceConfig, url: str) -> list[RawFile]:
    """What an object store has under a URL: one object, a glob, or everything below a prefix."""
    scheme, options = url.partition("://")[0], dict(source.storage)
    store = connect(scheme, options)
    try:
        store.invalidate_cache()  # a listing from an earlier run in this process may be out of date
        if store.isfile(url):
            found = {url: store.info(url)}
        elif glob.has_magic(url):
            found = store.glob(url, detail=True)
        else:
            found = {name: each for name, each in store.find(url, detail=True).items() if _is_readable(source, name)}
    except Exception as error:  # each driver has its own tree of errors
        raise InputError(
            f"source {source.name}: {url} cannot be listed ({type(error).__name__}: {error}). Credentials and endpoint "
            "come from the driver's usual environment variables and files; `storage:` takes an endpoint or a profile."
        ) from error
    return [_object(store, scheme, details, options) for details in found.values() if details["type"] == "file"]


def _object(store: Any, scheme: str, details: dict[str, Any], options: dict[str, Any]) -> RawFile:
    address = f"{scheme}://{store._strip_protocol(details['name']).lstrip('/')}"
    stored = StoredObject(int(details["size"]), version_of(details), orjson.dumps(options).decode())
    return RawFile(address, address, stored)


def _is_readable(source: SourceConfig, path: str) -> bool:
    name = path.rpartition("/")[2]
    known = source.format is not None or (_kind_by_suffix(name)[0] is not None and not _archive_suffix(name))
    return known and not name.startswith(".")


def _is_undelivered(path: Path) -> bool:
    """Whether a file lies in the `tmp` of a maildir, where messages are that somebody is still writing."""
    return path.parent.name == "tmp" and all((path.parent.parent / name).is_dir() for name in MAILDIR)


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
    if source.delimiter is not None and kind.format not in DELIMITED:
        raise RecipeError(
            f"source {source.name}: `delimiter` is for CSV and TSV, and {file.name} is read as {kind.format}. Leave it "
            "out, or write `format: csv`."
        )
    for setting in {"text", "markup"} & source.model_fields_set:
        if kind.format not in WITH_FIELDS:
            raise RecipeError(
                f"source {source.name}: `{setting}` is about a field, and {file.name}, read as {kind.format}, has none."
            )


def _display_name(address: str, folder: Path) -> str:
    name = Path(os.path.relpath(address, folder)).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")  # names may be any bytes, tables hold UTF-8
