"""However many processes there are, whichever of them is killed: the same bytes come out and nobody is left behind."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest

from headrace.corpus.workers import Attempt, Limits, Place, Workers, open_engine
from headrace.corpus.workers.backlog import MAX_TRIES
from headrace.errors import InputError, WorkerError
from headrace.trace import read_records, recording

NUMBERS = range(12)
MEGABYTE = 1 << 20

RAY = pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.xdist_group("ray")])  # one cluster for all its tests
ENGINES = ["caller", "one process", "two processes", "three processes", RAY]
CREWS = ENGINES[1:]
"""Those whose workers may die without the caller."""


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[[str], Workers]]:
    """Opens an engine by its name, once for all tests: Ray takes six seconds to start."""
    engines: dict[str, Workers] = {}
    with ExitStack() as stack:
        yield lambda name: engines.get(name) or engines.setdefault(name, stack.enter_context(open_workers(name)))


@pytest.fixture
def workers(engine: str, opened: Callable[[str], Workers]) -> Workers:
    """The engine of a parametrised test."""
    return opened(engine)


def open_workers(name: str) -> Workers:
    if name == "caller":
        return Workers(1)
    if name == "ray":
        pytest.importorskip("ray")
        with pytest.MonkeyPatch.context() as patch:  # Ray's processes must find this module
            patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
            return open_engine("ray", 2)
    return open_engine("local", {"one": 1, "two": 2, "three": 3}[name.split()[0]])


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


def return_a_lock(number: int) -> Any:
    return threading.Lock()


@dataclass(frozen=True)
class DiesOnce:
    """Ends its own process in some way the first time it meets five; a file remembers that it did."""

    mark: Path
    how: Callable[[], Any]

    def __call__(self, number: int) -> int:
        if number == 5 and not self.mark.exists():
            self.mark.touch()
            self.how()
        return square(number)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def touch_what_is_not_ours() -> None:
    ctypes.string_at(0)


def be_stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def run_out_of_memory() -> None:
    """Asks for more than the process may have, as numpy does when the system refuses."""
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 16 * MEGABYTE,) * 2)
    bytearray(1 << 30)


def grow() -> None:
    """Takes memory and stays, as a leak does."""
    taken = bytearray(b"x") * (300 * MEGABYTE)
    time.sleep(60)
    del taken


def die_at_five(number: int) -> int:
    if number == 5:
        be_killed()
    return square(number)


def sum_records(unit: range, attempt: Attempt) -> tuple[int, list[int]]:
    """A unit of work that obeys its attempt; the records 13 and 31 kill. Returns the sum, and what was left out."""
    left_out = []
    total = 0
    for number in unit:
        place = Place("numbers", number)
        if place in attempt.skip:
            left_out.append(number)
            continue
        attempt.enter(place)
        if number in (13, 31):
            be_killed()
        total += number
    return total, left_out


@pytest.mark.parametrize("engine", ENGINES)
def test_results_come_in_the_order_of_the_items(workers: Workers) -> None:
    assert list(workers.map(sleep_then_square, NUMBERS)) == [n * n for n in NUMBERS]
    assert sorted(workers.map_unordered(sleep_then_square, NUMBERS)) == [n * n for n in NUMBERS]


@pytest.mark.parametrize("engine", ENGINES)
def test_our_errors_pass_through_and_others_name_the_unit(workers: Workers) -> None:
    with pytest.raises(InputError, match=r"^seven is not wanted$"):
        list(workers.map(refuse_seven, NUMBERS))
    with pytest.raises(WorkerError, match=r"^7: ZeroDivisionError"):
        list(workers.map(stumble_at_seven, NUMBERS))
    assert list(workers.map(square, range(3))) == [0, 1, 4]  # what was left running answers nobody else


def test_a_result_that_cannot_be_sent_is_an_error_that_names_the_unit() -> None:
    with Workers(2) as workers, pytest.raises(WorkerError, match=r"^0: its result cannot be sent"):
        list(workers.map(return_a_lock, range(1)))


@pytest.mark.parametrize("engine", ENGINES)
def test_items_are_read_when_they_are_needed(workers: Workers) -> None:
    num_read = 0

    def items() -> Iterator[int]:
        nonlocal num_read
        for number in range(1_000):
            num_read += 1
            yield number

    results = workers.map_unordered(square, items())
    for num_done, _ in enumerate(islice(results, 20), start=1):
        assert num_read <= num_done + 2 * workers.num_processes + 1


@pytest.mark.parametrize("engine", CREWS)
@pytest.mark.parametrize("how", [be_killed, touch_what_is_not_ours, run_out_of_memory])
def test_a_unit_whose_worker_dies_is_done_again(workers: Workers, how: Callable[[], None], tmp_path: Path) -> None:
    start = time.monotonic()
    assert list(workers.map(DiesOnce(tmp_path / "mark", how), NUMBERS)) == [n * n for n in NUMBERS]
    assert time.monotonic() - start < 8


@pytest.mark.parametrize("engine", CREWS)
def test_a_unit_that_kills_every_worker_is_named_and_the_others_are_done(workers: Workers) -> None:
    done: list[int] = []
    with pytest.raises(WorkerError, match=f"^5: .* died all {MAX_TRIES} times"):
        done.extend(workers.map_unordered(die_at_five, NUMBERS))
    assert {n * n for n in range(4)} <= set(done)


@pytest.mark.parametrize("engine", CREWS)
def test_records_that_kill_are_left_out_and_nothing_else(workers: Workers, tmp_path: Path) -> None:
    units = [range(start, start + 10) for start in range(0, 60, 10)]
    results = list(workers.map_attempts(sum_records, units, crumbs=tmp_path))

    assert sorted(number for _, left_out in results for number in left_out) == [13, 31]
    assert sum(total for total, _ in results) == sum(range(60)) - 13 - 31
    assert list(tmp_path.iterdir()) == []


def test_only_the_unit_of_the_dead_worker_is_begun_again(tmp_path: Path) -> None:
    """Of two units that run beside each other, the other is not disturbed."""
    with Workers(2) as workers:
        results = set(workers.map_unordered(partial(note_begin, tmp_path), ["long", "deadly", "deadly"]))

    assert results == {"long", "deadly"}
    begun = sorted(path.name.split("-")[0] for path in tmp_path.iterdir() if path.name != "mark")
    assert begun == ["deadly", "deadly", "deadly", "long"]


def note_begin(folder: Path, name: str) -> str:
    (folder / f"{name}-{time.monotonic_ns()}").touch()
    if name == "deadly" and not (folder / "mark").exists():
        (folder / "mark").touch()
        be_killed()
    if name == "long":
        time.sleep(1.5)
    return name


@pytest.mark.parametrize(("how", "cause"), [(be_stopped, "stopped or hanging"), (partial(os._exit, 3), "exit code 3")])
def test_a_worker_that_stops_is_replaced_and_the_cause_is_an_event(
    how: Callable[[], None], cause: str, tmp_path: Path
) -> None:
    with (
        recording(tmp_path / "trace.jsonl"),
        Workers(2, limits=Limits(idle_seconds=1.0)) as workers,
    ):
        assert list(workers.map(DiesOnce(tmp_path / "mark", how), NUMBERS)) == [n * n for n in NUMBERS]
    (death,) = read_records(tmp_path / "trace.jsonl")

    assert (death["name"], death["unit"]) == ("worker_died", "5")
    assert cause in death["cause"]


def test_a_unit_that_takes_too_long_is_begun_again(tmp_path: Path) -> None:
    with Workers(2, limits=Limits(unit_seconds=1.5)) as workers:
        function = DiesOnce(tmp_path / "mark", partial(time.sleep, 60))
        assert list(workers.map(function, NUMBERS)) == [n * n for n in NUMBERS]


def test_the_largest_worker_is_killed_before_memory_runs_out(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=250 * MEGABYTE)
    start = time.monotonic()
    with recording(tmp_path / "trace.jsonl"), Workers(2, limits=limits) as workers:
        assert list(workers.map(DiesOnce(tmp_path / "mark", grow), NUMBERS)) == [n * n for n in NUMBERS]
    (death,) = read_records(tmp_path / "trace.jsonl")

    assert "above 262,144,000" in death["cause"]
    assert time.monotonic() - start < 10


RAY_CALLER = """
    import os, signal, sys
    import psutil
    from headrace.corpus.workers import open_engine

    def die_once(mark):
        if not os.path.exists(mark):
            os.close(os.open(mark, os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getcwd()

    if __name__ == "__main__":
        with open_engine("ray", 1) as workers:
            (folder,) = workers.map(die_once, ["mark"])
            crew = psutil.Process().children(recursive=True)
            ports = [port for one in crew for port in one.net_connections("inet") if port.status == "LISTEN"]
            print(folder, *sorted({port.laddr.ip for port in ports}), len(crew) > 3)
        print(len(psutil.Process().children(recursive=True)))
"""


@pytest.mark.slow
def test_ray_is_quiet_listens_to_nobody_outside_and_leaves_nobody_behind(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "caller.py").write_text(textwrap.dedent(RAY_CALLER))
    before = set(Path("/dev/shm").iterdir())
    # not below `tmp_path`: the names of Ray's sockets would be too long
    with tempfile.TemporaryDirectory(prefix="r-") as temporary:
        done = subprocess.run(
            [sys.executable, "caller.py"],
            cwd=tmp_path,
            env=os.environ | {"TMPDIR": temporary},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        left = {*Path(temporary).glob("headrace-ray-*"), *Path("/dev/shm").iterdir()} - before

    assert done.stderr == ""
    assert done.stdout == f"{tmp_path} 127.0.0.1 ::ffff:127.0.0.1 True\n0\n"
    assert left == set()


NAP = """
    import os, time

    def nap(number):
        os.write(1, b"%d\\n" % os.getpid())  # in one piece, unlike `print`
        time.sleep(60)
"""
PARENT = """
    from headrace.corpus.workers import Workers
    from napping import nap

    with Workers(2) as workers:
        list(workers.map(nap, range(2)))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_parent(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "napping.py").write_text(textwrap.dedent(NAP))
    (tmp_path / "parent.py").write_text(textwrap.dedent(PARENT))
    parent = subprocess.Popen(
        [sys.executable, "parent.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]

    parent.send_signal(how)
    parent.wait(timeout=10)

    deadline = time.monotonic() + 2
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
    parent.stdout.close()


def test_a_function_of_the_main_script_is_an_error_that_says_so(tmp_path: Path) -> None:
    script = NAP + PARENT.replace("from napping import nap", "")
    (tmp_path / "alone.py").write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, "alone.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert "WorkerError: a worker cannot find what it is to do: " in done.stderr


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
