"""What lies between deciding what is tried and those who try it: jobs, outcomes, and the `Crew` protocol."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from headrace.corpus.workers.attempt import Attempt
from headrace.errors import HeadraceError, WorkerError

SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a function, sent to where it runs."""

    function: Callable[..., Any]
    item: Any
    attempt: Attempt | None
    """The second argument, for functions that take one."""

    def run(self) -> Any:
        """The function's result. An exception that is not ours is renamed: some do not survive the way back."""
        try:
            return self.function(self.item) if self.attempt is None else self.function(self.item, self.attempt)
        except (HeadraceError, MemoryError):
            raise
        except Exception as error:
            raise WorkerError(f"{name_of(self.item)}: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: with a result, an error to be raised, or the death of its worker."""

    index: int
    result: Any = None
    error: HeadraceError | None = None
    death: str | None = None
    """What is known of the cause, for the trace and for messages."""
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What a job under way wants said: that it compiles kernels, which may take longer than the job."""

    kernels: str


class Crew(Protocol):
    """Workers somewhere, each doing one job at a time."""

    num_processes: int

    def start(self, index: int, job: Job) -> None:
        """Begins a job. Never more than `num_processes` at once."""

    def wait(self) -> list[Outcome]:
        """Jobs that have ended since; at least one. Notices a death within a second."""

    def stop(self) -> None:
        """Ends what runs now, whatever it does: nothing that matters is in a worker's memory. Jobs may follow."""

    def close(self) -> None:
        """Ends everything."""


def name_of(item: Any) -> str:
    """What an item is called in errors and events."""
    return str(item)[:SHOWN_CHARACTERS]
