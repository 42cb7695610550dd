"""What the files that a step reads are, in one digest: read once, and again only where a file has changed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson

from headrace.corpus.raw_file import RawFile
from headrace.errors import InputError
from headrace.store import Store
from headrace.store.durable import files_below
from headrace.store.fingerprint import fingerprint_files


def identity_of(files: Sequence[RawFile], store: Store) -> str:
    """One digest for the names and bytes of all files."""
    digests = fingerprint_files(files, memory=store.fingerprints_path)
    pairs = [[file.name, digest] for file, digest in zip(files, digests, strict=True)]
    return hashlib.sha256(orjson.dumps(pairs)).hexdigest()[:32]


def given_files(path: Path) -> list[RawFile]:
    """A file, or all files below a folder, by name. Raises InputError if there is none."""
    if not path.exists():
        raise InputError(f"{path}: does not exist. Paths are relative to the recipe's folder.")
    files = files_below(path) if path.is_dir() else [path]
    return [RawFile(str(file.absolute()), file.relative_to(path).as_posix()) for file in files]
