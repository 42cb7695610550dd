"""Runs a command and all its descendants on one core (or "any") and writes what they cost, as JSON.

    python one_core.py CORE RESULT COMMAND ...

CPU time is the kernel's own sum over every process that was waited for; this process adopts the orphans of daemons,
so theirs counts too. Memory is the largest sum of proportional set sizes seen (pages that processes share count once).
The sampling itself runs outside the core and is not counted.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_SECONDS = 0.05
LONGEST_SECONDS = 3600
GRACE_SECONDS = 3.0


def tree_bytes() -> int:
    """Memory of all descendants now."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def end_tree() -> None:
    """Ends all descendants."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            process.kill()


def reap_orphans() -> None:
    """Waits for adopted daemons, and ends those that stay."""
    deadline = time.monotonic() + GRACE_SECONDS
    with suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(SAMPLE_SECONDS)
                if time.monotonic() > deadline:
                    end_tree()


def main() -> int:
    """The command's own exit code."""
    core, result, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start, peak = time.monotonic(), 0
    pinned = [] if core == "any" else ["taskset", "--cpu-list", core]
    process = subprocess.Popen([*pinned, *command])
    while process.poll() is None:
        peak = max(peak, tree_bytes())
        if time.monotonic() - start > LONGEST_SECONDS:
            print(f"ended: it took more than {LONGEST_SECONDS} seconds", file=sys.stderr)
            end_tree()
        time.sleep(SAMPLE_SECONDS)
    wall = time.monotonic() - start
    reap_orphans()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "wall_seconds": wall,
        "peak_bytes": max(peak, usage.ru_maxrss * 1024),
    }
    Path(result).write_text(json.dumps(figures))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
