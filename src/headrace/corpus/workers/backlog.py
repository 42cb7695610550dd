"""Which unit is tried next, how often, and which record is to blame when its workers die."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.corpus.workers.attempt import Attempt, Place, read_crumb
from headrace.corpus.workers.crew import Outcome, name_of
from headrace.errors import WorkerError
from headrace.trace import event

MAX_TRIES = 4
"""Tries of a unit without learning anything: accidents happen, but not this often to the same unit."""
MAX_ISOLATED = 8
"""Records of one unit that may kill workers; more are a fault of the program or the machine."""


@dataclass(slots=True)
class Case:
    """A unit and what happened to it so far."""

    index: int
    item: Any
    crumb: Path | None
    num_deaths: int = 0
    num_fruitless: int = 0
    """Deaths since a record was last found guilty."""
    suspect: Place | None = None
    isolated: set[Place] = field(default_factory=set)
    needs_memory: bool = False

    @property
    def wants_to_be_alone(self) -> bool:
        """Whether nothing else may run meanwhile: one death may be chance, a second may be want of memory."""
        return self.needs_memory or self.num_fruitless >= 2

    def next_attempt(self) -> Attempt:
        """The next try: careful once a worker has died."""
        if self.num_deaths == 0 or self.crumb is None:
            return Attempt(number=self.num_deaths + 1)
        self.crumb.unlink(missing_ok=True)
        return Attempt(self.num_deaths + 1, self.crumb, frozenset(self.isolated))

    def note_death(self, outcome: Outcome) -> None:
        """Learns from a death. Raises WorkerError when there is nothing left to try."""
        self.num_deaths += 1
        self.num_fruitless += 1
        self.needs_memory |= outcome.out_of_memory
        event("worker_died", unit=name_of(self.item), attempt=self.num_deaths, cause=outcome.death)
        place = read_crumb(self.crumb) if self.crumb else None
        if place is not None and place == self.suspect and place not in self.isolated:
            self._isolate(place, cause=str(outcome.death))
        elif self.num_fruitless >= MAX_TRIES:
            raise WorkerError(
                f"{name_of(self.item)}: its worker process died all {self.num_fruitless} times it was tried "
                f"({outcome.death}). Most often memory ran out: use fewer processes, or look at this file."
            )
        else:
            self.suspect = place

    def _isolate(self, place: Place, *, cause: str) -> None:
        self.isolated.add(place)
        self.num_fruitless, self.suspect = 0, None
        event("record_isolated", file=place.file, offset=place.offset, deaths=self.num_deaths, cause=cause)
        if len(self.isolated) > MAX_ISOLATED:
            shown = ", ".join(f"{file}:{offset}" for file, offset in sorted(self.isolated))
            raise WorkerError(
                f"{name_of(self.item)}: {len(self.isolated)} of its records killed their worker processes twice each "
                f"({cause}): {shown}. So many are a fault of the program or of this machine's memory."
            )

    def close(self) -> None:
        """Removes the crumb of a unit that is done."""
        if self.num_deaths and self.crumb:
            self.crumb.unlink(missing_ok=True)


class Backlog:
    """Units that wait: those whose worker died, before those that nobody has begun. Reads `items` one ahead."""

    def __init__(self, items: Iterable[Any], crumbs: Path | None) -> None:
        self._items = enumerate(items)
        self._crumbs = crumbs
        self._fresh: deque[Case] = deque()
        self._again: deque[Case] = deque()

    def take(self, *, num_running: int) -> Case | None:
        """What to begin beside `num_running` others; None if nothing, or nothing now."""
        if any(case.wants_to_be_alone for case in self._again) and num_running:
            return None
        if self._again:
            return self._again.popleft()
        self.look_ahead()
        return self._fresh.popleft() if self._fresh else None

    def look_ahead(self) -> None:
        """Reads the next item, so that a worker that becomes free does not wait for it."""
        if not self._fresh and (found := next(self._items, None)) is not None:
            index, item = found
            crumb = self._crumbs / f".crumb-{index:06d}.json" if self._crumbs else None
            self._fresh.append(Case(index, item, crumb))

    def put_back(self, case: Case) -> None:
        """Takes a unit whose worker died."""
        self._again.append(case)
