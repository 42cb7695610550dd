"""D12: a worker is killed, runs out of memory, or stops: the run ends by itself with the same bytes."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from corpus_runs import (
    Running,
    begin,
    content,
    events,
    json_lines,
    kept_texts,
    left_behind,
    print_figures,
    quarantine,
    run,
    sentences,
    write_pages,
    write_recipe,
)

pytestmark = pytest.mark.xdist_group("dead workers")  # so that what these tests share is made once

POISON = "xyzzy"
NUM_PAGES = 1_300


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,300 pages, 2.2 MB: six units. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("project")
    write_pages(folder / "pages", NUM_PAGES)
    write_recipe(folder, {"name": "pages", "path": "pages"})
    return folder


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of an undisturbed run."""
    runs = tmp_path_factory.mktemp("undisturbed") / "runs"
    done = run(project / "r.yaml", runs)
    assert done.code == 0, done.messages
    return runs


def a_busy_worker(running: Running, runs: Path) -> psutil.Process:
    """The first worker that is in the middle of a unit."""
    deadline = time.monotonic() + 60
    while not list((runs / "store" / ".work").glob("measure-*/kept/.unit-*")):
        assert time.monotonic() < deadline, "nothing was ever measured"
        assert running.process.poll() is None, running.messages_path.read_text()
        time.sleep(0.005)
    return max(running.workers(), key=lambda process: sum(process.cpu_times()[:2]))


def test_a_killed_worker_costs_its_unit_a_second_try_and_nothing_else(
    project: Path, undisturbed: Path, tmp_path: Path
) -> None:
    running = begin(project / "r.yaml", tmp_path / "runs")
    a_busy_worker(running, tmp_path / "runs").send_signal(signal.SIGKILL)
    killed_at = time.time()
    done = running.end()

    assert done.code == 0, done.messages
    assert content(tmp_path / "runs") == content(undisturbed)
    (death,) = events(tmp_path / "runs", "worker_died")  # one unit begun again: at most one task lost
    assert death["cause"] == "killed by SIGKILL"
    assert death["time"] - killed_at < 1
    assert left_behind(tmp_path / "runs") == []
    print_figures("D12 SIGKILL", noticed_after=death["time"] - killed_at, redone_units=1, seconds=done.seconds)


DEADLY = """
# Python runs this file when it starts. A batch of texts of which one holds the word ends the process that takes it up.
import importlib.util, os, resource, signal, sys

def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)

def run_out_of_memory():
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20),) * 2)
    bytearray(1 << 30)

class Finder:
    def find_spec(self, name, path, target=None):
        if name != "headrace.corpus.measure.normal_form":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run_module = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (run_module(module), poison(module))
        return spec

def poison(module):
    real = module.normalize_texts
    def normalize_texts(texts, form):
        if any("xyzzy" in text for text in texts):
            globals()[os.environ["DEED"]]()
        return real(texts, form)
    module.normalize_texts = normalize_texts

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("deed", ["be_killed", "run_out_of_memory"])
def test_a_document_that_kills_its_workers_is_left_out_after_three_tries_and_named(deed: str, tmp_path: Path) -> None:
    texts = sentences(1_200, num_words=300)
    poisoned = [*texts[:777], f"a {POISON} that nobody survives", *texts[777:]]
    (tmp_path / "lines.jsonl").write_bytes(json_lines(poisoned))
    (tmp_path / "startup").mkdir()
    (tmp_path / "startup" / "sitecustomize.py").write_text(DEADLY)
    path = os.pathsep.join([str(tmp_path / "startup"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    recipe = write_recipe(tmp_path, {"name": "lines", "path": "lines.jsonl"})
    done = run(recipe, tmp_path / "runs", environment={"PYTHONPATH": path, "DEED": deed})

    assert done.code == 0, done.messages
    assert kept_texts(tmp_path / "runs") == texts
    (record,) = quarantine(tmp_path / "runs").to_dicts()
    offset = len(json_lines(texts[:777]))
    assert (record["file"], record["offset"], record["reason"]) == ("lines.jsonl", offset, "killed_worker")
    assert POISON in record["excerpt"]
    (isolated,) = events(tmp_path / "runs", "record_isolated")
    assert (isolated["file"], isolated["offset"], isolated["deaths"]) == ("lines.jsonl", offset, 3)
    assert len(events(tmp_path / "runs", "worker_died")) == 3
    assert left_behind(tmp_path / "runs") == []
    print_figures("D12 poison", deed=deed, tries=isolated["deaths"], lost=1, seconds=done.seconds)


def test_a_stopped_worker_is_killed_with_the_rest_of_its_run(project: Path, tmp_path: Path) -> None:
    """A process that does not run cannot see that its run is over; Ctrl-C reaches it all the same."""
    running = begin(project / "r.yaml", tmp_path / "runs")
    worker = a_busy_worker(running, tmp_path / "runs")
    worker.send_signal(signal.SIGSTOP)
    running.send(signal.SIGINT)
    done = running.end()

    assert done.code == 130
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert left_behind(tmp_path / "runs") == []
