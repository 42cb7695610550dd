"""Curves for TensorBoard while a stage trains."""

from types import TracebackType
from typing import TYPE_CHECKING

from headrace.report.curves import points_of
from headrace.store import RunFolder
from headrace.trace import Record

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FLUSH_SECONDS = 10


class TensorBoardWriter:
    """A trace listener that writes the metrics of one stage below the run's `tensorboard` folder, over steps.

    A resumed stage takes back the steps after its checkpoint, so every step is one point. Nothing is written, and
    torch is not imported, before the first metric. To be used in one process, as a context manager.
    """

    def __init__(self, run: RunFolder, stage: str) -> None:
        self._folder = run.tensorboard_path / stage
        self._resumed_step = 0
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> "TensorBoardWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._writer:
            self._writer.close()

    def __call__(self, record: Record) -> None:
        """Takes any record of the trace and writes those it knows."""
        if record["kind"] == "event" and record["name"] == "resumed":
            self._resumed_step = record["step"]
        if points := points_of(record):
            for name, value in points.values.items():
                self._open().add_scalar(name, value, points.step, walltime=points.time)

    def _open(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # Also where nothing is resumed: a stage killed before its first checkpoint has left points of steps 1, 2,
            # ...
            first_step = self._resumed_step + 1
            self._writer = SummaryWriter(str(self._folder), purge_step=first_step, flush_secs=FLUSH_SECONDS)
        return self._writer
