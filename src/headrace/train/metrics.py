"""One record per step and per validation: a JSON line each, cut back to the checkpoint when a run resumes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from headrace.store import write_file
from headrace.trace import event

MetricRecord = dict[str, Any]


class MetricLog:
    """Appends records to a file, and to the trace for whoever watches."""

    def __init__(self, path: Path, *, resumed_step: int) -> None:
        """Keeps the records of steps up to `resumed_step`: the later ones will be written again."""
        kept = [record for record in read_metrics(path) if record["step"] <= resumed_step]
        write_file(path, b"".join(orjson.dumps(record) + b"\n" for record in kept))
        self._file = path.open("ab")

    def write(self, name: str, record: MetricRecord) -> None:
        """Adds a record of one kind (`train` or `validation`); it must hold `step`."""
        self._file.write(orjson.dumps({"kind": name, **record}) + b"\n")
        event(f"{name}_metrics", **record)

    def flush(self) -> None:
        """To be called before a checkpoint is offered, so that no step of it can be missing here."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_metrics(path: Path) -> Iterator[MetricRecord]:
    """All whole records of a metrics file, in order; none if there is no file."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield orjson.loads(line)
