"""Going over the texts of chosen documents again, a shard at a time, with what is found kept from kill to kill."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headrace.corpus.decide.context import Context
from headrace.corpus.decide.shards import Shard
from headrace.corpus.decide.texts import TextsOfRows, of_shards
from headrace.corpus.decide.verdicts import Rows
from headrace.corpus.kept import ensure_unit
from headrace.corpus.texts import Texts
from headrace.trace import progress


@dataclass(frozen=True, slots=True, eq=False)
class ShardTask:
    """The chosen documents of a shard, and where what is found in them goes."""

    shard: Shard
    rows: Rows
    number: int
    """Among the shards that have chosen documents."""
    folder: Path

    def __str__(self) -> str:
        return f"the texts of {self.shard.documents}"

    def texts(self) -> Texts:
        """The texts of `rows`."""
        return TextsOfRows(of_shards([self.shard]))(self.rows)

    def ensure(self, build: Callable[[Path], None]) -> None:
        """Fills the folder, unless a run before a kill did."""
        ensure_unit(self.folder, build)


class Sweep:
    """Stages over the same documents."""

    def __init__(self, context: Context, rows: Rows, *, name: str, settings: str) -> None:
        """rows: the documents, ascending. settings: all that results depend on besides them."""
        digest = hashlib.sha256(rows.tobytes() + settings.encode()).hexdigest()[:16]
        self.context = context
        self.name = name
        self.scratch = context.kept / f"{name}-{digest}"
        """A folder whose name is as unique as the results."""
        self.scratch.mkdir(exist_ok=True)
        of_shards = ((shard, rows[slice(*np.searchsorted(rows, (shard.first, shard.end)))]) for shard in context.shards)
        self._shards = [(shard, chosen) for shard, chosen in of_shards if len(chosen)]

    def stage(self, name: str, function: Callable[[ShardTask], None]) -> list[Path]:
        """Carries out a stage for every shard; returns the folders it filled."""
        tasks = self.tasks(name)
        for number, _ in enumerate(self.context.workers.map(function, tasks), start=1):
            progress(self.name, number, len(tasks), unit="shards")
        return [task.folder for task in tasks]

    def tasks(self, stage: str) -> list[ShardTask]:
        """The units of work of a stage."""
        return [
            ShardTask(shard, rows, number, self.scratch / stage / f"unit-{number:05d}")
            for number, (shard, rows) in enumerate(self._shards)
        ]
