"""A run's folder: its record, its artefacts, who may work in it."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import BusyError, InputError, StoreError
from headrace.store import RunFolder, RunRecord, StepRecord, StepSpec, Workspace, list_runs
from headrace.store.durable import remove_folder

Build = Callable[[Workspace], Mapping[str, Any]]
Spec = Callable[..., StepSpec]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    (tmp_path / "runs" / "first").mkdir(parents=True)
    return RunFolder(tmp_path / "runs" / "first")


def record(*steps: StepRecord, name: str = "first", finished: bool = False) -> RunRecord:
    return RunRecord(name=name, recipe={"seed": 1}, recipe_folder="/data", steps=steps, finished=finished)


def test_a_record_is_read_as_it_was_written(run: RunFolder) -> None:
    written = record(StepRecord(label="measure a", address="measure-0"), finished=True)
    run.write(record())
    run.write(written)

    assert run.read() == written
    assert os.listdir(run.path) == ["run.json"]


def test_a_folder_that_is_no_run_is_refused_with_the_runs_there_are(run: RunFolder, tmp_path: Path) -> None:
    run.write(record())
    (tmp_path / "runs" / "file").touch()

    for name in ("frist", "file", "store"):
        with pytest.raises(InputError, match=rf"{name}: no run here\. Runs in .*runs: first\."):
            RunFolder(tmp_path / "runs" / name).read()
    with pytest.raises(InputError, match="none yet"):
        RunFolder(tmp_path / "elsewhere" / "run").read()


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff"], ids=repr)
def test_a_damaged_record_is_refused_by_name(data: bytes, run: RunFolder) -> None:
    (run.path / "run.json").write_bytes(data)

    with pytest.raises(StoreError, match=r"run\.json: not the record of a run"):
        run.read()


def test_runs_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
        RunFolder(tmp_path / name).write(record(name=name))
    (tmp_path / "store").mkdir()

    assert [found.read().name for found in list_runs(tmp_path)] == ["a", "b", "c"]
    assert list_runs(tmp_path / "nothing") == []


def test_artefacts_come_in_the_order_of_the_steps_and_by_kind(run: RunFolder, spec: Spec, build: Build) -> None:
    made = [
        run.store.ensure(spec(name=name, size=size), build)
        for name, size in [("tokens", 1), ("train", 1), ("train", 2)]
    ]
    run.write(record(*(StepRecord(label="step", address=artefact.address) for artefact in made)))

    assert run.artefacts() == made
    assert run.artefacts("train") == made[1:]
    assert run.artefact("train") == made[2]
    remove_folder(made[2].path)
    assert run.artefact("train") == made[1]
    with pytest.raises(InputError, match="run first: no finished `evaluate` step"):
        run.artefact("evaluate")


def test_only_one_process_works_in_a_run(run: RunFolder) -> None:
    with run.held(), pytest.raises(BusyError, match="run first: another headrace process"), RunFolder(run.path).held():
        pass
    with run.held():
        pass


def test_the_model_is_a_link_that_moves_with_the_folder_of_runs(
    run: RunFolder, spec: Spec, build: Build, tmp_path: Path
) -> None:
    for size in (1, 2):
        artefact = run.store.ensure(spec(size=size), build)
        run.link_model(artefact)
    (tmp_path / "runs").rename(tmp_path / "moved")

    assert (tmp_path / "moved" / "first" / "model").resolve() == tmp_path / "moved" / "store" / artefact.address
    assert os.listdir(tmp_path / "moved" / "first") == ["model"]
