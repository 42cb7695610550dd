"""The stages whose gradients `test_gradient_layout.py` compares, set up alike here and in other processes."""

from pathlib import Path
from typing import Any

from small_models import small_stage
from small_road import ROW_TOKENS, Road

from headrace.store import Workspace
from headrace.train.batch_config import AdaptiveConfig, BatchConfig, WarmUpConfig
from headrace.train.config import ValidationConfig
from headrace.train.given import Stage
from headrace.train.optimizer_config import AdamWConfig, AnyOptimizerConfig, MuonConfig

STEP_ROWS = 16
SHOWS_GRADIENT = AdamWConfig(beta1=0.0)
FIXED = BatchConfig()
LAYOUTS: dict[str, dict[str, Any]] = {
    "gradient": {"steps": 1, "micro_batch_rows": 8},
    "accumulated": {"steps": 1, "micro_batch_rows": 2},
    "training": {"steps": 6, "micro_batch_rows": 4, "clip_gradient": 1.0},
    "muon": {"steps": 6, "micro_batch_rows": 4, "clip_gradient": 1.0, "optimizer": MuonConfig()},
    "warmed": {
        "steps": 8,
        "micro_batch_rows": 4,
        "clip_gradient": 1.0,
        "batch": BatchConfig(warm_up=WarmUpConfig(double_at=(0.5,))),
    },
    "adapted": {
        "steps": 8,
        "micro_batch_rows": 4,
        "clip_gradient": 1.0,
        "batch": BatchConfig(adaptive=AdaptiveConfig(most=2, wait=4, target=1e6)),
    },
}


def stage_of(
    road: Road,
    folder: Path,
    *,
    steps: int,
    micro_batch_rows: int,
    clip_gradient: float = 1e9,
    optimizer: AnyOptimizerConfig = SHOWS_GRADIENT,
    batch: BatchConfig = FIXED,
    leads: bool = True,
) -> Stage:
    """A stage whose checkpoints hold the last step's gradient itself as first moment: its decay is zero."""
    given = {
        "tokens": steps * STEP_ROWS * ROW_TOKENS,
        "global_batch_tokens": STEP_ROWS * ROW_TOKENS,
        "micro_batch_tokens": micro_batch_rows * ROW_TOKENS,
        "clip_gradient": clip_gradient,
        "optimizer": optimizer,
        "batch": batch,
        "validation": ValidationConfig(per_epoch=1_000),
    }
    if leads:
        return small_stage(road, folder, **given)
    stage = small_stage(road, folder.with_name(f"{folder.name}-not-used"), **given)
    workspace = Workspace(kept=folder / "kept", output=folder / "output")
    return Stage(**{**vars(stage), "workspace": workspace})
