"""Work of a stage that was stopped, for a stage that wants the same up to there and another mixture from then on.

Which samples a stage has seen follows from its recipe alone. So where two recipes differ in nothing but what their
mixtures do after some sample, a checkpoint from before it belongs to both, bit for bit.
"""

import math
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from headrace.store import Store, publish_folder, write_file
from headrace.tokens import TokenStore
from headrace.tokens.mixture_config import MixtureConfig
from headrace.tokens.ordering import samples_alike
from headrace.trace import event
from headrace.train.config import StageConfig

IDENTITY = "stage.json"
CHECKPOINTS = "checkpoints"


def inherit(kept: Path, identity: Mapping[str, Any], *, store: Store, tokens: TokenStore) -> None:
    """Fills the kept work of a new stage with what a stopped one did that was the same up to there; else does nothing.

    identity: all that a stage depends on, as JSON, with its config under `stage`. It is noted in `kept`, for later
    stages to look at.
    """
    if not (kept / IDENTITY).exists():
        own = {path.name for path in (kept / CHECKPOINTS).glob("step-*")} if (kept / CHECKPOINTS).exists() else set()
        found = (
            []
            if own
            else [_useful(path, identity, tokens) for path in store.root.glob(f".work/train-*/kept/{IDENTITY}")]
        )
        if best := max((each for each in found if each), default=None):
            step, folder = best
            with suppress(OSError):  # its run goes on meanwhile, and drops the checkpoint
                _take_over(folder, kept, step)
                event("inherited", step=step, address=folder.parent.name)
        write_file(kept / IDENTITY, orjson.dumps(identity))


def _useful(path: Path, identity: Mapping[str, Any], tokens: TokenStore) -> tuple[int, Path] | None:
    """The newest step of a stopped stage that this one would have come to as well, and the stage's kept work."""
    with suppress(OSError, ValueError, KeyError):
        other = orjson.loads(path.read_bytes())
        if _without_mixture(other) != _without_mixture(identity):
            return None
        mixtures = [MixtureConfig.model_validate(each["stage"]["mixture"], strict=False) for each in (other, identity)]
        samples = samples_alike(mixtures[0], mixtures[1], tokens.plan)
        config = StageConfig.model_validate(identity["stage"], strict=False)
        most_steps = math.inf if math.isinf(samples) else samples // config.batch_rows(tokens.row_tokens)
        steps = [int(each.name.removeprefix("step-")) for each in (path.parent / CHECKPOINTS).glob("step-*")]
        newest = max((step for step in steps if step <= most_steps), default=0)
        return (newest, path.parent) if newest else None
    return None


def _without_mixture(identity: Mapping[str, Any]) -> dict[str, Any]:
    stage = {name: value for name, value in identity["stage"].items() if name != "mixture"}
    return {**identity, "stage": stage, "mixes": identity["stage"]["mixture"] is not None}


def _take_over(folder: Path, kept: Path, step: int) -> None:
    """Links the checkpoints up to a step, which nobody changes any more, and copies what grows."""
    for name in ("numerics.json", "metrics.jsonl", "curriculum.npy"):
        if (folder / name).exists():
            write_file(kept / name, (folder / name).read_bytes())
    (kept / CHECKPOINTS).mkdir(exist_ok=True)
    for path in sorted((folder / CHECKPOINTS).glob("step-*")):  # the best one before the newest, which counts
        if int(path.name.removeprefix("step-")) <= step:
            staged = kept / CHECKPOINTS / f".{path.name}.tmp"
            shutil.copytree(path, staged, copy_function=os.link)
            publish_folder(staged, kept / CHECKPOINTS / path.name)
