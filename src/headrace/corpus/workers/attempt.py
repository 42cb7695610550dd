"""What a unit is told when it is tried again, and how it tells which record it died of.

A worker that dies says nothing. So a unit whose worker died is done *carefully*: record by record, and before each the
record's place is written to a small file. What that file names after a second death at the same place is the culprit.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson


class Place(NamedTuple):
    """Where a record begins in the raw input."""

    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a unit, handed to functions of `Workers.map_attempts`."""

    number: int = 1
    crumb: Path | None = None
    """Where to write the place at hand; None while nobody has died."""
    skip: frozenset[Place] = frozenset()
    """Records that killed their workers: not to be touched again."""

    @property
    def is_careful(self) -> bool:
        """Whether the unit must go record by record and call `enter` before each."""
        return self.crumb is not None

    def enter(self, place: Place) -> None:
        """Notes that this record is next (about 30 microseconds). No fsync: a file outlives its process without."""
        if self.crumb is not None:
            self.crumb.write_bytes(orjson.dumps(list(place)))

    def leave(self) -> None:
        """Notes that what follows is the fault of no record."""
        if self.crumb is not None:
            self.crumb.unlink(missing_ok=True)


def read_crumb(path: Path) -> Place | None:
    """The place a dead worker noted last; None if it noted none, or died while it wrote."""
    try:
        file, offset = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return Place(file, offset)
