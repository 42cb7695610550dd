"""What tracing costs: CPU time of a span, and its share of a unit of work. `python benchmarks/trace_overhead.py`.

The smallest unit of work that headrace wraps in a span takes about 10 ms (a training step of the tiny model takes 0.5
to 1 s, a unit of raw text some seconds), so a span may cost 100 microseconds. Exit code 1 if it costs more.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from headrace.trace import recording, span

UNIT_SECONDS = 0.010
LARGEST_SHARE = 0.01
SPANS = 50_000
UNITS = 100
REPEATS = 5


def main() -> int:
    """Prints three figures and judges the last."""
    with tempfile.TemporaryDirectory() as folder:
        with recording(Path(folder) / "spans.jsonl"):
            recorded = cpu_seconds_per_call(empty_span, SPANS)
        unrecorded = cpu_seconds_per_call(empty_span, SPANS)
        bare, traced = share_of_work(Path(folder) / "work.jsonl")
    share = recorded / UNIT_SECONDS
    print(f"span, recorded:      {recorded * 1e6:6.2f} us of CPU time")
    print(f"span, no recorder:   {unrecorded * 1e6:6.2f} us")
    print(f"unit of work:        {bare * 1e3:6.3f} ms bare, {traced * 1e3:.3f} ms in a recorded span")
    print(f"share of 10 ms:      {share:.3%} (limit {LARGEST_SHARE:.0%})")
    return int(share > LARGEST_SHARE)


def empty_span() -> None:
    """A span with the fields that a training step has."""
    with span("step", number=7, tokens=8192, loss=3.25):
        pass


def cpu_seconds_per_call(function: Callable[[], None], count: int) -> float:
    """CPU time of this process per call, the best of some repeats: what is added by others is not the tracer's."""
    return min(_timed(function, count) for _ in range(REPEATS))


def share_of_work(path: Path) -> tuple[float, float]:
    """CPU seconds of a 10 ms unit of pure Python, bare and within a recorded span."""
    additions = calibrate()

    def work() -> None:
        sum(range(additions))

    def traced_work() -> None:
        with span("unit", number=7):
            work()

    bare = cpu_seconds_per_call(work, UNITS)
    with recording(path):
        return bare, cpu_seconds_per_call(traced_work, UNITS)


def calibrate() -> int:
    """How many additions this machine makes in 10 ms."""
    trial = 1_000_000
    return int(trial * UNIT_SECONDS / _timed(lambda: sum(range(trial)) and None, 20))


def _timed(function: Callable[[], None], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        function()
    return (time.process_time() - start) / count


if __name__ == "__main__":
    sys.exit(main())
