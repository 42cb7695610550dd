"""Processes that do units of work, and that may be killed without the work being lost.

A worker that dies breaks its whole pool, and nobody knows whose fault it was. So every unit that was running then is
done again alone in a fresh pool, where a second death has only one suspect.
"""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from os import _exit
from types import TracebackType
from typing import Any, TypeVar

from headrace.errors import HeadraceError, WorkerError
from headrace.trace import event

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_RETRIES = 3
SHOWN_CHARACTERS = 200


class Workers:
    """A pool of processes, used as a context manager. One process means: no pool, the work is done by the caller.

    Functions and items must be picklable; the text of an item (`str`) names it in errors. Not thread safe.
    """

    def __init__(self, num_processes: int) -> None:
        if num_processes < 1:
            raise ValueError(f"num_processes: want at least 1, got {num_processes}")
        self.num_processes = num_processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of `items`, each as soon as it and all before it are there."""
        early: dict[int, Result] = {}
        next_index = 0
        for index, result in self._run(function, list(items)):
            early[index] = result
            while next_index in early:
                yield early.pop(next_index)
                next_index += 1

    def map_unordered(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results as they come.

        Raises a HeadraceError of the worker as it is, any other as WorkerError; WorkerError too for a unit whose
        worker dies again and again.
        """
        for _, result in self._run(function, list(items)):
            yield result

    def _run(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        if self.num_processes == 1:
            yield from ((index, _call(function, item)) for index, item in enumerate(items))
            return
        suspects: list[int] = []
        waiting = iter(range(len(items)))
        while True:
            try:
                yield from self._run_together(function, items, waiting=waiting, suspects=suspects)
            except BrokenProcessPool:
                self._stop()
            if not suspects:
                return
            for index in suspects:
                yield index, self._run_alone(function, items[index])
            suspects.clear()

    def _run_together(
        self, function: Callable[[Item], Result], items: Sequence[Item], *, waiting: Iterator[int], suspects: list[int]
    ) -> Iterator[tuple[int, Result]]:
        """Runs what waits, at most one unit a process; leaves in `suspects` what was running when the pool broke."""
        running: dict[Future[Result], int] = {}
        broken: BrokenProcessPool | None = None
        while True:
            while broken is None and len(running) < self.num_processes and (index := next(waiting, None)) is not None:
                try:
                    running[self._submit(function, items[index])] = index
                except BrokenProcessPool as error:
                    suspects.append(index)
                    broken = error
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index = running.pop(future)
                if isinstance(death := future.exception(), BrokenProcessPool):
                    suspects.append(index)
                    broken = death
                else:
                    yield index, future.result()
        suspects.sort()
        if broken is not None:
            raise broken

    def _run_alone(self, function: Callable[[Item], Result], item: Item) -> Result:
        for attempt in range(1, MAX_RETRIES + 1):
            event("worker_died", unit=str(item)[:SHOWN_CHARACTERS], attempt=attempt)
            try:
                return self._submit(function, item).result()
            except BrokenProcessPool:
                self._stop()
        raise WorkerError(
            f"{str(item)[:SHOWN_CHARACTERS]}: its worker process was killed all {MAX_RETRIES + 1} times it was tried. "
            "Most often memory ran out: use fewer processes, or look at this file."
        )

    def _submit(self, function: Callable[[Item], Result], item: Item) -> Future[Result]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.num_processes, mp_context=get_context("spawn"), initializer=_begin_worker
            )
        return self._pool.submit(_call, function, item)

    def _stop(self) -> None:
        """Ends the pool now, whatever it is doing: nothing that matters is in a worker's memory."""
        if self._pool is None:
            return
        processes = list((self._pool._processes or {}).values())  # public only from Python 3.14 (`terminate_workers`)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()  # not `terminate`, which a stopped process never sees
        for process in processes:
            process.join()
        self._pool = None


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    """Calls `function`; an exception that is not ours is renamed here, because some do not survive pickling."""
    try:
        return function(item)
    except HeadraceError:
        raise
    except Exception as error:
        raise WorkerError(f"{str(item)[:SHOWN_CHARACTERS]}: {type(error).__name__}: {error}") from error


def _begin_worker() -> None:
    """Ctrl-C is the parent's business, and without a parent there is none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent: Any = parent_process()
    assert parent is not None, "a worker is always started by another process"
    connection.wait([parent.sentinel])
    _exit(1)
