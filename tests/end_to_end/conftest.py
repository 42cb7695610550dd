"""What the end-to-end tests share: the small project, and an undisturbed run of it."""

import subprocess
from pathlib import Path

import pytest
import yaml
from small_project import HEADRACE, RECIPE, Headrace, environment, write_corpus


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the corpus and `small.yaml`. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("project")
    write_corpus(folder)
    (folder / "small.yaml").write_text(yaml.safe_dump(RECIPE, allow_unicode=True), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def headrace() -> Headrace:
    """Runs the command line; returns what it printed and its exit code."""

    def run(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        command = [*HEADRACE, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment(), check=False)

    return run


@pytest.fixture(scope="session")
def finished(project: Path, headrace: Headrace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs after an undisturbed run of `small.yaml`. Not to be changed by a test."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    done = headrace("run", project / "small.yaml", "--runs", runs)
    assert done.returncode == 0, done.stderr
    return runs
