"""Processes of this machine, each with a pipe of its own: the death of one is an end of file, and touches no other."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Pipe, wait
from typing import Any

from headrace.corpus.compile_notice import tell
from headrace.corpus.workers.crew import Job, Notice, Outcome
from headrace.corpus.workers.limits import Limits
from headrace.corpus.workers.process import MEMORY_EXIT_CODE
from headrace.corpus.workers.watch import Watch

LOOK_SECONDS = 0.5
ENDING_SECONDS = 5.0

START = """
import sys
sys.path[:] = sys.argv[2:]
from headrace.corpus.workers.process import work
work(int(sys.argv[1]))
"""


class ProcessCrew:
    """Processes that are started when they are needed and replaced when they die."""

    def __init__(self, num_processes: int, limits: Limits) -> None:
        self.num_processes = num_processes
        self._limits = limits
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Worker] = {}
        self._looked = time.monotonic()

    def start(self, index: int, job: Job) -> None:
        """Begins a job in an idle process, or in a new one."""
        while True:
            worker = self._idle.pop() if self._idle else _Worker(self._limits)
            try:
                worker.begin(index, job)
            except ConnectionError:  # it died while it had nothing to do
                worker.end()
                continue
            self._busy[worker.pipe] = worker
            return

    def wait(self) -> list[Outcome]:
        """Jobs that have ended, at least one; looks after the others while there is none."""
        outcomes: list[Outcome] = []
        while not outcomes:
            ready = wait(list(self._busy), timeout=LOOK_SECONDS)
            outcomes += [outcome for pipe in ready if (outcome := self._hear(pipe))]
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                outcomes += self._look()
                self._looked = time.monotonic()
        return outcomes

    def stop(self) -> None:
        """Ends all processes; the next job gets a new one."""
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            worker.kill()  # all at once, then wait for each
        for worker in workers:
            worker.end()
        self._idle.clear()
        self._busy.clear()

    def close(self) -> None:
        """Ends all processes."""
        self.stop()

    def _hear(self, pipe: Any) -> Outcome | None:
        """How the job of the worker at the other end has ended; None if it only had something to say."""
        try:
            heard: Outcome | Notice = pipe.recv()
        except (EOFError, OSError):
            return self._busy.pop(pipe).bury()
        if isinstance(heard, Notice):
            tell(heard.kernels)
            return None
        worker = self._busy.pop(pipe)
        self._idle.append(worker)
        return replace(heard, index=worker.index)  # it may not have been able to read which job it was

    def _look(self) -> list[Outcome]:
        """Kills those beyond a limit."""
        watches = {worker.watch: worker for worker in self._busy.values()}
        doomed = [(watch, cause) for watch in watches if (cause := watch.look(LOOK_SECONDS))]
        outcomes = [self._kill(watches.pop(watch), cause) for watch, cause in doomed]
        limit = self._limits.memory_bytes
        if limit is not None and watches and sum(watch.memory_bytes for watch in watches) > limit:
            largest = max(watches, key=lambda watch: watch.memory_bytes)
            cause = f"{largest.memory_bytes:,} bytes, and all workers together above {limit:,}"
            outcomes.append(self._kill(watches[largest], cause, out_of_memory=True))
        return outcomes

    def _kill(self, worker: "_Worker", cause: str, *, out_of_memory: bool = False) -> Outcome:
        del self._busy[worker.pipe]
        worker.end()
        return Outcome(worker.index, death=cause, out_of_memory=out_of_memory)


class _Worker:
    """A process, our end of its pipe, and its standard input, whose end tells it that we are gone.

    Not `multiprocessing.Process`: that would run the caller's main script again in every worker, and leave a process
    of its own to whoever adopts orphans.
    """

    def __init__(self, limits: Limits) -> None:
        self.pipe, theirs = Pipe()
        command = [sys.executable, "-P", "-c", START, str(theirs.fileno()), *sys.path]
        with _no_interrupts():
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])
        theirs.close()  # or its death would not be an end of file
        self.index = -1
        self._limits = limits

    def begin(self, index: int, job: Job) -> None:
        """Sends a job. Raises ConnectionError if the process is gone."""
        self.index = index
        self.pipe.send((index, job))
        self.watch = Watch(self._process.pid, self._limits)

    def kill(self) -> None:
        """Ends the process; unlike a polite signal, this one reaches a stopped process too."""
        self._process.kill()

    def end(self) -> None:
        """Kills the process and sees it off."""
        self.kill()
        self.bury()

    def bury(self) -> Outcome:
        """Sees off a process that is ending by itself, and tells what became of its job."""
        assert self._process.stdin is not None, "it was given one"
        self._process.stdin.close()
        try:
            code = self._process.wait(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its pipe and went on
            self.kill()
            code = self._process.wait()
        self.pipe.close()
        cause = "memory ran out" if code == MEMORY_EXIT_CODE else _name_exit(code)
        return Outcome(self.index, death=cause, out_of_memory=code == MEMORY_EXIT_CODE)


def _name_exit(code: int) -> str:
    try:
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-code}"


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ctrl-C waits until the block is over, and never reaches a process that is started in it.

    A process inherits what is blocked, so it cannot be interrupted before it could have said what to ignore.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
