"""A stage that kept its state from before its cool-down is gone on with by a longer one, to the same bits."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_project import RECIPE, write_corpus
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.pipeline import RunOptions, run_recipe
from headrace.recipe import Recipe
from headrace.store import Artefact
from headrace.trace import Record

pytestmark = pytest.mark.xdist_group("branched stages")  # so that what these tests share is made once

STEP_TOKENS = 1024
SHORT, LONG = 8, 11
STAGE: dict[str, Any] = {
    **RECIPE["train"],  # type: ignore[dict-item]
    "epochs": None,
    "warm_up": 2048.0,
    "cool_down": 4.0 * STEP_TOKENS,
    "checkpoint": {"every_seconds": 3600},
    "validation": {"tokens": 256},
    "optimizer": {"name": "muon"},
    "average": {"kind": "ema", "half_life_tokens": 2 * STEP_TOKENS},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_corpus(folder, num_documents=60)
    return folder


def train(project: Path, runs: Path, name: str, **given: Any) -> tuple[Artefact, list[Record]]:
    """The model of a run, and what was told of work that was taken over."""
    told: list[Record] = []
    stage = {**STAGE, **given}
    recipe = Recipe.model_validate({**RECIPE, "name": name, "train": stage, "evaluate": None}, strict=False)
    run = run_recipe(recipe, RunOptions(runs=runs, recipe_folder=project, num_workers=1, listeners=(told.append,)))
    inherited = [record for record in told if record["kind"] == "event" and record["name"] == "inherited"]
    return run.folder.artefacts("train")[-1], inherited


def weights_of(model: Artefact) -> bytes:
    return (model.path / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_longer_stage_begins_where_a_finished_one_began_to_cool_down(project: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    short, inherited = train(project, runs, "short", tokens=SHORT * STEP_TOKENS, keep_before_cool_down=True)
    assert inherited == []
    before = f"step-{SHORT - 4:08d}"
    assert before in {path.name for path in (short.path / "before-cool-down").iterdir()}
    short.verify()

    long, inherited = train(project, runs, "long", tokens=LONG * STEP_TOKENS)
    alone, nothing = train(project, tmp_path / "elsewhere", "alone", tokens=LONG * STEP_TOKENS)

    assert [record["step"] for record in inherited] == [SHORT - 4]
    assert nothing == []
    assert weights_of(long) == weights_of(alone)
    assert weights_of(long) != weights_of(short)
    assert long.summary["best_validation_loss"] == alone.summary["best_validation_loss"]
    assert long.summary["average_validation_loss"] == alone.summary["average_validation_loss"]

    _, inherited = train(project, runs, "other", tokens=2 * STEP_TOKENS, cool_down=0.0, learning_rate=1e-3)
    assert inherited == []


@pytest.mark.slow
def test_a_rate_is_found_by_the_command_and_found_again_at_once(project: Path, tmp_path: Path) -> None:
    stage = {**RECIPE["train"], "optimizer": {"name": "lion"}}  # type: ignore[dict-item]
    (project / "rates.yaml").write_text(json.dumps({**RECIPE, "name": "rates", "train": stage, "evaluate": None}))
    command = ["find-rate", str(project / "rates.yaml"), "--runs", str(tmp_path), "--steps", "30", "--json"]

    first, second = (CliRunner().invoke(app, command) for _ in range(2))

    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout
    table = json.loads(first.stdout)
    assert table["rates"][0]["rate"] == 1e-5
    assert 1e-4 < table["suggested_rate"] < 1.0
    assert len(list((tmp_path / "store").glob("rates-*"))) == 1
    assert (tmp_path / "rates-rates" / "run.json").exists()
    refused = CliRunner().invoke(app, [*command, "--lowest", "2"])
    assert refused.exit_code == 2
