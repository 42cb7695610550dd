"""However many processes there are, whichever of them is killed: the same bytes come out and nobody is left behind."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.measure import measure_source
from headrace.corpus.workers import MAX_RETRIES, Workers
from headrace.errors import InputError, WorkerError
from headrace.store import Workspace

NUMBERS = range(12)


def square(number: int) -> int:
    return number * number


def sleep_then_square(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    return number * number


def refuse_seven(number: int) -> int:
    if number == 7:
        raise InputError("seven is not wanted")
    return number


def stumble_at_seven(number: int) -> int:
    return number // (number - 7)


class DiesOnce:
    """Kills its own process the first time it meets five; a file remembers that it did."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, number: int) -> int:
        if number == 5 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return square(number)


def die_at_five(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


@pytest.mark.parametrize("num_processes", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(num_processes: int) -> None:
    with Workers(num_processes) as workers:
        assert list(workers.map(sleep_then_square, NUMBERS)) == [n * n for n in NUMBERS]
        assert sorted(workers.map_unordered(sleep_then_square, NUMBERS)) == [n * n for n in NUMBERS]


@pytest.mark.parametrize("num_processes", [1, 2])
def test_our_errors_pass_through_and_others_name_the_unit(num_processes: int) -> None:
    with Workers(num_processes) as workers, pytest.raises(InputError, match=r"^seven is not wanted$"):
        list(workers.map(refuse_seven, NUMBERS))
    with Workers(num_processes) as workers, pytest.raises(WorkerError, match=r"^7: ZeroDivisionError"):
        list(workers.map(stumble_at_seven, NUMBERS))


def test_a_unit_whose_worker_is_killed_is_done_again(tmp_path: Path) -> None:
    start = time.monotonic()

    with Workers(2) as workers:
        assert list(workers.map(DiesOnce(tmp_path / "mark"), NUMBERS)) == [n * n for n in NUMBERS]
    assert time.monotonic() - start < 20


def test_a_unit_that_kills_every_worker_is_named_and_the_others_are_done() -> None:
    done = []
    with (
        Workers(2) as workers,
        pytest.raises(WorkerError, match=f"^5: its worker process was killed all {MAX_RETRIES + 1}"),
    ):
        done.extend(workers.map_unordered(die_at_five, NUMBERS))
    assert {n * n for n in range(4)} <= set(done)


PARENT = """
    import os, sys, time
    from headrace.corpus.workers import Workers

    def nap(n):
        print(os.getpid(), flush=True)
        time.sleep(60)

    if __name__ == "__main__":
        with Workers(2) as workers:
            list(workers.map(nap, range(2)))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]

    parent.send_signal(how)
    parent.wait(timeout=10)

    deadline = time.monotonic() + 5
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
    parent.stdout.close()


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def pages(tmp_path: Path) -> SourceConfig:
    """1,000 small files: four units, with a damaged file in each."""
    generator = random.Random(7)
    words = [
        "the",
        "mill",
        "and",
        "a",
        "wheel",
        "of",
        "water",
        "that",
        "turns",
        "with",
        "the",
        "river",
        "to",
        "be",
        "seen",
    ]
    (tmp_path / "in").mkdir()
    for number in range(1_000):
        text = " ".join(generator.choices(words, k=40)).encode()
        (tmp_path / "in" / f"{number:04d}.txt").write_bytes(text + (b"\xff" if number % 250 == 3 else b""))
    return SourceConfig(name="pages", path=("in",))


def measure(source: SourceConfig, folder: Path, name: str, workers: Workers) -> dict[str, bytes]:
    workspace = Workspace(kept=folder / name / "kept", output=folder / name / "output")
    workspace.kept.mkdir(parents=True, exist_ok=True)
    workspace.output.mkdir()
    files = find_files(source, folder)
    measure_source(source, normalize="NFC", files=files, workspace=workspace, workers=workers, quarantine_limit=0.05)
    return {path.name: path.read_bytes() for path in sorted(workspace.output.iterdir())}


def test_the_bytes_do_not_depend_on_the_number_of_processes(pages: SourceConfig, tmp_path: Path) -> None:
    outputs = []
    for num_processes in (1, 2, 3):
        with Workers(num_processes) as workers:
            outputs.append(measure(pages, tmp_path, f"run{num_processes}", workers))

    assert len(outputs[0]) == 9
    assert outputs[0] == outputs[1] == outputs[2]


def test_a_killed_run_goes_on_where_it_was_and_ends_with_the_same_bytes(pages: SourceConfig, tmp_path: Path) -> None:
    with Workers(1) as workers:
        whole = measure(pages, tmp_path, "whole", workers)
        measure(pages, tmp_path, "killed", workers)
    kept = tmp_path / "killed" / "kept"
    untouched = (kept / "unit-00000" / "scores.parquet").stat().st_mtime_ns
    for path in (kept / "unit-00002").iterdir():  # as a kill leaves it: one unit not there, another half-written
        path.unlink()
    (kept / "unit-00002").rename(kept / ".unit-00002.tmp")
    (kept / ".unit-00002.tmp" / "documents.parquet").write_bytes(b"half")
    (tmp_path / "killed" / "output").rename(tmp_path / "killed" / "lost")

    with Workers(2) as workers:
        assert measure(pages, tmp_path, "killed", workers) == whole
    assert (kept / "unit-00000" / "scores.parquet").stat().st_mtime_ns == untouched
