"""Wherever training is stopped, it ends as if it had not been."""

from pathlib import Path
from typing import Any

import pytest
from small_models import STEP_TOKENS, small_stage, train_and_listen, train_until
from small_road import Road

from headrace.train.config import CheckpointConfig, StageConfig, ValidationConfig
from headrace.train.given import Stage
from headrace.train.metrics import read_metrics
from headrace.train.optimizer_config import AdafactorConfig, AdamWConfig, LionConfig, MuonConfig
from headrace.train.schedule_config import EMAConfig, PlateauConfig, ScheduleConfig, SpikeConfig, TailConfig

NUM_STEPS = 8
# The held-out loss is watched after each step and falls each time, so each step is written down and waited for.
SETTINGS: dict[str, Any] = {"validation": ValidationConfig(per_epoch=1_000), "warm_up": 0.0, "learning_rate": 3e-3}


def result_of(stage: Stage) -> tuple[bytes, list[tuple[str, int, float]]]:
    records = read_metrics(stage.workspace.output / "metrics.jsonl")
    weights = (stage.workspace.output / "model.safetensors").read_bytes()
    return weights, [(record["kind"], record["step"], record.get("loss", 0.0)) for record in records]


@pytest.fixture(scope="module")
def undisturbed(road: Road, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[tuple[str, int, float]]]:
    stage = small_stage(road, tmp_path_factory.mktemp("undisturbed"), **SETTINGS)
    train_and_listen(stage)
    weights, losses = result_of(stage)
    assert [step for kind, step, _ in losses if kind == "train"] == list(range(1, NUM_STEPS + 1))
    watched = [loss for kind, _, loss in losses if kind == "validation"]
    assert watched == sorted(watched, reverse=True), "the tests below want a held-out loss that falls at each step"
    return weights, losses


@pytest.mark.parametrize("step", range(NUM_STEPS))
def test_a_stage_stopped_after_any_step_ends_with_the_same_bits(
    step: int, undisturbed: tuple[bytes, list[tuple[str, int, float]]], road: Road, tmp_path: Path
) -> None:
    train_until(small_stage(road, tmp_path, **SETTINGS), step=step + 1)

    stage = small_stage(road, tmp_path, **SETTINGS)
    _, told = train_and_listen(stage)

    assert [record["step"] for record in told if record["name"] == "resumed"] == ([step] if step else [])
    assert result_of(stage) == undisturbed


def test_a_stage_stopped_again_and_again_ends_with_the_same_bits(
    undisturbed: tuple[bytes, list[tuple[str, int, float]]], road: Road, tmp_path: Path
) -> None:
    for step in (1, 3, 3, 4, 8):
        train_until(small_stage(road, tmp_path, **SETTINGS), step=step)
    stage = small_stage(road, tmp_path, **SETTINGS)
    train_and_listen(stage)

    assert result_of(stage) == undisturbed


def test_a_stage_stopped_while_it_watches_ends_with_the_same_bits(
    undisturbed: tuple[bytes, list[tuple[str, int, float]]], road: Road, tmp_path: Path
) -> None:
    train_until(small_stage(road, tmp_path, **SETTINGS), event="validation_metrics", step=5)
    stage = small_stage(road, tmp_path, **SETTINGS)
    train_and_listen(stage)

    assert result_of(stage) == undisturbed


def test_when_state_is_written_down_changes_nothing(
    undisturbed: tuple[bytes, list[tuple[str, int, float]]], road: Road, tmp_path: Path
) -> None:
    stage = small_stage(road, tmp_path, **SETTINGS, checkpoint=CheckpointConfig(every_seconds=3_600, keep=1))
    train_and_listen(stage)

    assert result_of(stage) == undisturbed


def test_a_damaged_newest_checkpoint_costs_steps_and_no_bits(
    undisturbed: tuple[bytes, list[tuple[str, int, float]]], road: Road, tmp_path: Path
) -> None:
    train_until(small_stage(road, tmp_path, **SETTINGS), step=6)
    newest = sorted((tmp_path / "kept" / "checkpoints").iterdir())[-1]
    (newest / "state.safetensors").write_bytes((newest / "state.safetensors").read_bytes()[:-7])

    stage = small_stage(road, tmp_path, **SETTINGS)
    train_and_listen(stage)

    assert result_of(stage) == undisturbed


ADAPTIVE: dict[str, dict[str, Any]] = {
    "plateau, muon, ema, spikes": {
        "schedule": ScheduleConfig(shape="plateau", plateau=PlateauConfig(patience=0, least_fall=0.5)),
        "optimizer": MuonConfig(),
        "average": EMAConfig(half_life_tokens=STEP_TOKENS),
        "publish": "average",
        "skip_spikes": SpikeConfig(window=2, deviations=0.0, most=2, most_in_a_row=1),
    },
    "cosine, lion in bf16, tail": {
        "schedule": ScheduleConfig(shape="cosine", weight_decay="linear"),
        "learning_rate": 1e-3,
        "optimizer": LionConfig(state_precision="bf16"),
        "average": TailConfig(share=0.8, samples=3),
        "publish": "average",
        "z_loss": 1e-3,
    },
    "adafactor": {"optimizer": AdafactorConfig(), "learning_rate": 1e-2, "publish": "last"},
    "adamw in bf16": {"optimizer": AdamWConfig(state_precision="bf16", beta2=0.999)},
}


@pytest.mark.parametrize("name", ADAPTIVE)
def test_what_was_decided_on_the_way_is_decided_again(name: str, road: Road, tmp_path: Path) -> None:
    """Rates that plateaus lowered, steps that were left out, averages, moments in bf16."""
    settings = {**SETTINGS, **ADAPTIVE[name]}
    whole = small_stage(road, tmp_path / "whole", **settings)
    summary, told = train_and_listen(whole)
    decided = [(r["name"], r["step"]) for r in told if r["name"] in ("plateau_metrics", "skip_metrics")]
    assert bool(decided) == name.startswith("plateau")
    steps = [record["step"] for record in told if record["name"] == "train_metrics"]

    for step in (steps[1], steps[3], steps[4]):
        train_until(small_stage(road, tmp_path / "cut", **settings), step=step)
    cut = small_stage(road, tmp_path / "cut", **settings)
    again, _ = train_and_listen(cut)

    assert result_of(cut) == result_of(whole)
    for key in ("average_validation_loss", "skipped_steps", "best_validation_loss"):
        assert again.get(key) == summary.get(key)


BATCHES: dict[str, Any] = {
    "warmed up": {"warm_up": {"double_at": [0.2, 0.5]}},
    "adaptive": {"adaptive": {"most": 4, "wait": 2, "half_life": 2, "target": 1e6}},
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_that_changes_changes_again_where_it_did(name: str, road: Road, tmp_path: Path) -> None:
    """Stopped after every step, before and after each change, and where the change has been told already."""
    batch = StageConfig.model_validate({"batch": BATCHES[name]}).batch
    settings = {**SETTINGS, "batch": batch, "tokens": 12 * STEP_TOKENS, "average": EMAConfig(half_life_tokens=999)}
    whole = small_stage(road, tmp_path / "whole", **settings)
    summary, told = train_and_listen(whole)
    steps = [record["step"] for record in told if record["name"] == "train_metrics"]
    changes = [record for record in told if record["name"] == "batch_metrics"]
    assert [change["factor"] for change in changes][:2] == [2, 4]

    for step in steps:
        train_until(small_stage(road, tmp_path / "cut", **settings), step=step)
    train_until(small_stage(road, tmp_path / "told", **settings), event="batch_metrics", step=changes[1]["step"])

    for stopped in ("cut", "told"):
        stage = small_stage(road, tmp_path / stopped, **settings)
        again, _ = train_and_listen(stage)
        assert result_of(stage) == result_of(whole)
        assert again["steps"] == summary["steps"] == len(steps) < summary["base_batches"] == 12
        assert again["average_validation_loss"] == summary["average_validation_loss"]
        assert decisions_of(stage) == decisions_of(whole)


def decisions_of(stage: Stage) -> list[dict[str, Any]]:
    records = read_metrics(stage.workspace.output / "metrics.jsonl")
    return [record for record in records if record["kind"] == "batch"]
