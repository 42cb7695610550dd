"""Whoever watches the stage of a trial: notes its measurements in the study, and gives the trial up.

It listens to the trace like a progress bar and ends the stage as Ctrl-C would, by raising. So the loop knows neither
it nor Optuna, and what a run computes is the same with and without it.
"""

import math
from pathlib import Path

from optuna.trial import Trial

from headrace.errors import PrunedError
from headrace.search.request import SearchRequest
from headrace.store import Store
from headrace.trace import Record
from headrace.train.metrics import read_metrics


class Watch:
    """A trace listener for one trial."""

    def __init__(self, trial: Trial, request: SearchRequest, store: Store) -> None:
        self._trial, self._store = trial, store
        self._label, self._metric = request.last_label, request.config.metric
        self._step = ""
        self._bits_per_nat = 1.0
        self._steps: list[int] = []
        self._is_last = False
        self.building: str | None = None
        """Address of what is built just now."""

    def __call__(self, record: Record) -> None:
        """Takes any record of the trace. Raises PrunedError when the trial is to be given up."""
        if record["kind"] == "progress":
            self._is_last = record["name"] == "train" and record["done"] >= record["total"]
        if record["kind"] != "event":
            return
        match record["name"]:
            case "step_begins":
                self._step = record["step"]
            case "building":
                self.building = record["address"]
            case "step_ends" if record["step"] == "tokens":
                self._bits_per_nat = self._bits_of(record["address"])
            case "resumed" if self._step == self._label:
                assert self.building is not None, "a stage that goes on is being built"
                self._take_back(self._store.kept_folder(self.building) / "metrics.jsonl", record["step"])
            case "validation_metrics" if self._step == self._label:
                self._judge(record)

    @property
    def work(self) -> Path | None:
        """What the trial leaves of the stage it was at."""
        is_stage = self.building is not None and self.building.startswith("train-")
        return self._store.kept_folder(self.building).parent if self.building and is_stage else None

    def take_all(self, metrics: Path) -> None:
        """Every measurement of a stage that is finished, which may have been before there was anything to watch."""
        self._take_back(metrics, math.inf)

    def _bits_of(self, address: str) -> float:
        """Bits per byte of the held-out documents for each nat per token."""
        artefact = self._store.find(address)
        assert artefact is not None, "the step has just ended"
        counts = artefact.summary["validation"]
        return float(counts["tokens"]) / max(1.0, float(counts["bytes"])) / math.log(2)

    def _take_back(self, metrics: Path, last_step: float) -> None:
        """Measurements from before the checkpoint that a stage goes on from, which may be another stage's."""
        self._steps = []
        for record in read_metrics(metrics):
            if record["kind"] == "validation" and record["step"] <= last_step:
                self._note(record)

    def _judge(self, record: Record) -> None:
        value = self._note(record)
        # At the end of a stage everything is paid for: what it is worth tells more than that it was given up.
        if not self._is_last and self._trial.should_prune():
            number = len(self._steps)
            raise PrunedError(f"given up at measurement {number}, step {record['step']:,}: {self._metric} {value:.4f}.")

    def _note(self, record: Record) -> float:
        """Reports a measurement under its number: where batches differ, steps do not, but shares of the text do."""
        self._steps.append(record["step"])
        value = float(record["accuracy" if self._metric == "validation_accuracy" else "loss"])
        if self._metric == "bits_per_byte":
            value *= self._bits_per_nat
        self._trial.set_user_attr("steps", self._steps)
        if len(self._steps) not in self._reported():
            self._trial.report(value, len(self._steps))
        return value

    def _reported(self) -> dict[int, float]:
        study = self._trial.study
        known: dict[int, float] = study.get_trials(deepcopy=False)[self._trial.number].intermediate_values
        return known
