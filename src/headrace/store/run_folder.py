"""A run's own folder: which recipe it is, which artefacts it led to, and what it recorded on the way.

<runs>/<name>/run.json       the record below, replaced after every step
<runs>/<name>/trace.jsonl    spans and events of all sessions
<runs>/<name>/tensorboard/   curves
<runs>/<name>/report.html    the page to look at
<runs>/<name>/quarantine.parquet  the damaged records, only of a run that stopped because they were too many
<runs>/<name>/model          a link to the folder of the last trained model
<runs>/store/                the artefacts of all runs
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from headrace.config import Config
from headrace.errors import InputError, StoreError
from headrace.store.artefact import Artefact
from headrace.store.durable import write_file
from headrace.store.lock import hold
from headrace.store.store import Store

STORE_NAME = "store"
RECORD = "run.json"


class StepRecord(Config):
    """One step of a run and the artefact it led to."""

    label: str
    """What it did, for people: `measure novels`, `train`."""
    address: str


class RunRecord(Config):
    """What a run is and how far it has come."""

    name: str
    recipe: dict[str, JsonValue]
    """The whole recipe, defaults filled in."""
    recipe_folder: str
    """Where the recipe's relative paths start."""
    steps: tuple[StepRecord, ...] = ()
    versions: dict[str, str] = {}
    """headrace, Python and the libraries that results depend on."""
    finished: bool = False


@dataclass(frozen=True)
class RunFolder:
    """One run on disk."""

    path: Path

    @property
    def store(self) -> Store:
        return Store(self.path.parent / STORE_NAME)

    @property
    def record_path(self) -> Path:
        """What makes a folder a run's."""
        return self.path / RECORD

    @property
    def trace_path(self) -> Path:
        return self.path / "trace.jsonl"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    @property
    def tensorboard_path(self) -> Path:
        return self.path / "tensorboard"

    @property
    def quarantine_path(self) -> Path:
        """Damaged records of a run that stopped because they were too many; missing for any other."""
        return self.path / "quarantine.parquet"

    def read(self) -> RunRecord:
        """The record. Raises InputError, with the names there are, if this is no run, StoreError if it is damaged."""
        try:
            return RunRecord.model_validate_json(self.record_path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            names = ", ".join(folder.path.name for folder in list_runs(self.path.parent)) or "none yet"
            raise InputError(f"{self.path}: no run here. Runs in {self.path.parent}: {names}.") from None
        except ValueError as error:
            raise StoreError(
                f"{self.record_path}: not the record of a run. Remove it and run the recipe again: finished "
                "steps are found."
            ) from error

    def write(self, record: RunRecord) -> None:
        """Replaces the record in one step."""
        write_file(self.record_path, record.model_dump_json(indent=1).encode())

    def artefacts(self, step: str = "") -> list[Artefact]:
        """The published artefacts of this run in the order of its steps, of one kind of step if one is named."""
        found = (self.store.find(record.address) for record in self.read().steps)
        return [artefact for artefact in found if artefact and artefact.manifest.step.startswith(step)]

    def artefact(self, step: str) -> Artefact:
        """The last artefact of a kind. Raises InputError if the run has none, yet or at all."""
        if not (found := self.artefacts(step)):
            raise InputError(f"run {self.path.name}: no finished `{step}` step. Run its recipe again: it continues.")
        return found[-1]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Makes this process the only one that runs here.

        Raises BusyError if another does, InputError if there can be no folder of that path.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # nothing can be made in /proc, however far up one begins
            raise InputError(
                f"{self.path}: this folder cannot be made ({error.strerror}). Name a folder on a disk with `--runs`."
            ) from error
        with hold(self.path / ".lock", what=f"run {self.path.name}", wait_seconds=0):
            yield

    def link_model(self, artefact: Artefact) -> None:
        """Points `model` at an artefact of the store, by a relative link."""
        link = self.path / "model"
        temporary = self.path / ".model.tmp"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("..") / STORE_NAME / artefact.address, target_is_directory=True)
        temporary.replace(link)


def list_runs(runs: Path) -> list[RunFolder]:
    """Every run in a folder of runs, by name."""
    return [RunFolder(path.parent) for path in sorted(runs.glob(f"*/{RECORD}"))]
