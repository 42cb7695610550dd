"""A run's task stands in the terminal, in JSON and in Python, and its labels command nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headrace.cli.running import describe
from headrace.config import Config
from headrace.evaluate.classification import classification_report
from headrace.evaluate.task_report import write_task_report
from headrace.pipeline.result import Run
from headrace.store import RunFolder, RunRecord, StepRecord, StepSpec, Workspace

LABELS = ("差评", "[bold]x\x1b[31m")
REPORT = classification_report(np.array([0, 1, 1, 0]), np.eye(2)[[0, 1, 0, 0]], labels=LABELS, seed=0)


def finished_run(runs: Path) -> RunFolder:
    """A run with nothing but the evaluation of a task."""
    run = RunFolder(runs / "reviews")
    run.path.mkdir(parents=True)

    def build(workspace: Workspace) -> Mapping[str, Any]:
        write_task_report(REPORT, workspace.output)
        return {"task": "classify", "accuracy": REPORT.accuracy.value}

    artefact = run.store.ensure(StepSpec("evaluate", 1, Config(), {}), build)
    steps = (StepRecord(label="evaluate", address=artefact.address),)
    run.write(RunRecord(name="reviews", recipe={}, recipe_folder="/", versions={}, steps=steps, finished=True))
    return run


def test_the_report_command_shows_the_figures_above_the_place(headrace: Callable[..., Any], tmp_path: Path) -> None:
    run = finished_run(tmp_path)

    outcome = headrace("report", run.path)

    assert outcome.code == 0
    assert outcome.stdout.splitlines()[-1] == str(run.report_path)
    for words in ("差评", "[bold]x�", "macro average", "majority class", "0.750"):
        assert words in outcome.stdout
    assert "\x1b" not in outcome.stdout


def test_a_script_and_python_get_the_whole_report(tmp_path: Path) -> None:
    run = Run(finished_run(tmp_path))

    described = describe(run)

    assert (described["evaluation"], described["samples"]) == (None, [])
    assert described["task"]["accuracy"]["value"] == 0.75
    assert run.task == REPORT
