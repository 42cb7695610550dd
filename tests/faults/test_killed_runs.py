"""D13 and Ctrl-C: all processes killed at random moments, the same command again, the bytes of an undisturbed run."""

import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from corpus_runs import begin, content, left_behind, print_figures, run, write_pages, write_recipe

from headrace.corpus.config import SourceConfig
from headrace.corpus.discover import find_files
from headrace.corpus.read import plan_units
from headrace.store import Store

pytestmark = pytest.mark.xdist_group("killed runs")  # so that what these tests share is made once

NUM_KILLS = 10
BYTES_PER_SECOND = 10_000_000
"""Text that a core measures at the least."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,300 pages, 2.2 MB: six units. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("project")
    write_pages(folder / "pages", 1_300)
    write_recipe(folder, {"name": "pages", "path": "pages"})
    return folder


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float]:
    """The digest of an undisturbed run of one worker, and its seconds."""
    runs = tmp_path_factory.mktemp("undisturbed") / "runs"
    done = run(project / "r.yaml", runs, workers=1)
    assert done.code == 0, done.messages
    return content(runs), done.seconds


def wait_for_work(runs: Path, process: psutil.Process) -> None:
    """Waits until the first unit is begun, or all is over."""
    deadline = time.monotonic() + 60
    while not list((runs / "store" / ".work").glob("measure-*/kept/.unit-*")) and process.is_running():
        assert time.monotonic() < deadline, "nothing was ever measured"
        if process.status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 4])
def test_a_run_killed_ten_times_ends_with_the_same_bytes(
    num_workers: int, project: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    expected, seconds = undisturbed
    choose = random.Random(num_workers)
    runs = tmp_path / "runs"
    start, num_interrupted = time.monotonic(), 0
    for _ in range(NUM_KILLS):
        running = begin(project / "r.yaml", runs, workers=num_workers)
        wait_for_work(runs, psutil.Process(running.process.pid))
        time.sleep(choose.uniform(0, 0.3))
        running.send(signal.SIGKILL)
        num_interrupted += running.end().code == -signal.SIGKILL

        visible = [path for path in (runs / "store").glob("[!.]*") if path.is_dir()]
        assert all((path / "manifest.json").exists() for path in visible)
        assert [found.problems() for found in Store(runs / "store").artefacts()] == [[] for _ in visible]
    done = run(project / "r.yaml", runs, workers=num_workers)

    assert done.code == 0, done.messages
    assert content(runs) == expected
    assert left_behind(runs) == []
    assert num_interrupted > 0
    print_figures(
        "D13", workers=num_workers, kills=num_interrupted, seconds=time.monotonic() - start, undisturbed=seconds
    )


def test_a_kill_loses_at_most_ten_seconds_of_work_of_each_worker(tmp_path: Path) -> None:
    """A unit is all that a worker can lose, so no unit may hold more than ten seconds' work, whatever the file."""
    with (tmp_path / "huge.jsonl").open("wb") as file:
        line = b'{"text": "' + b"x" * 99_987 + b'"}\n'
        file.writelines(line for _ in range(1_500))
    source = SourceConfig(name="huge", path=("huge.jsonl",))
    sizes = [unit.size_bytes for unit in plan_units(source, find_files(source, tmp_path))]

    assert sum(sizes) == 150_000_000
    assert max(sizes) <= 10 * BYTES_PER_SECOND
    print_figures("D13 unit size", largest_unit_bytes=max(sizes), seconds=max(sizes) / BYTES_PER_SECOND)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_ctrl_c_ends_everything_within_two_seconds(num_workers: int, project: Path, tmp_path: Path) -> None:
    before = set(Path("/dev/shm").iterdir())
    running = begin(project / "r.yaml", tmp_path / "runs", workers=num_workers)
    wait_for_work(tmp_path / "runs", psutil.Process(running.process.pid))
    members = running.family()
    running.send(signal.SIGINT)
    start = time.monotonic()
    done = running.end()
    seconds = time.monotonic() - start

    assert done.code == 130
    assert done.messages.splitlines()[-1] == "error: stopped. Run the same command again to continue."
    assert "Traceback" not in done.messages
    assert seconds < 2
    _, alive = psutil.wait_procs(members, timeout=1)
    assert alive == []
    assert left_behind(tmp_path / "runs") == []
    assert set(Path("/dev/shm").iterdir()) == before
    print_figures("Ctrl-C", workers=num_workers, seconds=seconds, processes=len(members), left_behind=len(alive))
