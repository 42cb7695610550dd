"""What a search for better values has found so far: the file that its page is made from, and scripts may read.

<runs>/<name>-tune/study.db     Optuna's study, which a later session goes on with
<runs>/<name>-tune/search.json  the record below, replaced after every trial
<runs>/<name>-tune/report.html  its page
<runs>/<name>-trial-0007/       the run of a trial, like any other
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from headrace.config import Config
from headrace.errors import StoreError
from headrace.store import write_file

SUFFIX = "-tune"
RECORD = "search.json"


class Measurement(Config):
    """A held-out figure on the way."""

    step: int
    value: float


class TrialRecord(Config):
    """One recipe that was tried."""

    number: int
    """From 0."""
    state: Literal["finished", "pruned", "failed", "running"]
    parameters: dict[str, JsonValue]
    value: float | None = None
    """What it is worth; None unless it is finished."""
    measurements: tuple[Measurement, ...] = ()
    seconds: float | None = None
    """Wall time in the session that ended it; next to nothing where its artefacts were there."""
    error: str = ""
    """Why it failed, or at which measurement it was pruned."""
    run: str
    """Name of its run."""


class SearchRecord(Config):
    """A search as far as it has come."""

    name: str
    metric: str
    higher_is_better: bool
    sampler: str
    pruner: str
    space: dict[str, JsonValue]
    wanted: int
    """Trials asked for."""
    trials: tuple[TrialRecord, ...] = ()
    importance: dict[str, float] = {}
    """Key -> its share in how much the finished trials differ, largest first; empty while they are too few."""
    best: int | None = None
    """Number of the best trial."""
    best_recipe: str | None = None
    """Where the recipe with its values lies."""

    @property
    def best_trial(self) -> TrialRecord | None:
        return None if self.best is None else self.trials[self.best]


@dataclass(frozen=True)
class SearchFolder:
    """A search on disk."""

    path: Path

    @property
    def study_path(self) -> Path:
        return self.path / "study.db"

    @property
    def record_path(self) -> Path:
        return self.path / RECORD

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    def write(self, record: SearchRecord) -> None:
        """Replaces the record in one step."""
        write_file(self.record_path, record.model_dump_json(indent=1).encode())

    def read(self) -> SearchRecord:
        """The record. Raises StoreError if there is none, or it is damaged."""
        try:
            return SearchRecord.model_validate_json(self.record_path.read_bytes(), strict=False)
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.record_path}: no record of a search. `headrace tune` writes it anew.") from error
