"""Whoever types `headrace --help` does not wait."""

import resource
import subprocess
import sys

import pytest

REPEATS = 5


def best_seconds(*words: str) -> float:
    """CPU time of the quickest of some starts of Python with these arguments, the interpreter's own start included.

    Starting waits for nothing, so on an idle machine it is the time that passes; on a busy one it stays the same.
    """
    return min(_cpu_seconds(words) for _ in range(REPEATS))


def _cpu_seconds(words: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(
    ("words", "most_seconds"),
    [(("-c", "import headrace"), 0.2), (("-m", "headrace", "--help"), 0.4)],
    ids=["import", "help"],
)
def test_starting_is_quick(words: tuple[str, ...], most_seconds: float) -> None:
    seconds = best_seconds(*words)

    print(f"python {' '.join(words)}: {seconds:.3f} s, of which {best_seconds('-c', 'pass'):.3f} s are Python's own")
    assert seconds < most_seconds
