"""Curves for Weights & Biases while a stage trains."""

import netrc
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.errors import RecipeError
from headrace.report.curves import Points
from headrace.report.track_config import WandbConfig
from headrace.report.tracker import TrackedStage

if TYPE_CHECKING:
    from wandb import Run

SERVICE_WAIT, SERVICE_SECONDS = "WANDB__SERVICE_WAIT", "300"
"""wandb's own process has 30 s to start, and was seen to need them while training takes every core."""

FOLDER_SECONDS = 1.0
"""wandb names an offline folder by its id and the second: two sessions of one second would be one folder."""


class WandbTracker:
    """Writes to one run of Weights & Biases; a stage that is resumed goes on under the same id.

    What is repeated after a kill has the same values, and the server keeps those that came first.
    """

    def __init__(self, config: WandbConfig, stage: TrackedStage) -> None:
        os.environ.setdefault(SERVICE_WAIT, SERVICE_SECONDS)
        import wandb  # here, and used by the other thread

        self._config, self._stage = config, stage
        if config.mode == "online" and not _is_logged_in(str(wandb.Settings().base_url)):
            raise RecipeError("nobody is logged in. Run `wandb login`, or write `mode: offline`.")

    def open(self) -> None:
        import wandb

        config, stage = self._config, self._stage
        if known := stage.known_id("wandb"):
            time.sleep(FOLDER_SECONDS)  # in this thread nobody waits for it
        name = known or uuid.uuid4().hex[:16]
        stage.remember_id("wandb", name)
        self._run: Run = wandb.init(
            project=config.project,
            entity=config.entity,
            name=stage.title,
            id=name,
            resume="allow" if known and config.mode == "online" else None,
            dir=str(stage.run.path),
            mode=config.mode,
            config=dict(stage.settings),
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )

    def add(self, points: Sequence[Points]) -> None:
        for each in points:
            self._run.log(each.values, step=each.step)

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


def _is_logged_in(base_url: str) -> bool:
    """Whether there is a key: without one, wandb would ask for it in the middle of training."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        return netrc.netrc(str(path)).authenticators(urlsplit(base_url).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False
