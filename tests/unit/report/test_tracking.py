"""Every tracker has the curves that the stage's own record has, and none of them can stop the stage."""

import importlib.util
import logging
import re
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import RecipeError
from headrace.recipe.load import check_recipe
from headrace.report import tracking as module
from headrace.report.curves import CURVES
from headrace.report.track_config import MlflowConfig, TensorBoardConfig, TrackConfig, WandbConfig
from headrace.report.tracker import TrackedStage
from headrace.report.tracking import check_installed, tracking
from headrace.store import RunFolder
from headrace.trace import event, recording
from headrace.train.metrics import MetricLog, read_metrics

pytestmark = pytest.mark.usefixtures("event_files_in_order")

Points = dict[str, list[tuple[int, float]]]
CONFIGS: dict[str, TrackConfig] = {
    "tensorboard": TensorBoardConfig(),
    "wandb": WandbConfig(project="mill"),
    "mlflow": MlflowConfig(experiment="mill"),
}
SETTINGS = {"seed": 3, "stage": {"learning_rate": 2e-3, "optimizer": {"name": "muon"}}}
needs = {
    name: pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"headrace[{name}] is not installed")
    for name in ("wandb", "mlflow")
}
EVERY = ["tensorboard", *(pytest.param(name, marks=mark) for name, mark in needs.items())]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackedStage:
    """A stage with nobody's account and no network at hand."""
    for name in ("WANDB_API_KEY", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no.netrc"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB__DISABLE_STATS", "true")
    monkeypatch.setattr(module, "CLOSE_SECONDS", 240.0)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    run, kept = RunFolder(tmp_path / "runs" / "quickstart"), tmp_path / "kept"
    run.path.mkdir(parents=True)
    kept.mkdir()
    return TrackedStage(run, "train", kept, SETTINGS)


def train(stage: TrackedStage, configs: list[TrackConfig], *, first: int, last: int, killed: bool = False) -> None:
    """What a stage records from one step to another; the record itself is cut back to where it goes on."""
    with tracking(configs, stage) as trackers, recording(None, trackers):
        if first > 1:
            event("resumed", step=first - 1)
        log = MetricLog(stage.kept / "metrics.jsonl", resumed_step=first - 1)
        for step in range(first, last + 1):
            loss = 3.0 + 1 / step
            values = {"loss": loss, "learning_rate": 1e-3, "gradient_norm": 0.5 * step, "wait_seconds": 0.0}
            log.write("train", {"step": step, "tokens": 8 * step, **values, "tokens_per_second": 80.0 + step})
            if step % 2 == 0:
                log.write("validation", {"step": step, "loss": loss + 0.1, "accuracy": 0.25, "improved": True})
        log.close()
        if killed:
            raise KeyboardInterrupt


def recorded(stage: TrackedStage) -> Points:
    """Curve -> its points, as metrics.jsonl has them."""
    found: Points = {}
    for record in read_metrics(stage.kept / "metrics.jsonl"):
        for field, name in CURVES[f"{record['kind']}_metrics"].items():
            if field in record:
                found.setdefault(name, []).append((record["step"], record[field]))
    return found


def from_tensorboard(stage: TrackedStage) -> Points:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(stage.run.tensorboard_path / stage.label), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(point.step, point.value) for point in events.Scalars(name)] for name in events.Tags()["scalars"]}


def from_mlflow(stage: TrackedStage) -> Points:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(stage.run.path.parent / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("mill")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "3", "stage.learning_rate": "0.002", "stage.optimizer.name": "muon"}
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: [(metric.step, metric.value) for metric in history] for name, history in histories.items()}


def from_wandb(stage: TrackedStage) -> Points:
    """The history in the offline files, in the order of their sessions; the first of a step counts, as on a server."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, dict[int, float]] = {}
    ids = set()
    for path in sorted(stage.run.path.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime):
        for data in wandb_records(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            if record.HasField("run"):
                ids.add((record.run.run_id, record.run.project))
            for item in record.history.item:
                name = item.key or "/".join(item.nested_key)
                if not name.startswith("_"):
                    step = record.history.step.num
                    found.setdefault(name, {}).setdefault(step, float(item.value_json))
    assert ids == {(stage.known_id("wandb"), "mill")}
    return {name: sorted(points.items()) for name, points in found.items()}


def wandb_records(data: bytes) -> Iterator[bytes]:
    """The records of an offline file: LevelDB's log, blocks of 32 kB after a header of seven bytes."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32_768 - place % 32_768 < 7:
            place += 32_768 - place % 32_768
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


READ: dict[str, Callable[[TrackedStage], Points]] = {
    "tensorboard": from_tensorboard,
    "wandb": from_wandb,
    "mlflow": from_mlflow,
}


def as_float32(points: Points) -> Points:
    return {
        name: [(step, struct.unpack("f", struct.pack("f", value))[0]) for step, value in curve]
        for name, curve in points.items()
    }


@pytest.mark.parametrize("name", EVERY)
def test_a_tracker_has_the_curves_of_the_record(name: str, stage: TrackedStage) -> None:
    """Also of a stage that was stopped at step 5 and went on from step 3: every step is there once."""
    with pytest.raises(KeyboardInterrupt):
        train(stage, [CONFIGS[name]], first=1, last=5, killed=True)
    train(stage, [CONFIGS[name]], first=4, last=7)

    wanted = recorded(stage)

    assert READ[name](stage) == (as_float32(wanted) if name == "tensorboard" else wanted)
    assert {curve: len(points) for curve, points in wanted.items()}["train/loss"] == 7


class Failing:
    """A tracker that breaks at a given call."""

    def __init__(self, at: str) -> None:
        self._at = at

    def open(self) -> None:
        self._maybe("open")

    def add(self, points: Any) -> None:
        self._maybe("add")

    def close(self, *, failed: bool) -> None:
        self._maybe("close")

    def _maybe(self, call: str) -> None:
        if call == self._at:
            raise ConnectionError("no server\nanswers")


@pytest.mark.parametrize("at", ["making", "open", "add", "close"])
def test_a_tracker_that_fails_is_one_warning(
    at: str, stage: TrackedStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def make(config: TrackConfig, given: TrackedStage) -> Failing:
        if at == "making":
            raise ConnectionError("no server answers")
        return Failing(at)

    monkeypatch.setattr(module, "_make", make)
    with caplog.at_level(logging.WARNING):
        train(stage, [TensorBoardConfig(), WandbConfig()], first=1, last=6)

    assert [record.message for record in caplog.records] == [
        "track: wandb failed and is left out from here on; training goes on: no server answers"
    ]
    assert from_tensorboard(stage) == as_float32(recorded(stage))


def test_tensorboard_that_cannot_write_is_one_warning(stage: TrackedStage, caplog: pytest.LogCaptureFixture) -> None:
    stage.run.tensorboard_path.write_text("a file where a folder should be")
    with caplog.at_level(logging.WARNING):
        train(stage, [TensorBoardConfig()], first=1, last=6)

    assert len([record for record in caplog.records if record.message.startswith("track: tensorboard failed")]) == 1
    assert len(recorded(stage)["train/loss"]) == 6


def test_a_tracker_that_hangs_holds_up_neither_the_loop_nor_its_end(
    stage: TrackedStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Hanging(Failing):
        def open(self) -> None:
            time.sleep(3)

    monkeypatch.setattr(module, "_make", lambda config, stage: Hanging("never"))
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)
    with caplog.at_level(logging.WARNING):
        train(stage, [MlflowConfig()], first=1, last=50)

    (record,) = caplog.records
    assert re.search("mlflow failed .* still sending", record.message)


@needs["wandb"]
def test_who_is_not_logged_in_is_not_asked_for_a_key(stage: TrackedStage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        train(stage, [WandbConfig(mode="online")], first=1, last=2)

    assert [record.message for record in caplog.records] == [
        (
            "track: wandb failed and is left out from here on; training goes on: nobody is logged in. "
            "Run `wandb login`, or write `mode: offline`."
        )
    ]


def test_nothing_is_begun_for_a_stage_without_metrics(stage: TrackedStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_make", lambda config, stage: Failing("open"))
    with tracking([TensorBoardConfig(), WandbConfig()], stage) as trackers, recording(None, trackers):
        event("numerics", precision="bf16")

    assert list(stage.run.path.iterdir()) == []


def test_a_tracker_that_is_not_installed_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(RecipeError, match=r"wandb is not installed. Run: pip install 'headrace\[wandb\]'"):
        check_installed([TensorBoardConfig(), WandbConfig()])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([], ()),
        ("wandb", (WandbConfig(),)),
        ({"name": "mlflow", "experiment": "mill"}, (MlflowConfig(experiment="mill"),)),
        (["tensorboard", {"name": "wandb", "mode": "online"}], (TensorBoardConfig(), WandbConfig(mode="online"))),
    ],
)
def test_trackers_are_written_by_name_or_with_settings(written: Any, meant: tuple[TrackConfig, ...]) -> None:
    given = {"name": "a", "seed": 1, "corpus": {"sources": [{"name": "x", "path": "x.txt"}]}, "train": {}}

    assert check_recipe({**given, "track": written}, "a.yaml").track == meant
    assert check_recipe(given, "a.yaml").track == (TensorBoardConfig(),)


def test_an_unknown_tracker_is_refused_by_name() -> None:
    given = {"name": "a", "seed": 1, "corpus": {"sources": [{"name": "x", "path": "x.txt"}]}, "train": {}}

    with pytest.raises(RecipeError, match=r"track\.0: got 'comet', wanted one of 'tensorboard', 'wandb', 'mlflow'"):
        check_recipe({**given, "track": ["comet"]}, "a.yaml")
