"""Curves for MLflow while a stage trains."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.report.curves import CURVES, Points
from headrace.report.track_config import MlflowConfig
from headrace.report.tracker import TrackedStage

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "mlruns"
MOST_METRICS, MOST_PARAMETERS, MOST_CHARACTERS = 1000, 100, 500  # that a server takes in one request
ALLOW_FOLDERS = "MLFLOW_ALLOW_FILE_STORE"


class MlflowTracker:
    """Writes to one run of MLflow; a stage that is resumed goes on with its run, and no step is in it twice."""

    def __init__(self, config: MlflowConfig, stage: TrackedStage) -> None:
        import mlflow  # noqa: F401  (here, and used by the other thread)

        self._config, self._stage = config, stage

    def open(self) -> None:
        from mlflow import MlflowClient

        os.environ.setdefault(ALLOW_FOLDERS, "true")  # since 3.7 MLflow wants to be asked for a folder
        self._client = MlflowClient(tracking_uri=self._uri())
        known = self._stage.known_id("mlflow")
        self._run_id = known or self._begin(self._client)
        self._last_steps = {
            name: self._last_step(name) if known else 0 for each in CURVES.values() for name in [*each.values()]
        }
        if known:
            self._client.update_run(known, status="RUNNING")

    def add(self, points: Sequence[Points]) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(name, value, int(each.time * 1000), each.step)
            for each in points
            for name, value in each.values.items()
            # What is repeated after a kill has the same values: those that are there stay.
            if each.step > self._last_steps[name]
        ]
        for start in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + MOST_METRICS])

    def close(self, *, failed: bool) -> None:
        self._client.set_terminated(self._run_id, status="FAILED" if failed else "FINISHED")

    def _uri(self) -> str:
        own = (self._stage.run.path.parent / FOLDER).absolute().as_uri()
        return self._config.uri or os.environ.get("MLFLOW_TRACKING_URI") or own

    def _begin(self, client: "MlflowClient") -> str:
        from mlflow.entities import Param

        name = self._config.experiment
        experiment = client.get_experiment_by_name(name)
        place = experiment.experiment_id if experiment else client.create_experiment(name)
        run_id = str(client.create_run(place, run_name=self._stage.title).info.run_id)
        self._stage.remember_id("mlflow", run_id)
        parameters = [Param(key, str(value)[:MOST_CHARACTERS]) for key, value in flat(self._stage.settings)]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            client.log_batch(run_id, params=parameters[start : start + MOST_PARAMETERS])
        return run_id

    def _last_step(self, name: str) -> int:
        return max((metric.step for metric in self._client.get_metric_history(self._run_id, name)), default=0)


def flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as dotted keys and single values."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
