"""TensorBoard reads back one point per step, whatever was killed and resumed."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.report import TensorBoardWriter
from headrace.store import RunFolder
from headrace.trace import event, progress, recording, span

pytestmark = pytest.mark.usefixtures("event_files_in_order")


def train(run: RunFolder, first_step: int, last_step: int, *, value: float, resumed_step: int = 0) -> None:
    """Emits what a stage emits."""
    with TensorBoardWriter(run, "train") as curves, recording(None, [curves]):
        event("numerics", precision="bf16")
        if resumed_step:
            event("resumed", step=resumed_step)
        with span("train"):
            for step in range(first_step, last_step + 1):
                event(
                    "train_metrics",
                    step=step,
                    tokens=step * 8,
                    loss=value + step,
                    learning_rate=1e-3,
                    gradient_norm=0.5,
                    seconds=0.1,
                    wait_seconds=0.0,
                    tokens_per_second=80.0,
                    share_of_peak=0.5,
                )
                progress("train", step, last_step)
                if step % 2 == 0:
                    event("validation_metrics", step=step, loss=10 * value + step, improved=True)


def read(run: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Curve -> its points, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.tensorboard_path / "train"), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "quickstart")


def test_every_metric_is_a_curve_over_steps(run: RunFolder) -> None:
    train(run, 1, 4, value=1.0)

    curves = read(run)

    assert set(curves) == {
        "train/loss",
        "train/learning_rate",
        "train/gradient_norm",
        "train/tokens_per_second",
        "train/wait_seconds",
        "validation/loss",
    }
    assert curves["train/loss"] == [(1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0)]
    assert curves["validation/loss"] == [(2, 12.0), (4, 14.0)]


def test_a_resumed_stage_replaces_the_steps_after_its_checkpoint(run: RunFolder) -> None:
    train(run, 1, 5, value=1.0)
    train(run, 4, 7, value=100.0, resumed_step=3)

    curves = read(run)

    assert curves["train/loss"] == [(1, 2.0), (2, 3.0), (3, 4.0), (4, 104.0), (5, 105.0), (6, 106.0), (7, 107.0)]
    assert curves["validation/loss"] == [(2, 12.0), (4, 1004.0), (6, 1006.0)]


def test_a_stage_killed_before_its_first_checkpoint_begins_anew(run: RunFolder) -> None:
    train(run, 1, 5, value=1.0)
    train(run, 1, 3, value=100.0)

    assert read(run)["train/loss"] == [(1, 101.0), (2, 102.0), (3, 103.0)]


def test_nothing_is_written_or_imported_before_the_first_metric(run: RunFolder) -> None:
    code = (
        "import sys, pathlib; from headrace.store import RunFolder; from headrace.report import TensorBoardWriter\n"
        "with TensorBoardWriter(RunFolder(pathlib.Path(sys.argv[1])), 'train') as curves:\n"
        "    curves({'kind': 'event', 'name': 'numerics', 'time': 0.0})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(run.path)], check=True)

    assert not run.tensorboard_path.exists()
