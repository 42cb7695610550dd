"""What a tracker is, and what it is told of the stage it tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from headrace.report.curves import Points
from headrace.store import RunFolder, write_file

IDS = "trackers.json"


@dataclass(frozen=True)
class TrackedStage:
    """What trackers are told of a stage besides its curves."""

    run: RunFolder
    label: str
    kept: Path
    """Work of the stage that outlives a kill: a resumed stage goes on with the same run of each tracker."""
    settings: Mapping[str, Any]
    """What the stage was asked to do, as JSON."""

    @property
    def title(self) -> str:
        return f"{self.run.path.name} {self.label}"

    def known_id(self, tracker: str) -> str | None:
        """What a tracker called this stage before, if it did."""
        path = self.kept / IDS
        return dict(orjson.loads(path.read_bytes())).get(tracker) if path.exists() else None

    def remember_id(self, tracker: str, name: str) -> None:
        path = self.kept / IDS
        known = orjson.loads(path.read_bytes()) if path.exists() else {}
        write_file(path, orjson.dumps({**known, tracker: name}))


class Tracker(Protocol):
    """Somebody who keeps curves."""

    def open(self) -> None:
        """Begins, or goes on, before the first points."""
        ...

    def add(self, points: Sequence[Points]) -> None:
        """Takes points in the order of their steps; some may have come before a kill."""
        ...

    def close(self, *, failed: bool) -> None:
        """Returns when everything is written or sent."""
        ...
