"""Processes that want the same thing at the same time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from headrace.config import Config
from headrace.errors import BusyError
from headrace.store import StepSpec, Store, Workspace
from headrace.store.lock import hold

SPEC = StepSpec("shared", 1, Config(), {})

HOLDER = """
import sys, time
from pathlib import Path
from headrace.store.lock import hold
with hold(Path(sys.argv[1]), what="run first"):
    print("held", flush=True)
    time.sleep(60)
"""


def ensure_together(root: Path, name: str) -> str:
    """Runs in a process of its own: a build that only ends when both processes are about to ask for it."""
    (root / f"asks-{name}").touch()

    def build(workspace: Workspace) -> Mapping[str, Any]:
        (root / f"builds-{name}").touch()
        deadline = time.monotonic() + 30
        while len(list(root.glob("asks-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        (workspace.output / "by").write_text(name)
        return {}

    return (Store(root / "store").ensure(SPEC, build).path / "by").read_text()


def test_two_processes_that_want_one_artefact_build_it_once_and_both_get_it(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        builders = list(pool.map(ensure_together, [tmp_path] * 2, ["one", "two"]))

    assert len(set(builders)) == 1
    assert [path.name for path in tmp_path.glob("builds-*")] == [f"builds-{builders[0]}"]
    assert len(list(tmp_path.glob("asks-*"))) == 2


def test_a_lock_says_who_holds_it_and_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        message = r"run second: another headrace process.*\.lock.*another name"
        with pytest.raises(BusyError, match=message) as caught, hold(path, what="run second", wait_seconds=0):
            pass
        assert caught.value.exit_code == 2
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

    with hold(path, what="run second", wait_seconds=5):
        pass


def test_a_lock_is_free_again_after_an_error_in_its_block(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold(tmp_path / ".lock", what="x"):
        1 / 0  # noqa: B018

    with hold(tmp_path / ".lock", what="x", wait_seconds=0):
        pass
