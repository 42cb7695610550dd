"""Stages of examples that `test_gradient_layout.py` compares, set up alike here and in other processes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from small_models import small_config, small_stage
from small_road import Road

from headrace.store import Artefact, Workspace
from headrace.train.config import ValidationConfig
from headrace.train.given import Stage

EXAMPLE_STAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "classes": ("classify", {"name": "classify", "head_dropout": 0.0}, {}),
    "preferences with adalora": (
        "prefer",
        "prefer",
        {"adapter": {"adalora": {"first_rank": 3, "rank": 2, "every_steps": 1, "warm_up": 0.0}}},
    ),
}


def example_stage_of(road: Road, examples: Artefact, folder: Path, name: str, *, leads: bool = True) -> Stage:
    """A stage of five steps of seven examples, which two processes cannot share evenly."""
    _, objective, given = EXAMPLE_STAGES[name]
    settings = {
        "tokens": None,
        "objective": objective,
        "global_batch_tokens": 16_384,
        "global_batch_examples": 7,
        "micro_batch_tokens": 128,
        "epochs": 5 * 7 / 32,
        "learning_rate": 3e-3,
        "validation": ValidationConfig(per_epoch=1_000),
        **given,
    }
    here = folder if leads else folder.with_name(f"{folder.name}-not-used")
    stage = replace(small_stage(road, here, model=small_config(), **settings), tokens=None, examples=examples)
    return replace(stage, workspace=Workspace(kept=folder / "kept", output=folder / "output"))
