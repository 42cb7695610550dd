"""Results as Markdown."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from curation.copies import Found
from curation.measured import Result, Run

LARGE_RATIO = 10


def machine() -> dict[str, str]:
    """What the figures belong to."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "pyarrow"))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": f"{os.cpu_count()} cores of {processor}, {gigabytes:.0f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {libraries}",
    }


def speed_table(results: Sequence[Result], extra: Mapping[str, Sequence[str]]) -> str:
    """A row a contender; the first is headrace. `extra`: further columns by their head."""
    head = ["tool", "version", "MB per CPU s (least, most)", "start-up s", "after it, MB per CPU s", "headrace is"]
    head += [*extra, "peak memory", "input", "remark"]
    rows = []
    for index, result in enumerate(results):
        median, least, most = result.speeds
        ratio = results[0].speeds[0] / median
        times = f"{ratio:.1f} x" if ratio < LARGE_RATIO else f"{ratio:,.0f} x"
        rows.append([
            result.name, result.version, f"{median:.3g} ({least:.3g}, {most:.3g})", f"{result.start_cpu_seconds:.1f}",
            f"{result.speed_without_start:.3g}", "" if index == 0 else times,
            *(column[index] for column in extra.values()),
            f"{result.peak_megabytes:,.0f} MB", f"{result.megabytes:.3g} MB", result.remark,
        ])  # fmt: skip
    return markdown(head, rows)


def found_columns(found: Sequence[Found]) -> dict[str, Sequence[str]]:
    """Recall and precision of the labelled copies."""
    return {
        "recall": [f"{item.recall:.3f}" for item in found],
        "precision": [f"{item.precision:.3f}" for item in found],
    }


def scaling_table(rows: Iterable[tuple[float, Run]]) -> str:
    """What a size costs, by size."""
    return markdown(
        ["text", "CPU s", "CPU s per MB", "MB per CPU s", "wall s", "peak memory"],
        [
            [
                f"{size:,.0f} MB", f"{run.cpu_seconds:.1f}", f"{run.cpu_seconds / size:.4f}",
                f"{size / run.cpu_seconds:.1f}", f"{run.wall_seconds:.1f}", f"{run.peak_bytes / 1e6:,.0f} MB",
            ]
            for size, run in rows
        ],
    )  # fmt: skip


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
