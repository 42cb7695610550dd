"""A store in a temporary folder, and steps to put into it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from headrace.config import Config
from headrace.store import StepSpec, Store, Workspace

Build = Callable[[Workspace], Mapping[str, Any]]
Spec = Callable[..., StepSpec]


class Settings(Config):
    """Settings of a step that makes nothing in particular."""

    size: int = 3
    rate: float = 0.5
    words: tuple[str, ...] = ("a", "b")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def spec() -> Spec:
    """A step given as keywords; those named as a setting are settings."""

    def make(
        *, name: str = "step", version: int = 1, inputs: Mapping[str, str] | None = None, **settings: Any
    ) -> StepSpec:
        return StepSpec(name, version, Settings(**settings), inputs or {})

    return make


@pytest.fixture
def build() -> Build:
    """Fills a folder with two files, one of them in a sub-folder."""

    def fill(workspace: Workspace) -> dict[str, Any]:
        (workspace.output / "data.bin").write_bytes(bytes(range(200)))
        (workspace.output / "shards").mkdir()
        (workspace.output / "shards" / "0.txt").write_text("zero\n")
        return {"documents": 2}

    return fill
