"""States that other programs leave behind."""

import os
from pathlib import Path

from headrace.config import Config
from headrace.corpus.raw_file import RawFile
from headrace.store import StepSpec, Store, Workspace
from headrace.store.fingerprint import fingerprint_files


class Settings(Config):
    """Of a step that writes one file."""

    text: str = "whole"


def write(workspace: Workspace) -> dict[str, int]:
    (workspace.output / "a.txt").write_text("whole")
    return {"files": 1}


def test_an_artefact_that_lost_its_manifest_is_built_again(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), StepSpec("step", 1, Settings(), {})
    artefact = store.ensure(spec, write)
    (artefact.path / "manifest.json").unlink()
    (artefact.path / "a.txt").write_text("changed")

    again = store.ensure(spec, write)

    assert again.problems() == []
    assert (again.path / "a.txt").read_text() == "whole"


def test_a_file_name_may_be_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"bad\xff.txt")
    path.write_text("text")
    memory = tmp_path / "memory.json"

    file = RawFile(str(path), path.name)
    assert fingerprint_files([file], memory=memory) == fingerprint_files([file], memory=memory)


def test_a_damaged_memory_of_fingerprints_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    (tmp_path / "memory.json").write_bytes(b'{"cut')

    assert len(fingerprint_files([RawFile(str(path), path.name)], memory=tmp_path / "memory.json")) == 1
