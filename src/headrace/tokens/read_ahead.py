"""Batches are gathered in threads while the ones before are worked on."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

DEPTH = 2
Batch = TypeVar("Batch", covariant=True)


class Steps(Protocol[Batch]):
    """Batches as a pure function of the step."""

    def batch(self, step: int) -> Batch:
        """This process's part of a step's batch."""
        ...


def read_ahead(stream: Steps[Batch], start: int, stop: int, *, num_threads: int = 1) -> Iterator[Batch]:
    """The batches of steps [start, stop) in order, some of them gathered before they are asked for.

    A batch does not depend on the threads: it is a function of its step. One thread keeps up with any model; more help
    where the store lies on a slow disk, because a thread that waits for one does not hold the interpreter.
    """
    with ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix="read-ahead") as pool:
        coming: deque[Future[Batch]] = deque()
        for step in range(start, stop):
            while len(coming) < num_threads * DEPTH and step + len(coming) < stop:
                coming.append(pool.submit(stream.batch, step + len(coming)))
            yield coming.popleft().result()
