"""The trials of a search one after the other, and what is written after each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import RecipeError, RunError
from headrace.report.search import build_search_report
from headrace.report.search_record import SearchFolder, SearchRecord, TrialRecord
from headrace.search.request import SearchRequest
from headrace.search.written import is_ours, write_recipe
from headrace.store.lock import hold

if TYPE_CHECKING:
    from optuna.trial import Trial

    from headrace.search.study import Study

BEST_SUFFIX = "-best"
MOST_FAILURES = 3
"""Trials that may fail before any other end: what is wrong then is no matter of values."""


@dataclass(frozen=True)
class Search:
    """A search as far as it has come."""

    folder: SearchFolder
    record: SearchRecord

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.folder.report_path

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        return self.record.trials

    @property
    def best(self) -> TrialRecord:
        """The best trial. Raises RunError if none is finished."""
        if (trial := self.record.best_trial) is None:
            raise RunError(f"search {self.record.name}: no trial is finished, so that none is the best.")
        return trial

    @property
    def best_recipe(self) -> Path | None:
        """The recipe with its values, for `headrace run`."""
        return Path(self.record.best_recipe) if self.record.best_recipe else None


def search(request: SearchRequest) -> Search:
    """Carries out the trials that are left of a search.

    Raises HeadraceError; every trial that is over is kept, and the same call goes on with the one at hand.
    """
    request.check()
    best_path = request.origin.with_name(f"{request.origin.stem}{BEST_SUFFIX}{request.origin.suffix or '.yaml'}")
    if not is_ours(best_path):
        raise RecipeError(f"{best_path}: the best recipe is written here, and this file is none. Move it elsewhere.")
    from headrace.search.study import Study

    folder = request.folder
    with hold(folder.path / ".lock", what=f"search {request.recipe.name}", wait_seconds=0):
        study = Study(request)
        record = _write(study.record(), request, best_path)
        while (trial := study.next_trial()) is not None:
            _carry_out(trial, study, request)
            record = _write(study.record(), request, best_path)
            _announce_end(record.trials[trial.number], record, request)
            _give_up_if_all_fail(record)
    return Search(folder, record)


def _carry_out(trial: "Trial", study: "Study", request: SearchRequest) -> None:
    """One trial, from its announcement to what the study is told."""
    from headrace.search.study import Outcome
    from headrace.search.trial import carry_out

    values = study.values_of(trial)
    _announce(request, "trial_begins", number=trial.number, wanted=request.config.trials, values=values)
    if twin := study.twin_of(trial):
        assert twin.state != "running", "a twin is over"
        error = f"like trial {twin.number}: {twin.error}" if twin.error else ""
        outcome = Outcome(twin.state, twin.value, error=error)
    else:
        outcome = carry_out(trial, values, request)
    study.tell(trial, outcome)


def _announce_end(trial: TrialRecord, record: SearchRecord, request: SearchRequest) -> None:
    best = record.best_trial
    _announce(
        request,
        "trial_ends",
        number=trial.number,
        state=trial.state,
        metric=record.metric,
        value=trial.value,
        error=trial.error,
        best=None if best is None else best.value,
    )


def _give_up_if_all_fail(record: SearchRecord) -> None:
    failed = [trial for trial in record.trials if trial.state == "failed"]
    if len(failed) == len(record.trials) >= MOST_FAILURES:
        raise RunError(
            f"all {len(failed)} trials have failed, the last one because: {failed[-1].error} If that is no matter of "
            "the values tried, put the recipe right, and remove the folder of this search."
        )


def _write(record: SearchRecord, request: SearchRequest, best_path: Path) -> SearchRecord:
    """Writes the record, its page, and the best recipe so far; returns the record, which names that recipe now."""
    if (best := record.best_trial) is not None:
        given = request.written(best.parameters, name=f"{request.recipe.name}{BEST_SUFFIX}")
        finished = sum(trial.state == "finished" for trial in record.trials)
        about = f"the best of {finished} finished trials of {request.origin.name}, {record.metric} {best.value:.6g}."
        write_recipe(given, best_path, about=about)
        record = record.model_copy(update={"best_recipe": str(best_path)})
    request.folder.write(record)
    build_search_report(request.folder)
    return record


def _announce(request: SearchRequest, name: str, **fields: Any) -> None:
    record: Mapping[str, Any] = {"kind": "event", "name": name, **fields}
    for listener in request.options.listeners:
        listener(dict(record))
