"""How a recipe is carried out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headrace.corpus.workers import EngineKind
from headrace.trace import Listener


@dataclass(frozen=True)
class RunOptions:
    """How a recipe is carried out, none of which changes what comes out."""

    runs: Path = Path("runs")
    """Folder of all runs and their common store."""
    recipe_folder: Path = Path()
    """Where the recipe's relative paths start."""
    num_processes: int = 1
    """Processes that train together."""
    num_workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    """Processes that read and curate text."""
    engine: EngineKind = "local"
    """Where they run: on this machine, or as tasks of a Ray cluster."""
    ray_address: str | None = None
    """Of the cluster; None starts one on this machine."""
    memory_limit_bytes: int | None = None
    """What curation may take, all its processes together; None: three quarters of the memory that is free."""
    reread: bool = False
    """Whether every raw file is read to see whether it has changed, and not only those with another size or time."""
    listeners: Sequence[Listener] = ()
    """Who is told of progress."""

    def with_workers(self, num_workers: int) -> "RunOptions":
        return replace(self, num_workers=num_workers)
