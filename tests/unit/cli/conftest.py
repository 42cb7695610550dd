"""The command line, called as the program calls it, on a corpus of a few lines."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.cli.main import main

RECIPE = """
name: small
seed: 1
corpus:
  sources: [{name: lines, path: lines.jsonl, language: en}]
  curate: [{rule: "num_words >= 4", name: too_short}]
  hold_out: 10%
"""
LINES = [f'{{"text": "line number {number} of the corpus"}}' for number in range(40)]


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    stdout: str
    stderr: str


Headrace = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_RUNS", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Headrace:
    """Runs a command in this process, errors and exit code as the program has them."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["headrace", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return Outcome(int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a corpus and its recipe; commands start in it."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose recipe was carried out by a process of its own. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("finished")
    write_project(folder)
    command = [sys.executable, "-m", "headrace", "run", "small.yaml"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=os.environ | {"NO_COLOR": "1"})
    return folder


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a project with a finished run, to do with as one likes; commands start in it."""
    folder = tmp_path / "finished"
    shutil.copytree(finished_once, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def write_project(folder: Path) -> None:
    """Forty lines that may stay, one repeated, one too short."""
    lines = [*LINES, LINES[0], '{"text": "too short"}']
    (folder / "lines.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "small.yaml").write_text(RECIPE)
