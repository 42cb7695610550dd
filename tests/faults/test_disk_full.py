"""A disk that fills up: one clear sentence, nothing half-written under a final name, and the next run continues."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

WORDS = "the river that turns the wheel is cold and the miller who waits has nothing to do but read and write"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MB for the length of a test; making one needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run(recipe: Path, runs: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headrace", "run", str(recipe), "--runs", str(runs)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_full_disk_is_one_sentence_and_the_run_continues_when_there_is_space(
    small_disk: Path, tmp_path: Path
) -> None:
    lines = (orjson.dumps({"text": f"{WORDS} {number}"}) for number in range(400))
    (tmp_path / "text.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (tmp_path / "r.yaml").write_text("{name: r, seed: 1, corpus: {sources: [{name: s, path: text.jsonl}]}}")
    full = run(tmp_path / "r.yaml", small_disk)  # the report alone is larger than what is left

    assert full.returncode == 1
    assert "the disk is full" in full.stderr
    assert "Traceback" not in full.stderr
    assert not (small_disk / "r" / "report.html").exists()

    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    again = run(tmp_path / "r.yaml", small_disk)
    check = subprocess.run([sys.executable, "-m", "headrace", "check", str(small_disk / "r")], check=False)

    assert again.returncode == 0, again.stderr
    assert "found measure" in again.stderr
    assert check.returncode == 0
    assert (small_disk / "r" / "report.html").exists()
    assert not list(small_disk.rglob("*.tmp-*"))
