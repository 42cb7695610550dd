"""kill -9 in every stage: the run continues, and ends with the bytes of an undisturbed one."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_project import HEADRACE, Headrace, content, environment

pytestmark = pytest.mark.xdist_group("finished run")  # so that what these tests share is made once

STEPS = ("measure", "curate", "vocabulary", "tokens", "train", "evaluate")
DEADLINE_SECONDS = 120


def start(project: Path, runs: Path) -> subprocess.Popen[bytes]:
    command = [*HEADRACE, "run", str(project / "small.yaml"), "--runs", str(runs), "--workers", "2"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True
    )


def kill_during(step: str, process: subprocess.Popen[bytes], runs: Path, *, delay_seconds: float) -> None:
    """Waits until the step is being built, a little longer, then kills the process alone: no child is told."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not list((runs / "store" / ".work").glob(f"{step}-*")) and process.poll() is None:
        assert time.monotonic() < deadline, f"{step} was never begun"
        time.sleep(0.001)
    time.sleep(delay_seconds)
    process.kill()  # a run that has already ended, because a short step slipped by unseen, is left as it is
    process.wait()


def wait_for_checkpoint(process: subprocess.Popen[Any], runs: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not list((runs / "store" / ".work").glob("train-*/kept/checkpoints/step-*")):
        assert process.poll() is None, f"the run ended: {process.communicate()[1] or (runs / 'messages').read_text()}"
        assert time.monotonic() < deadline, "training never wrote a checkpoint"
        time.sleep(0.05)


def orphans(runs: Path) -> list[psutil.Process]:
    """Processes of ours that work below `runs` or have lost the parent they were started by."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(runs) in words or (process.info["ppid"] == 1 and "headrace.corpus.workers.process" in words):
            found.append(process)
    return found


@pytest.mark.slow
def test_a_run_killed_once_in_each_stage_ends_with_the_same_bytes(
    project: Path, finished: Path, headrace: Headrace, tmp_path: Path
) -> None:
    choose = random.Random(1)
    for step in STEPS:
        delay = choose.uniform(0, 1.5 if step == "train" else 0.1)
        kill_during(step, start(project, tmp_path), tmp_path, delay_seconds=delay)
        visible = [path.name for path in (tmp_path / "store").glob("[!.]*")]
        assert all((tmp_path / "store" / name / "manifest.json").exists() for name in visible)
    done = headrace("run", project / "small.yaml", "--runs", tmp_path)

    assert done.returncode == 0, done.stderr
    for step in STEPS:
        assert content(tmp_path, "small", step) == content(finished, "small", step), step
    assert headrace("check", tmp_path / "small").returncode == 0
    # a kill during the removal of work that is published leaves it under another name, for gc
    assert not [path for path in (tmp_path / "store" / ".work").iterdir() if ".gone-" not in path.name]
    assert headrace("gc", "--runs", tmp_path).returncode == 0
    assert not list((tmp_path / "store" / ".work").iterdir())


@pytest.mark.slow
def test_a_training_killed_again_and_again_ends_with_the_same_bytes(
    project: Path, finished: Path, headrace: Headrace, tmp_path: Path
) -> None:
    choose = random.Random(3)
    for _ in range(5):
        kill_during("train", start(project, tmp_path), tmp_path, delay_seconds=choose.uniform(1.0, 3.5))
    done = headrace("run", project / "small.yaml", "--runs", tmp_path)

    assert done.returncode == 0, done.stderr
    assert content(tmp_path, "small", "train") == content(finished, "small", "train")


@pytest.mark.slow
def test_a_killed_run_of_two_processes_leaves_nobody_behind(project: Path, tmp_path: Path, headrace: Headrace) -> None:
    command = [*HEADRACE, "run", str(project / "small.yaml"), "--runs", str(tmp_path), "--processes", "2"]
    command += ["--set", "train.epochs=50"]
    with (tmp_path / "messages").open("wb") as messages:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages, env=environment())
    wait_for_checkpoint(process, tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while orphans(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert orphans(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2])
def test_ctrl_c_stops_with_one_sentence(processes: int, project: Path, tmp_path: Path) -> None:
    command = [*HEADRACE, "run", str(project / "small.yaml"), "--runs", str(tmp_path), "--set", "train.epochs=50"]
    process = subprocess.Popen(
        [*command, "--processes", str(processes)], stderr=subprocess.PIPE, text=True, env=environment()
    )
    wait_for_checkpoint(process, tmp_path)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while orphans(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert process.returncode == 130
    assert "stopped. Run the same command again to continue." in messages
    assert "Traceback" not in messages
    assert orphans(tmp_path) == []
