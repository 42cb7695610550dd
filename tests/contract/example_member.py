"""One process of the group that `test_example_layouts.py` starts. `python -m example_member FOLDER STORE`."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from small_models import small_config, small_stage
from small_road import Road

from headrace.parallel import join_group
from headrace.store import Artefact, Store, Workspace
from headrace.train.config import ValidationConfig
from headrace.train.given import Stage
from headrace.train.stage import train_stage

STAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "classes": ("classify", {"name": "classify", "head_dropout": 0.0}, {}),
    "preferences with adalora": (
        "prefer",
        "prefer",
        {"adapter": {"adalora": {"first_rank": 3, "rank": 2, "every_steps": 1, "warm_up": 0.0}}},
    ),
}


def stage_of(road: Road, examples: Artefact, folder: Path, name: str, *, leads: bool = True) -> Stage:
    """A stage of five steps of seven examples, which two processes cannot share evenly."""
    _, objective, given = STAGES[name]
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


def main() -> None:
    folder, root = Path(sys.argv[1]), Path(sys.argv[2])
    names = json.loads((folder / "names.json").read_text())
    artefacts = {name: Artefact(root / address) for name, address in names.items()}
    road = Road(Store(root), *(artefacts[step] for step in ("curated", "vocabulary", "tokens")))
    with join_group() as group:
        for name, (kind, _, _) in STAGES.items():
            train_stage(stage_of(road, artefacts[kind], folder / name, name, leads=group.leads), group)


if __name__ == "__main__":
    main()
