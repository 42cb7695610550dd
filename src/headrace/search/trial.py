"""One trial: its recipe, its run, what it is worth."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from optuna.trial import Trial

from headrace.errors import BusyError, HeadraceError, InputError, PrunedError, StoppedError
from headrace.pipeline import Run, run_recipe
from headrace.recipe import Recipe
from headrace.recipe.load import check_recipe
from headrace.search.request import SearchRequest
from headrace.search.study import Outcome, run_name
from headrace.search.watch import Watch
from headrace.store import RunFolder
from headrace.train.metrics import read_metrics


def carry_out(trial: Trial, values: Mapping[str, Any], request: SearchRequest) -> Outcome:
    """Trains a trial's model, or goes on with it, and says what came of it.

    What fails because of its values is an outcome. Raised is what would stop every other trial too: Ctrl-C, a full
    disk, another process that works in the run.
    """
    began = time.monotonic()
    run = RunFolder(request.options.runs / run_name(request.recipe.name, trial.number))
    watch = Watch(trial, request, run.store)
    try:
        finished = _run(values, request, run, watch)
        watch.take_all(run.artefacts("train")[-1].path / "metrics.jsonl")
        outcome = Outcome("finished", _value(finished, request))
    except (StoppedError, BusyError):
        raise
    except PrunedError as error:
        outcome = Outcome("pruned", error=str(error))
    except HeadraceError as error:
        outcome = Outcome("failed", error=_sentence(str(error)))
    except (RuntimeError, MemoryError) as error:  # torch's, where values make a model too large or its numbers wild
        outcome = Outcome("failed", error=_sentence(f"{type(error).__name__}: {error}"))
    if outcome.state != "finished" and watch.work is not None:
        run.store.remove(watch.work)  # checkpoints of a trial that nobody will go on with
    return replace(outcome, seconds=round(time.monotonic() - began, 3))


def _run(values: Mapping[str, Any], request: SearchRequest, run: RunFolder, watch: Watch) -> Run:
    options = replace(request.options, listeners=(*request.options.listeners, watch))
    return run_recipe(_recipe(values, request, name=run.path.name), options)


def _recipe(values: Mapping[str, Any], request: SearchRequest, *, name: str) -> Recipe:
    """What a trial carries out: of all that is evaluated, only what it is judged by."""
    given = request.written(values, name=name)
    given.pop("evaluate", None)
    if request.config.metric == "bits_per_byte":
        given["evaluate"] = ["bits_per_byte"]
    return check_recipe(given, f"trial {name}")


def _value(run: Run, request: SearchRequest) -> float:
    """What the published weights are worth. Raises InputError if that is no number."""
    metric = request.config.metric
    value = run.evaluation.bits_per_byte if metric == "bits_per_byte" else _of_last_stage(run, metric)
    if not math.isfinite(value):
        raise InputError(f"{metric} is {value}.")
    return value


def _of_last_stage(run: Run, metric: str) -> float:
    trained = run.folder.artefacts("train")[-1]
    summary = trained.summary
    if summary["published"] == "average":
        return float(summary["average_validation_loss"])
    measured = [record for record in read_metrics(trained.path / "metrics.jsonl") if record["kind"] == "validation"]
    best = [record for record in measured if record["step"] == summary["best_step"]]
    published = best[0] if summary["published"] == "best" else measured[-1]
    return float(published["accuracy" if metric == "validation_accuracy" else "loss"])


def _sentence(message: str) -> str:
    return " ".join(message.split())
