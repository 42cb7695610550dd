"""The recorder that spans and events go to, and the functions that everything else calls."""

import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

Record = dict[str, Any]
Listener = Callable[[Record], None]
"""Takes each record as it is made. What it raises comes out of the call that made the record, once that is written: so
who watches can end what is watched, which does not know them."""

FLUSH_SECONDS = 1.0


class Recorder:
    """Appends records to a file and hands them to listeners. Thread safe; one per process."""

    def __init__(self, path: Path | None, listeners: Sequence[Listener] = ()) -> None:
        if path:
            _cut_partial_line(path)
        self._file = path.open("ab") if path else None
        self._listeners = tuple(listeners)
        self._lines: list[bytes] = []
        self._flushed = time.monotonic()
        self._lock = threading.Lock()

    def write(self, record: Record, *, keep: bool = True) -> None:
        """Takes a record; with keep=False it reaches only the listeners (progress is for eyes, not for files)."""
        with self._lock:
            if keep and self._file:
                self._lines.append(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY))
                if time.monotonic() - self._flushed > FLUSH_SECONDS:
                    self._flush()
            for listener in self._listeners:
                listener(record)

    def close(self) -> None:
        """Writes what is left and lets go of the file."""
        with self._lock:
            if self._file:
                self._flush()
                self._file.close()

    def _flush(self) -> None:
        assert self._file is not None, "a recorder without a file has nothing to flush"
        self._file.write(b"".join(self._lines))  # one write of whole lines: a kill cuts between records, or the last
        self._file.flush()
        self._lines.clear()
        self._flushed = time.monotonic()


def _cut_partial_line(path: Path) -> None:
    """Cuts off what a kill left of a last line, so that the next record begins on a line of its own."""
    if not path.exists() or not (size_bytes := path.stat().st_size):
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        whole_bytes = data.rfind(b"\n") + 1
    if whole_bytes < size_bytes:
        os.truncate(path, whole_bytes)


_active: Recorder | None = None


@contextmanager
def recording(path: Path | None, listeners: Sequence[Listener] = ()) -> Iterator[Recorder]:
    """Makes a recorder the active one of this process for the length of the block."""
    global _active
    recorder, before = Recorder(path, listeners), _active
    _active = recorder
    try:
        yield recorder
    finally:
        _active = before
        recorder.close()


class span:  # noqa: N801  (used like a function: `with span("encode"):`)
    """Times a block: `with span("encode", documents=7) as s: s.fields["tokens"] = n`. Wall seconds, monotonic clock."""

    __slots__ = ("_start", "fields", "name", "seconds")

    def __init__(self, name: str, **fields: Any) -> None:
        self.name = name
        self.fields = fields
        self.seconds = 0.0

    def __enter__(self) -> "span":
        self._start = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self._start
        if _active is None:
            return
        record = {
            "kind": "span",
            "name": self.name,
            "time": time.time(),
            "seconds": round(self.seconds, 6),
            **self.fields,
        }
        _active.write(record if kind is None else {**record, "error": kind.__name__})


def event(name: str, **fields: Any) -> None:
    """Records that something happened, with numbers or short strings as fields; never text of documents."""
    if _active is not None:
        _active.write({"kind": "event", "name": name, "time": time.time(), **fields})


def progress(stage: str, done: float, total: float, **fields: Any) -> None:
    """Tells listeners how far a stage is; `fields` hold what to show beside it (unit, loss). Not kept in the file."""
    if _active is not None:
        _active.write({"kind": "progress", "name": stage, "done": done, "total": total, **fields}, keep=False)


def read_records(path: Path) -> list[Record]:
    """All whole records of a trace file; a last line that a kill cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [orjson.loads(line) for line in lines[:-1] if line]
