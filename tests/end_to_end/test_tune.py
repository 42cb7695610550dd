"""A search for better values: what it shares, what it gives up, what it survives, and what it leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from small_project import HEADRACE, RECIPE, environment

import headrace as hr
from headrace.cli.main import main
from headrace.errors import RecipeError
from headrace.pipeline import RunOptions
from headrace.report.search_record import TrialRecord
from headrace.search.request import read_request
from headrace.search.tuning import Search, search
from headrace.store import RunFolder
from headrace.trace import Record, read_records
from headrace.train.metrics import read_metrics

pytest.importorskip("optuna")
pytestmark = pytest.mark.xdist_group("tune")  # so that the search which tests compare with is made once

RATES = {"low": 3e-4, "high": 0.3, "log": True}
TUNE = {
    "space": {"train.learning_rate": RATES, "train.optimizer.name": ["adamw", "lion"]},
    "trials": 6,
    "random_trials": 3,
    "unpruned_trials": 2,
}
DEADLINE_SECONDS = 200


@pytest.fixture(scope="module")
def recipe(project: Path) -> Path:
    """The small project's recipe with a search in it."""
    given = {**RECIPE, "name": "mill", "tune": TUNE, "track": []}
    given["train"] = {**RECIPE["train"], "validation": {"per_epoch": 4}, "learning_rate": 0.003}  # type: ignore[dict-item]
    path = project / "mill.yaml"
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """An undisturbed search. Not to be changed by a test."""
    return hr.tune(recipe, runs=tmp_path_factory.mktemp("tuned") / "runs", show_progress=False)


def runs_of(found: Search) -> Path:
    return found.folder.path.parent


def figures(found: Search) -> list[Any]:
    """All of the trials but their times."""
    return [trial.model_copy(update={"seconds": None}) for trial in found.trials]


def searching(recipe: Path, runs: Path, listen: Callable[[Record], None]) -> Search:
    options = RunOptions(runs=runs, recipe_folder=recipe.parent, listeners=(listen,))
    return search(read_request(recipe, options))


def test_the_first_trial_is_the_recipe_as_written_and_the_best_is_no_worse(found: Search) -> None:
    first = found.trials[0]

    assert first.parameters == {"train.learning_rate": 0.003, "train.optimizer.name": "adamw"}
    assert [trial.number for trial in found.trials] == list(range(6))
    assert all(3e-4 <= trial.parameters["train.learning_rate"] <= 0.3 for trial in found.trials)
    finished = [trial.value for trial in found.trials if trial.value is not None]
    assert found.best.value == min(finished) <= first.value


def test_trials_share_all_artefacts_but_their_models(found: Search) -> None:
    store = runs_of(found) / "store"
    kinds = [path.name.split("-")[0] for path in store.iterdir() if (path / "manifest.json").exists()]
    built = [
        record["address"]
        for trial in found.trials
        for record in read_records(runs_of(found) / trial.run / "trace.jsonl")
        if record["name"] == "artefact" and record["built"]
    ]

    assert len(set(built)) == len(built)
    assert [kinds.count(kind) for kind in ("curate", "vocabulary", "tokens")] == [1, 1, 1]
    assert kinds.count("evaluate") == 0
    assert kinds.count("train") == len({trial.value for trial in found.trials if trial.state == "finished"})


def test_some_trials_are_given_up_and_leave_no_work(found: Search) -> None:
    pruned = [trial for trial in found.trials if trial.state == "pruned"]

    assert pruned
    longest = max(len(trial.measurements) for trial in found.trials)
    assert all(0 < len(trial.measurements) < longest for trial in pruned)
    assert all(trial.error.startswith("given up at measurement") for trial in pruned)
    assert list((runs_of(found) / "store" / ".work").glob("train-*")) == []


def test_a_trial_that_is_not_given_up_is_what_a_run_gives(found: Search, recipe: Path, tmp_path: Path) -> None:
    """The watched stage and the unwatched one have the same address, the same weights and the same losses."""
    run = hr.run(recipe, runs=tmp_path, set={"evaluate": None}, show_progress=False)
    model = run.folder.artefact("train").path
    own = runs_of(found) / "store" / model.name

    assert (own / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    losses = [
        [(record["step"], record["loss"]) for record in read_metrics(folder / "metrics.jsonl")]
        for folder in (own, model)
    ]
    assert losses[0] == losses[1]


def test_the_best_recipe_runs_and_finds_its_model(found: Search) -> None:
    assert found.best_recipe is not None
    best = yaml.safe_load(found.best_recipe.read_text(encoding="utf-8"))
    run = hr.run(found.best_recipe, runs=runs_of(found), show_progress=False)

    assert best["name"] == "mill-best"
    assert "tune" not in best
    own = RunFolder(runs_of(found) / found.best.run).read().steps
    assert set(own) <= set(run.folder.read().steps)
    assert not [each for each in read_records(run.folder.trace_path) if each["name"] == "resumed"]
    assert run.evaluation.bits_per_byte > 0


def test_a_finished_search_does_nothing_and_shows_all(
    found: Search, recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tune(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["headrace", "tune", str(recipe), "--runs", str(runs_of(found)), *words])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return capsys.readouterr().out

    before = {path: path.stat().st_mtime_ns for path in (runs_of(found) / "store").iterdir()}
    printed, shown = tune(), orjson.loads(tune("--json"))

    assert {path: path.stat().st_mtime_ns for path in (runs_of(found) / "store").iterdir()} == before
    assert f"Best:   trial {found.best.number}   (headrace run {found.best_recipe})" in printed
    assert "Mattered: train." in printed
    assert [TrialRecord.model_validate(trial, strict=False) for trial in shown["trials"]] == list(found.trials)
    assert shown["best"] == found.best.number
    assert sum(shown["importance"].values()) == pytest.approx(1)
    assert "Importance of each key" in Path(shown["report"]).read_text(encoding="utf-8")


def test_a_stopped_search_goes_on_with_the_trial_it_was_at(found: Search, recipe: Path, tmp_path: Path) -> None:
    """Stopped in the middle of each of two trials, it tries and finds what the undisturbed one did."""
    heard: list[Record] = []

    def stop(last: int, record: Record) -> None:
        heard.append(record)
        begun = [each["number"] for each in heard if each.get("name") == "trial_begins"]
        if record.get("name") == "validation_metrics" and begun[-1] == last and record["step"] > 5:
            raise KeyboardInterrupt

    for number in (0, 3):
        with pytest.raises(KeyboardInterrupt):
            searching(recipe, tmp_path, partial(stop, number))
    heard.clear()
    resumed = searching(recipe, tmp_path, heard.append)

    assert [each["number"] for each in heard if each.get("name") == "trial_begins"] == [3, 4, 5]
    assert any(each.get("name") == "resumed" for each in heard)
    assert figures(resumed) == figures(found)


@pytest.mark.slow
def test_a_killed_search_goes_on_where_it_was(found: Search, recipe: Path, tmp_path: Path) -> None:
    command = [*HEADRACE, "tune", str(recipe), "--runs", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True
    ) as process:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (tmp_path / "mill-trial-0001").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
    heard: list[Record] = []
    resumed = searching(recipe, tmp_path, heard.append)

    assert next(each["number"] for each in heard if each.get("name") == "trial_begins") in (1, 2)
    assert figures(resumed) == figures(found)


def test_a_trial_that_fails_is_noted_and_the_next_one_begun(recipe: Path, found: Search) -> None:
    """A width that no heads divide, and one that they do; the corpus is that of the other search."""
    widths = {"name": "widths", "tune.space": {"model.width": [33, 16]}, "tune.trials": 3, "tune.sampler": "random"}
    heard: list[Record] = []
    options = RunOptions(runs=runs_of(found), recipe_folder=recipe.parent, listeners=(heard.append,))
    tried = search(read_request(recipe, options, changes=widths))

    states = {trial.parameters["model.width"]: trial for trial in tried.trials}
    assert states[16].state == "finished"
    assert states[33].state == "failed"
    assert "33" in states[33].error
    assert "\n" not in states[33].error
    begun = [each for each in heard if each.get("name") == "step_begins" and each["step"] == "train"]
    assert len(begun) == 1  # of two trials that are alike one is carried out
    assert tried.best.parameters == {"model.width": 16}


def test_a_search_of_another_recipe_is_not_mixed_with_this_one(found: Search, recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"other settings \(train\.0\.epochs: 1\.0 there, 2\.0 here\)"):
        hr.tune(recipe, runs=runs_of(found), set={"train.epochs": 2}, show_progress=False)


def test_a_file_of_the_users_is_not_overwritten(project: Path, recipe: Path, tmp_path: Path) -> None:
    own = project / "own.yaml"
    own.write_bytes(recipe.read_bytes())
    (project / "own-best.yaml").write_text("name: mine\n", encoding="utf-8")

    with pytest.raises(RecipeError, match=r"own-best\.yaml: the best recipe is written here"):
        hr.tune(own, runs=tmp_path, show_progress=False)


def test_vocabularies_are_compared_by_bits_per_byte(recipe: Path, found: Search) -> None:
    """Losses per token are not: the figures on the way are made comparable, and the last one is near the measured."""
    changes = {
        "name": "vocabularies",
        "tune.metric": "bits_per_byte",
        "tune.space": {"tokens.vocabulary.train": [300, 420]},
        "tune.trials": 2,
    }
    tried = hr.tune(recipe, runs=runs_of(found), set=changes, show_progress=False)

    for trial in tried.trials:
        assert trial.state == "finished"
        assert trial.value == pytest.approx(min(each.value for each in trial.measurements), rel=0.05)
