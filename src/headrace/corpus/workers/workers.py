"""Work given out, results taken in, deaths made good."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from headrace.corpus.workers.attempt import Attempt
from headrace.corpus.workers.backlog import Backlog, Case
from headrace.corpus.workers.crew import Crew, Job, name_of
from headrace.corpus.workers.limits import Limits
from headrace.corpus.workers.processes import ProcessCrew
from headrace.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Does units of work, used as a context manager. Not thread safe; one iteration at a time.

    With one process and no `crew` the caller does the work, which is quickest for small inputs, and then nobody
    survives a deadly record. Functions and items must be picklable, results small; the text of an item (`str`) names
    it in errors. Items are read lazily, at most one more than there are processes.
    """

    def __init__(self, num_processes: int, *, limits: Limits | None = None, crew: Crew | None = None) -> None:
        if num_processes < 1:
            raise ValueError(f"num_processes: want at least 1, got {num_processes}")
        self.num_processes = num_processes
        self.limits = limits or Limits()
        self._crew = crew or (ProcessCrew(num_processes, self.limits) if num_processes > 1 else None)

    @property
    def memory_share_bytes(self) -> int | None:
        """What each process should stay below; None if there is no limit. Advice: nothing enforces it."""
        return self.limits.memory_bytes // self.num_processes if self.limits.memory_bytes else None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._crew:
            self._crew.close()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of `items`, each as soon as it and all before it are there."""
        early: dict[int, Result] = {}
        next_index = 0
        for index, result in self._run(function, items):
            early[index] = result
            while next_index in early:
                yield early.pop(next_index)
                next_index += 1

    def map_unordered(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results as they come.

        Raises a HeadraceError of the worker as it is, any other as WorkerError; WorkerError too for a unit whose
        worker dies again and again.
        """
        for _, result in self._run(function, items):
            yield result

    def map_attempts(
        self, function: Callable[[Item, Attempt], Result], items: Iterable[Item], *, crumbs: Path
    ) -> Iterator[Result]:
        """Results as they come, of a function that can leave out records which kill its worker.

        crumbs: a folder that all workers see, for the notes of `Attempt.enter`; none is left behind.
        Raises as `map_unordered` does.
        """
        for _, result in self._run(function, items, crumbs=crumbs):
            yield result

    def _run(
        self, function: Callable[..., Result], items: Iterable[Any], *, crumbs: Path | None = None
    ) -> Iterator[tuple[int, Result]]:
        if self._crew is None:
            attempt = Attempt() if crumbs else None
            yield from ((index, _run_here(Job(function, item, attempt))) for index, item in enumerate(items))
            return
        backlog = Backlog(items, crumbs)
        running: dict[int, Case] = {}
        try:
            while self._begin(function, backlog, running):
                for outcome in self._crew.wait():
                    case = running.pop(outcome.index)
                    if outcome.death is not None:
                        case.note_death(outcome)
                        backlog.put_back(case)
                    elif outcome.error is not None:
                        raise outcome.error
                    else:
                        case.close()
                        yield case.index, outcome.result
        finally:
            if running:
                self._crew.stop()

    def _begin(self, function: Callable[..., Any], backlog: Backlog, running: dict[int, Case]) -> int:
        """Begins what can be begun now; returns how many run."""
        assert self._crew is not None, "the caller begins nothing"
        while len(running) < self.num_processes and not any(case.wants_to_be_alone for case in running.values()):
            if (case := backlog.take(num_running=len(running))) is None:
                break
            running[case.index] = case
            attempt = case.next_attempt() if case.crumb else None
            self._crew.start(case.index, Job(function, case.item, attempt))
        backlog.look_ahead()
        return len(running)


def _run_here(job: Job) -> Any:
    try:
        return job.run()
    except MemoryError as error:
        raise WorkerError(
            f"{name_of(job.item)}: memory ran out ({error}). Close other programs, or look at this file."
        ) from error
