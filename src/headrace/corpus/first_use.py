"""The first use of kernels after installation compiles them: seconds, in two processes where there are two cores."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.corpus.compile_notice import told
from headrace.corpus.kernel import cache_folder
from headrace.corpus.workers.crew import Job
from headrace.corpus.workers.limits import Limits
from headrace.corpus.workers.processes import ProcessCrew
from headrace.store.lock import hold
from headrace.trace import span


@dataclass(frozen=True, slots=True)
class FirstUse:
    """Some kernels that are used together."""

    name: str
    use: Callable[[], object]
    """Uses all of them, with arguments of the types that they will have. Can be pickled."""

    @property
    def mark(self) -> Path | None:
        """A file that is there once they are compiled; None if nothing can be kept."""
        folder = cache_folder()
        return folder and folder / f"{self.name}.compiled"

    def compile(self) -> None:
        """Compiles them, unless that was done on this machine. Waits for another process that is at it."""
        if self.mark is None or self.mark.exists():
            return
        with hold(self.mark.with_suffix(".lock"), what=str(self)):
            if not self.mark.exists():
                self.use()
                self.mark.touch()

    def __str__(self) -> str:
        return f"compiling kernels for {self.name}"


def ensure_compiled(first: FirstUse, *, later: Sequence[FirstUse] = ()) -> None:
    """Compiles kernels that are wanted now, unless that was done on this machine, and beside them some wanted later.

    What is wanted later may be parts of what is wanted now (`kernel.part_kernel`): each is compiled once.

    One process does it before many begin, which would all compile the same; and a user sees what takes the time.
    """
    if first.mark is None or first.mark.exists():
        return
    later = [each for each in later if each.mark and not each.mark.exists()] if _num_cores() > 1 else []
    names = ", ".join(each.name for each in (first, *later))
    with told(names), span("compile", kernels=names), _compiled_aside(later):
        first.compile()


@contextmanager
def _compiled_aside(uses: Sequence[FirstUse]) -> Iterator[None]:
    """Compiles in another process during the block. If that fails, they are compiled when they are wanted, here."""
    if not uses:
        yield
        return
    crew = ProcessCrew(1, Limits())
    has_begun = False
    try:
        with contextlib.suppress(OSError):  # no room for one more process
            crew.start(0, Job(_compile_all, tuple(uses), None))
            has_begun = True
        yield
        if has_begun:
            crew.wait()
    finally:
        crew.close()


def _compile_all(uses: Sequence[FirstUse]) -> None:
    for each in uses:
        each.compile()


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))
