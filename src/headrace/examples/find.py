"""Which files hold examples, and how each is read."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import COMPRESSIONS, Compression, find_files
from headrace.corpus.raw_file import RawFile
from headrace.errors import InputError
from headrace.examples.config import ExamplesConfig

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "conll"]

FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".txt": "conll",
}


def find_examples(config: ExamplesConfig, folder: Path) -> dict[str, list[RawFile]]:
    """The files of each split that has some, sorted by name.

    Raises InputError if a path matches nothing, a file is of no known format, or two splits share a file.
    """
    found = {split: _find(split, paths, folder) for split, paths in config.paths.items()}
    _check_apart(found)
    return found


def find_inputs(path: Path) -> RawFile:
    """A file of examples that a finished model is asked about. Raises InputError as `find_examples` does."""
    return _find("predict", (str(path),), Path())[0]


def format_of(file: RawFile) -> tuple[Format, Compression]:
    """How a file is read, by its suffix. Raises InputError if that says nothing."""
    stem, suffix = os.path.splitext(file.name.lower())
    compression = COMPRESSIONS.get(suffix, "none")
    inner = suffix if compression == "none" else os.path.splitext(stem)[1]
    if inner not in FORMATS:
        raise InputError(
            f"{file.name}: no suffix of a known format of examples ({', '.join(FORMATS)}, each also with "
            f"{', '.join(COMPRESSIONS)}). Rename the file, or write a path that leaves it out."
        )
    if inner == ".parquet" and compression != "none":
        raise InputError(f"{file.name}: compressed from outside. Unpack it: Parquet compresses itself.")
    return FORMATS[inner], compression


def _find(split: str, paths: Sequence[str], folder: Path) -> list[RawFile]:
    files = find_files(SourceConfig(name=f"examples.{split}", path=tuple(paths), format="jsonl"), folder)
    for file in files:
        format_of(file)
    return files


def _check_apart(found: Mapping[str, Sequence[RawFile]]) -> None:
    owner: dict[str, str] = {}
    for split, files in found.items():
        for file in files:
            if (other := owner.setdefault(file.address, split)) != split:
                raise InputError(
                    f"examples: {file.name} belongs to `{other}` and to `{split}`. Write paths that keep them apart, "
                    'or a share, as in `validation: "10%"`.'
                )
