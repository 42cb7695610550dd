"""The record of a run, which grows with each step."""

import importlib.metadata
import platform
from collections.abc import Callable

from headrace.pipeline.options import RunOptions
from headrace.recipe import Recipe
from headrace.report.html import build_report
from headrace.store import Artefact, RunFolder, RunRecord, StepRecord
from headrace.trace import event, span
from headrace.version import VERSION

LIBRARIES = (
    "torch",
    "numpy",
    "pyarrow",
    "polars",
    "tokenizers",
    "gigatoken",
    "resiliparse",
    "py3langid",
    "jieba",
    "numba",
)


class Steps:
    """Carries out the steps of a run and notes what they led to."""

    def __init__(self, recipe: Recipe, options: RunOptions, run: RunFolder) -> None:
        self._run = run
        self._before = run.read() if run.record_path.exists() else None
        self._record = RunRecord(
            name=recipe.name,
            recipe=recipe.as_json(),
            recipe_folder=str(options.recipe_folder.absolute()),
            versions=_versions(),
        )

    @property
    def is_first(self) -> bool:
        """Whether nothing has been recorded of this run."""
        return self._before is None

    def write(self) -> None:
        """Writes the record as it is."""
        self._run.write(self._record)

    def finish(self) -> None:
        """Notes that the run is finished, and makes its page, unless both are as they were."""
        self._record = self._record.model_copy(update={"finished": True})
        if self._record != self._before or not self._run.report_path.exists():
            self._run.write(self._record)
            with span("report"):
                build_report(self._run)

    def step(self, label: str, make: Callable[[], Artefact]) -> Artefact:
        """Carries a step out, announces its begin and end, and notes its artefact in the run's record."""
        event("step_begins", step=label)
        with span("step", step=label) as timed:
            artefact = make()
        self.note(label, artefact)
        event("step_ends", step=label, seconds=timed.seconds, address=artefact.address)
        return artefact

    def note(self, label: str, artefact: Artefact) -> None:
        step = StepRecord(label=label, address=artefact.address)
        self._record = self._record.model_copy(update={"steps": (*self._record.steps, step)})
        done_before = self._before.steps[: len(self._record.steps)] if self._before else ()
        if self._record.steps != done_before:  # a run done again must not forget for a moment what it leads to
            self._run.write(self._record)


def _versions() -> dict[str, str]:
    """headrace, Python, and the libraries that results depend on, as far as they are installed."""
    found = {"headrace": VERSION, "python": platform.python_version(), "platform": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
