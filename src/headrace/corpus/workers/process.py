"""What runs inside a worker process. It imports little, and nothing of the caller's main script."""

import os
import threading
from functools import partial
from multiprocessing.connection import Connection
from pickle import PicklingError, UnpicklingError
from typing import TYPE_CHECKING

from headrace.corpus import compile_notice
from headrace.corpus.workers.crew import Job, Notice, Outcome, name_of
from headrace.errors import HeadraceError, WorkerError
from headrace.trace import Record, recording

MEMORY_EXIT_CODE = 77

if TYPE_CHECKING:
    Pipe = Connection[Outcome | Notice, tuple[int, Job]]


def work(descriptor: int) -> None:
    """Does the jobs that come through a pipe, until its other end is closed."""
    threading.Thread(target=_end_with_caller, daemon=True).start()
    pipe: Pipe = Connection(descriptor)

    with recording(None, [partial(_pass_on, pipe)]):
        _do_jobs(pipe)


def _pass_on(pipe: "Pipe", record: Record) -> None:
    if record["kind"] == "event" and record["name"] == compile_notice.NAME:
        pipe.send(Notice(record["kernels"]))


def _do_jobs(pipe: "Pipe") -> None:
    while True:
        try:
            index, job = pipe.recv()
        except EOFError:
            return
        except (AttributeError, ImportError, UnpicklingError) as error:
            pipe.send(Outcome(-1, error=WorkerError(f"a worker cannot find what it is to do: {error}")))
            continue
        try:
            pipe.send(_outcome_of(index, job))
        except MemoryError:
            os._exit(MEMORY_EXIT_CODE)  # what else failed for want of it is unknown; a new process gets the unit
        except (AttributeError, PicklingError, TypeError) as error:
            pipe.send(Outcome(index, error=WorkerError(f"{name_of(job.item)}: its result cannot be sent: {error}")))


def _outcome_of(index: int, job: Job) -> Outcome:
    try:
        return Outcome(index, result=job.run())
    except HeadraceError as error:
        return Outcome(index, error=error)


def _end_with_caller() -> None:
    """Standard input is a pipe that nobody writes to; it ends when the caller does, however that happens."""
    os.read(0, 1)
    os._exit(1)
