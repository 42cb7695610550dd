"""Work of another stage that a new one would do to the same bits: up to there, it is taken over.

Which samples a stage has seen, and at which rates, follows from its recipe alone. So where two recipes differ in
nothing but what their mixtures do after some sample, or in how long they go on and how they end, a checkpoint from
before it belongs to both. It is that of a stage that was stopped, or what a finished one has kept from before its
cool-down.
"""

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from headrace.store import Store, publish_folder, write_file
from headrace.store.artefact import MANIFEST
from headrace.tokens import TokenStore
from headrace.trace import event
from headrace.train.config import BEFORE_COOL_DOWN, StageConfig
from headrace.train.schedule import StageSchedule
from headrace.train.schedule_config import ScheduleConfig, TailConfig

IDENTITY = "stage.json"
CHECKPOINTS = "checkpoints"
# What a stage does in its first steps does not depend on these, or is looked at more closely.
ENDS: dict[str, Any] = {
    "tokens": None,
    "epochs": None,
    "cool_down": 0.0,
    "publish": "best",
    "keep_before_cool_down": False,
    "mixture": None,
}
SCHEDULE_ENDS: dict[str, Any] = {"final": 0.0, "cool_down_shape": "one_minus_sqrt"}


def inherit(kept: Path, identity: Mapping[str, Any], *, store: Store, tokens: TokenStore) -> None:
    """Fills the kept work of a new stage with what another did that was the same up to there; else does nothing.

    identity: all that a stage depends on, as JSON, with its config under `stage`. It is noted in `kept`, for later
    stages to look at.
    """
    if not (kept / IDENTITY).exists():
        own = {path.name for path in (kept / CHECKPOINTS).glob("step-*")} if (kept / CHECKPOINTS).exists() else set()
        found = [] if own else [_useful(*each, identity, tokens) for each in _others(store)]
        if best := max((each for each in found if each), default=None):
            step, folder, address = best
            with suppress(OSError):  # its run goes on meanwhile, and drops the checkpoint
                _take_over(folder, kept, step)
                event("inherited", step=step, address=address)
        write_file(kept / IDENTITY, orjson.dumps(identity))


def _others(store: Store) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Folders with checkpoints of stages, stopped and finished, and what those depended on."""
    for path in store.root.glob(f".work/train-*/kept/{IDENTITY}"):
        with suppress(OSError, ValueError):
            yield path.parent, orjson.loads(path.read_bytes())
    for path in store.root.glob(f"train-*/{BEFORE_COOL_DOWN}"):
        with suppress(OSError, ValueError, KeyError):
            manifest = orjson.loads((path.parent / MANIFEST).read_bytes())
            yield path, {"version": manifest["step_version"], "inputs": manifest["inputs"], **manifest["config"]}


def _useful(
    folder: Path, other: Mapping[str, Any], identity: Mapping[str, Any], tokens: TokenStore
) -> tuple[int, Path, str] | None:
    """The newest step of another stage that this one would have come to as well, its folder and its address."""
    with suppress(OSError, ValueError, KeyError):
        if _beginning(other) != _beginning(identity):
            return None
        before, config = (StageConfig.model_validate(each["stage"], strict=False) for each in (other, identity))
        most_steps = min(_steps_alike(before, config, tokens), _steps_of_one_mixture(before, config, tokens))
        steps = [int(path.name.removeprefix("step-")) for path in _checkpoints(folder)]
        newest = max((step for step in steps if step <= most_steps), default=0)
        return (newest, folder, folder.parent.name) if newest else None
    return None


def _steps_of_one_mixture(one: StageConfig, other: StageConfig, tokens: TokenStore) -> float:
    if one.mixture is None or other.mixture is None:
        return math.inf if one.mixture is other.mixture else 0
    from headrace.tokens.ordering import samples_alike  # brings the kernels' compiler: not for a finished run

    samples = samples_alike(one.mixture, other.mixture, tokens.plan)
    return math.inf if math.isinf(samples) else samples // other.batch_rows(tokens.row_tokens)


def _steps_alike(one: StageConfig, other: StageConfig, tokens: TokenStore) -> float:
    sizes = (tokens.plan.num_rows, tokens.row_tokens)
    schedules = [StageSchedule(config, config.num_steps(*sizes)) for config in (one, other)]
    steps = schedules[0].steps_alike(schedules[1])
    goes_by_length = isinstance(one.average, TailConfig) or not one.batch.is_fixed
    return 0 if goes_by_length and not math.isinf(steps) else steps


def _beginning(identity: Mapping[str, Any]) -> dict[str, Any]:
    """All that a stage depends on, but for how it ends."""
    stage = identity["stage"]
    schedule = {**ScheduleConfig().as_json(), **stage.get("schedule", {}), **SCHEDULE_ENDS}
    return {**identity, "stage": {**stage, **ENDS, "schedule": schedule}}


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((folder if folder.name == BEFORE_COOL_DOWN else folder / CHECKPOINTS).glob("step-*"))


def _take_over(folder: Path, kept: Path, step: int) -> None:
    """Links the checkpoints up to a step, which nobody changes any more, and copies what grows."""
    for name in ("numerics.json", "metrics.jsonl", "curriculum.npy"):
        # A finished stage has its metrics beside its model.
        for path in (folder / name, folder.parent / name):
            if path.exists():
                write_file(kept / name, path.read_bytes())
                break
    (kept / CHECKPOINTS).mkdir(exist_ok=True)
    for path in _checkpoints(folder):  # the best one before the newest, which counts
        if int(path.name.removeprefix("step-")) <= step:
            staged = kept / CHECKPOINTS / f".{path.name}.tmp"
            shutil.copytree(path, staged, copy_function=os.link)
            publish_folder(staged, kept / CHECKPOINTS / path.name)
