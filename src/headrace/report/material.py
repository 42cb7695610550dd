"""What a page is written from: a run's record, its artefacts told apart, the small files in them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from headrace.errors import StoreError
from headrace.evaluate.task_report import TASK_FILE, AnyTaskReport, read_task_report
from headrace.store import Artefact, RunFolder, RunRecord

MetricRecord = dict[str, Any]

# A kind of artefact is known by the file that only it holds, so a step may have any name and any number of brothers.
CURATED, VOCABULARY, TOKENS, MODEL, EVALUATION = (
    "ledger-*.parquet",
    "tokenizer.json",
    "*.idx",
    "metrics.jsonl",
    "evaluation.json",
)
QUALITY_STEP = "quality"


@dataclass(frozen=True)
class Step:
    """A step of the run."""

    label: str
    address: str
    artefact: Artefact | None
    """None if the artefact is no longer in the store."""


@dataclass(frozen=True)
class Stage:
    """A trained stage: its summary and what was recorded of every step."""

    label: str
    artefact: Artefact

    @property
    def summary(self) -> dict[str, Any]:
        return self.artefact.summary

    @property
    def unit(self) -> str:
        """What its length is counted in: tokens or examples."""
        return "examples" if "examples" in self.summary else "tokens"

    @cached_property
    def records(self) -> list[MetricRecord]:
        return read_lines(self.artefact.path / MODEL)

    @property
    def train(self) -> list[MetricRecord]:
        return [record for record in self.records if record["kind"] == "train"]

    @property
    def batches(self) -> list[MetricRecord]:
        """Decisions on the size of steps."""
        return [record for record in self.records if record["kind"] == "batch"]

    @property
    def validation(self) -> list[MetricRecord]:
        return [record for record in self.records if record["kind"] == "validation"]


@dataclass(frozen=True)
class Material:
    """A run as far as it has come."""

    record: RunRecord
    steps: tuple[Step, ...]

    @property
    def artefacts(self) -> list[Artefact]:
        """Those that are there, each once, in the order of the steps."""
        return list({step.address: step.artefact for step in self.steps if step.artefact}.values())

    @property
    def curated(self) -> Artefact | None:
        return self._last(CURATED)

    @property
    def quality(self) -> Artefact | None:
        """The learned models of quality; they lie in folders, so their step is known by its name."""
        found = [artefact for artefact in self.artefacts if artefact.manifest.step == QUALITY_STEP]
        return found[-1] if found else None

    @property
    def vocabulary(self) -> Artefact | None:
        found = [artefact for artefact in self._all(VOCABULARY) if not artefact.files(MODEL)]  # models hold a copy
        return found[-1] if found else None

    @property
    def tokens(self) -> Artefact | None:
        return self._last(TOKENS)

    @property
    def evaluation(self) -> Artefact | None:
        return self._last(EVALUATION)

    @cached_property
    def task(self) -> AnyTaskReport | None:
        """What the last evaluation of a task found. Raises StoreError if its file is damaged."""
        found = self._last(TASK_FILE)
        return read_task_report(found.path / TASK_FILE) if found else None

    @cached_property
    def stages(self) -> list[Stage]:
        return [Stage(step.label, step.artefact) for step in self.steps if step.artefact and step.artefact.files(MODEL)]

    @property
    def total_seconds(self) -> float:
        """Wall time of building everything the run led to, whichever run built it."""
        return sum(artefact.manifest.seconds for artefact in self.artefacts)

    def _all(self, pattern: str) -> list[Artefact]:
        return [artefact for artefact in self.artefacts if artefact.files(pattern)]

    def _last(self, pattern: str) -> Artefact | None:
        found = self._all(pattern)
        return found[-1] if found else None


def gather(run: RunFolder) -> Material:
    """The material of a run. Raises InputError if there is no run, StoreError if a manifest is damaged."""
    record = run.read()
    steps = (Step(step.label, step.address, run.store.find(step.address)) for step in record.steps)
    return Material(record, tuple(steps))


def read_json(artefact: Artefact, name: str) -> Any:
    """A JSON file of an artefact; an empty dict if it has none. Raises StoreError if it is damaged."""
    if name not in artefact.manifest.files:
        return {}
    path = artefact.path / name
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise StoreError(f"{path}: {error}. Run `headrace gc --damaged` and run again: it will be rebuilt.") from error


def read_lines(path: Path) -> list[MetricRecord]:
    """The records of a JSON-lines file. Raises StoreError if it is damaged."""
    try:
        return [orjson.loads(line) for line in path.read_bytes().split(b"\n") if line]
    except (OSError, orjson.JSONDecodeError) as error:
        raise StoreError(f"{path}: {error}. Run `headrace gc --damaged` and run again: it will be rebuilt.") from error
