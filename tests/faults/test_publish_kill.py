"""A process that publishes is killed at random instants: what is visible afterwards is whole, and work goes on."""

import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.config import Config
from headrace.store import StepSpec, Store, Workspace, write_file

NUM_KILLS = 15
LONGEST_SECONDS = 0.25
COPIES = 5_000


class Numbered(Config):
    """Settings of the n-th artefact."""

    number: int


def spec_of(number: int) -> StepSpec:
    return StepSpec("victim", 1, Numbered(number=number), {})


def build(workspace: Workspace) -> Mapping[str, Any]:
    """Several files on two levels, after a kept unit, as a step does it."""
    write_file(workspace.kept / "unit.bin", b"u" * 50_000)
    (workspace.output / "shards").mkdir()
    for number in range(5):
        (workspace.output / "shards" / f"{number}.bin").write_bytes(bytes([number]) * 100_000)
    (workspace.output / "data.bin").write_bytes((workspace.kept / "unit.bin").read_bytes())
    return {"files": 6}


def publish_for_ever(root: Path) -> None:
    """Runs in the process that is killed: says each address when it is published, and counts in a file."""
    store = Store(root / "store")
    number = len(store.artefacts())
    while True:
        print(store.ensure(spec_of(number), build).address, flush=True)
        number += 1
        write_file(root / "count", (b"%d" % number) * COPIES)


def publish_until_killed(root: Path, seconds: float) -> list[str]:
    """The addresses that a process had said when it was killed, that many seconds after its first."""
    with subprocess.Popen([sys.executable, __file__, root], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        rest = process.stdout.read()
    said = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return [line.strip() for line in said]


def test_nothing_half_written_is_ever_visible(tmp_path: Path) -> None:
    generator = random.Random(20)
    store = Store(tmp_path / "store")
    num_published = num_interrupted = 0
    for _ in range(NUM_KILLS):
        said = publish_until_killed(tmp_path, generator.uniform(0, LONGEST_SECONDS))

        visible = store.artefacts()
        assert [artefact.problems() for artefact in visible] == [[] for _ in visible]
        assert set(said) <= {artefact.address for artefact in visible}
        assert len(visible) >= num_published + len(said)
        num_published = len(visible)
        num_interrupted += len(store.unfinished())
        count = (tmp_path / "count").read_bytes()
        assert count == count[: len(count) // COPIES] * COPIES

    assert num_interrupted > 0
    for number in range(num_published + 2):
        store.ensure(spec_of(number), build).verify()
    remains = [*store.garbage(spec_of(number).address for number in range(num_published + 2)), *store.unfinished()]
    assert all(path.parent.name == ".work" for path in remains)  # builds that were killed while they cleaned up
    assert all(store.remove(path) for path in remains)


if __name__ == "__main__":
    publish_for_ever(Path(sys.argv[1]))
