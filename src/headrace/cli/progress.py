"""What a run shows while it works: a line per finished step, and a bar for the one at hand."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from headrace.cli.terminal_text import safe_text
from headrace.trace import Listener, Record

PLAIN_SECONDS = 15.0  # between progress lines where there is no terminal to redraw


@contextmanager
def show(*, quiet: bool = False) -> Iterator[Listener]:
    """A listener that draws progress on standard error for the length of the block."""
    if quiet:
        yield lambda record: None
        return
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield PlainProgress()
        return
    with Progress(
        TextColumn("  {task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %"),
        SpeedColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    ) as bars:
        yield BarProgress(bars)


class SpeedColumn(ProgressColumn):
    """Units per second, in the unit of the task."""

    def render(self, task: Task) -> Text:
        return Text(format_speed(task.speed, task.fields["unit"]))


class BarProgress:
    """Draws with rich."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._current: tuple[str, TaskID] | None = None
        self._done = 0.0
        self._built = False

    def __call__(self, record: Record) -> None:
        if record["kind"] == "progress":
            self._update(record)
        elif record["name"] == "artefact":
            self._built = record["built"]
        elif record["name"] == "step_begins":
            self._begin(record["step"], "")
        elif notice := notice_line(record):
            self._bars.console.print(notice)
        elif record["name"] == "step_ends":
            self._drop()
            self._bars.console.print(finished_line(record, built=self._built))

    def _begin(self, name: str, unit: str, **values: Any) -> TaskID:
        self._drop()
        task = self._bars.add_task(name, total=values.pop("total", None), unit=unit, detail="", **values)
        self._current = (name + unit, task)
        return task

    def _update(self, record: Record) -> None:
        name = stage_name(record)
        begins_anew = record["done"] < self._done  # as where a model is measured twice
        if self._current is None or self._current[0] != name + record["unit"] or begins_anew:
            self._begin(name, record["unit"], total=record["total"], completed=record["done"])
        self._done = record["done"]
        assert self._current is not None, "a bar was begun above"
        self._bars.update(self._current[1], completed=record["done"], total=record["total"], detail=detail_of(record))

    def _drop(self) -> None:
        if self._current:
            self._bars.remove_task(self._current[1])
            self._current = None


class PlainProgress:
    """Prints lines, for logs and pipes."""

    def __init__(self) -> None:
        self._printed = time.monotonic()
        self._began: tuple[str, float, float] = ("", 0.0, 0.0)
        self._done = 0.0
        self._built = False

    def __call__(self, record: Record) -> None:
        if record["kind"] == "progress":
            self._update(record)
        elif record["name"] == "artefact":
            self._built = record["built"]
        elif record["name"] == "step_ends":
            print(finished_line(record, built=self._built), file=sys.stderr, flush=True)
        elif notice := notice_line(record):
            print(notice, file=sys.stderr, flush=True)

    def _update(self, record: Record) -> None:
        now, name = time.monotonic(), stage_name(record)
        if self._began[0] != name or record["done"] < self._done:
            self._began = (name, now, record["done"])
        self._done = record["done"]
        if now - self._printed < PLAIN_SECONDS:
            return
        self._printed = now
        elapsed, worked = now - self._began[1], record["done"] - self._began[2]
        speed = worked / elapsed if elapsed > 0 and worked > 0 else None
        left = f"{(record['total'] - record['done']) / speed:,.0f} s left" if speed else ""
        share = record["done"] / max(record["total"], 1)
        parts = (f"  {name} {share:.0%}", format_speed(speed, record["unit"]), detail_of(record), left)
        print("  ".join(part for part in parts if part), file=sys.stderr, flush=True)


def stage_name(record: Record) -> str:
    """The stage, and the source it is at if it says one."""
    return f"{record['name']} {record['source']}" if "source" in record else str(record["name"])


def detail_of(record: Record) -> str:
    """Loss and share of the machine's peak, where a stage reports them."""
    parts = [f"loss {record['loss']:.3f}"] if "loss" in record else []
    parts += [f"{record['share_of_peak']:.0%} of peak"] if "share_of_peak" in record else []
    return "  ".join(parts)


def finished_line(record: Record, *, built: bool) -> str:
    """One line for a finished step: `done  curate  1.2 s`, or `found` if there was nothing to do."""
    return f"{'done ' if built else 'found'} {record['step']:<22} {record['seconds']:>7.1f} s"


def notice_line(record: Record) -> str:
    """What a user should know at once: compiling that happens once, and work that is done again; else empty."""
    match record["name"]:
        case "compiling":
            return f"compiling kernels for {record['kernels']}, once per installation ..."
        case "short_of_memory":
            limit, worker = (f"{record[name] / 1e6:,.0f} MB" for name in ("limit_bytes", "worker_bytes"))
            return (
                f"the memory limit of {limit} is less than the {worker} that one process may take: one reads all text, "
                "and may exceed the limit; deduplication keeps to it"
            )
        case "empty_files":
            files = "1 file holds" if record["number"] == 1 else f"{record['number']:,} files hold"
            more = " ..." if record["number"] > len(record["first"]) else ""
            return safe_text(f"source {record['source']}: {files} no record: {', '.join(record['first'])}{more}")
        case "worker_died":
            return safe_text(f"a worker died ({record['cause']}) at {record['unit']}; trying that again")
        case "compiling_model":
            return "compiling the model's kernels, about a minute ..."
        case "numerics":
            return safe_text(f"computing: {record['why']}") if record.get("why") else ""
        case "memory_plan":
            return record["line"] if record["told"] else ""
        case "compiled_wrong":
            return f"kernels compiled for {record['target']} give wrong gradients; trying otherwise"
        case "inherited":
            return (
                f"goes on from step {record['step']:,} of {record['address']}, which was stopped: its mixture was the "
                "same up to there"
            )
        case "trial_begins":
            values = ", ".join(f"{key}={value}" for key, value in record["values"].items())
            return safe_text(f"trial {record['number']} of {record['wanted']}: {values}")
        case "trial_ends":
            figure = (
                record["error"].rstrip(".") if record["value"] is None else f"{record['metric']} {record['value']:.4f}"
            )
            best = "" if record["best"] is None else f"; the best so far has {record['best']:.4f}"
            return safe_text(f"trial {record['number']} {record['state']}: {figure}{best}")
        case "record_isolated":
            place = f"{record['file']}:{record['offset']}"
            return safe_text(f"left out {place}: it killed its worker {record['deaths']} times ({record['cause']})")
    return ""


def format_speed(speed: float | None, unit: str) -> str:
    """`12.3 MB/s`, `9,116 tokens/s`; empty while it is not known."""
    if not speed:
        return ""
    return f"{speed / 1e6:,.1f} MB/s" if unit == "bytes" else f"{speed:,.0f} {unit}/s"
