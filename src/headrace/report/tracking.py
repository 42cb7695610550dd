"""Trackers of a stage: each is given the same curves, and none can stop training.

What a tracker raises is one warning, and it is told nothing more. Those that may wait for a network work in a thread of
their own, so that the loop never waits for them.
"""

import importlib.util
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType

from headrace.errors import RecipeError
from headrace.report.curves import Points, points_of
from headrace.report.tensorboard import TensorBoardWriter
from headrace.report.track_config import MlflowConfig, TensorBoardConfig, TrackConfig
from headrace.report.tracker import TrackedStage, Tracker
from headrace.trace import Listener, Record

CLOSE_SECONDS = 60.0
"""How long the end of a stage waits for what is still to be sent."""

logger = logging.getLogger("headrace")


@contextmanager
def tracking(configs: Sequence[TrackConfig], stage: TrackedStage) -> Iterator[list[Listener]]:
    """Listeners that hand a stage's curves to its trackers, for the length of the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(_listener(config, stage)) for config in configs]


def check_installed(configs: Sequence[TrackConfig]) -> None:
    """Raises RecipeError if a tracker's package is missing."""
    for config in configs:
        if not isinstance(config, TensorBoardConfig) and importlib.util.find_spec(config.name) is None:
            raise RecipeError(
                f"track: {config.name} is not installed. Run: pip install 'headrace[{config.name}]', or leave it out."
            )


def _listener(config: TrackConfig, stage: TrackedStage) -> AbstractContextManager[Listener]:
    if isinstance(config, TensorBoardConfig):
        return Borne(TensorBoardWriter(stage.run, stage.label), "tensorboard")
    return Background(config, stage)


def _make(config: TrackConfig, stage: TrackedStage) -> Tracker:
    if isinstance(config, MlflowConfig):
        from headrace.report.mlflow_tracker import MlflowTracker

        return MlflowTracker(config, stage)
    from headrace.report.wandb_tracker import WandbTracker

    assert not isinstance(config, TensorBoardConfig), "it has a listener of its own"
    return WandbTracker(config, stage)


def warn_of(name: str, error: BaseException) -> None:
    """The one warning that a tracker's failure is."""
    reason = " ".join(str(error).split()) or type(error).__name__
    logger.warning("track: %s failed and is left out from here on; training goes on: %s", name, reason)


class Borne:
    """TensorBoard's listener, whose failures are borne."""

    def __init__(self, writer: TensorBoardWriter, name: str) -> None:
        self._writer, self._name, self._failed = writer, name, False

    def __enter__(self) -> "Borne":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self._writer.__exit__(kind, error, tb)
        except Exception as raised:
            self._fail(raised)

    def __call__(self, record: Record) -> None:
        if self._failed:
            return
        try:
            self._writer(record)
        except Exception as raised:
            self._fail(raised)

    def _fail(self, error: Exception) -> None:
        if not self._failed:
            warn_of(self._name, error)
        self._failed = True


class Background:
    """A listener that hands points to a tracker in another thread."""

    def __init__(self, config: TrackConfig, stage: TrackedStage) -> None:
        self._name = config.name
        self._waiting: queue.SimpleQueue[Points | None] = queue.SimpleQueue()
        self._failed = False  # of the stage
        self._thread: threading.Thread | None = None
        try:
            tracker = _make(config, stage)  # its package is imported here and not beside what torch may be importing
        except Exception as error:
            warn_of(self._name, error)
            return
        self._thread = threading.Thread(target=self._work, args=(tracker,), name=f"track {self._name}", daemon=True)

    def __enter__(self) -> "Background":
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._thread is None:
            return
        self._failed = kind is not None
        self._waiting.put(None)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            warn_of(self._name, TimeoutError(f"it was still sending {CLOSE_SECONDS:.0f} s after the end of the stage"))

    def __call__(self, record: Record) -> None:
        """Takes any record of the trace; never waits."""
        if points := points_of(record):
            self._waiting.put(points)

    def _work(self, tracker: Tracker) -> None:
        try:
            first = self._waiting.get()
            if first is None:
                return
            tracker.open()
            self._hand_over(first, tracker)
            tracker.close(failed=self._failed)
        except Exception as error:
            warn_of(self._name, error)

    def _hand_over(self, first: Points, tracker: Tracker) -> None:
        """All points up to the end, as many at once as have come meanwhile."""
        together, ended = [first], False
        while together:
            while not ended and not self._waiting.empty():
                points = self._waiting.get()
                together += [] if points is None else [points]
                ended = points is None
            tracker.add(together)
            following = None if ended else self._waiting.get()
            together = [] if following is None else [following]
