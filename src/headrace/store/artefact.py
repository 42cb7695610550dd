"""One published folder and the manifest that vouches for it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import JsonValue, field_validator

from headrace.config import Config
from headrace.errors import StoreError
from headrace.store.durable import files_below

MANIFEST = "manifest.json"
REMEDY = "Run `headrace gc --damaged` and run again: it will be rebuilt."


class FileRecord(Config):
    """What a file must be to count as the one that was published."""

    size_bytes: int
    sha256: str


class Manifest(Config):
    """Everything known about an artefact: what was asked, what came out, what it was made from."""

    step: str
    step_version: int
    address: str
    config: dict[str, JsonValue]
    inputs: dict[str, str]
    """Name of the input -> address of an artefact, or digest of raw files."""
    files: dict[str, FileRecord]
    """Path relative to the artefact, with forward slashes -> its size and digest."""
    summary: dict[str, JsonValue]
    """What the step wants shown: counts, never text."""
    headrace_version: str
    seconds: float
    """Wall time of the build, all its sessions added up."""
    created: str
    """UTC, ISO 8601."""
    digest: str = ""
    """SHA-256 of all of the above as JSON: what vouches for the manifest itself."""

    @field_validator("files")
    @classmethod
    def _check_names(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        """Manifests come from object stores too: none may name a place outside its own folder."""
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name:
                raise ValueError(f"{name!r} is no file inside an artefact")
        return files

    def sealed(self) -> "Manifest":
        """The same with its digest filled in."""
        return self.model_copy(update={"digest": self._digest_now()})

    def is_intact(self) -> bool:
        """Whether everything is as it was when the manifest was sealed."""
        return self.digest == self._digest_now()

    def _digest_now(self) -> str:
        return hashlib.sha256(self.model_dump_json(exclude={"digest"}).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex (about 2 GB/s a core with the CPU's own instructions)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path) -> dict[str, FileRecord]:
    """Size and digest of every file below `folder`, the manifest left out."""
    return {
        path.relative_to(folder).as_posix(): FileRecord(size_bytes=path.stat().st_size, sha256=hash_file(path))
        for path in files_below(folder)
        if path != folder / MANIFEST
    }


@dataclass(frozen=True)
class Artefact:
    """A published folder. Reading the manifest is cheap; `verify` reads every byte."""

    path: Path

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest. Raises StoreError if it is missing or not one."""
        try:
            manifest = Manifest.model_validate_json((self.path / MANIFEST).read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path / MANIFEST}: missing, or not a whole manifest. {REMEDY}") from error
        if not manifest.is_intact():
            raise StoreError(f"{self.path / MANIFEST}: it does not agree with its own digest. {REMEDY}")
        return manifest

    @property
    def address(self) -> str:
        return self.path.name

    @property
    def summary(self) -> dict[str, Any]:
        return self.manifest.summary

    @property
    def size_bytes(self) -> int:
        return sum(record.size_bytes for record in self.manifest.files.values())

    def files(self, pattern: str) -> list[Path]:
        """The published files whose relative path matches a glob, sorted."""
        return sorted(self.path / name for name in self.manifest.files if Path(name).match(pattern))

    def problems(self) -> list[str]:
        """One sentence for every file that is not as it was published; an empty list means every byte is right."""
        try:
            return list(find_damage(self.path, self.manifest.files))
        except StoreError:
            return [f"{self.path / MANIFEST}: missing, or not a whole manifest."]

    def verify(self) -> None:
        """Raises StoreError naming the first damaged file, if there is one."""
        if problems := self.problems():
            raise StoreError(f"{problems[0]} {REMEDY}")


def find_damage(folder: Path, files: Mapping[str, FileRecord]) -> Iterator[str]:
    """One sentence for every file below `folder` that is missing or not as recorded."""
    problems = (_problem(folder / name, record) for name, record in files.items())
    return (problem for problem in problems if problem)


def _problem(path: Path, record: FileRecord) -> str | None:
    if not path.is_file():
        return f"{path}: the file is missing."
    size_bytes = path.stat().st_size
    if size_bytes != record.size_bytes:
        return f"{path}: {size_bytes:,} bytes, published with {record.size_bytes:,}."
    if hash_file(path) != record.sha256:
        return f"{path}: its SHA-256 is not the published one, so some of its bytes have changed."
    return None
