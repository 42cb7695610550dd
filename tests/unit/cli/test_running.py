"""Options of `headrace run`: what they are taken for, and what is refused before any work."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.running import parse_size

Headrace = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("8GB", 8_000_000_000),
        ("500 MB", 500_000_000),
        ("1.5g", 1_500_000_000),
        (" 2T ", 2_000_000_000_000),
        ("250000K", 250_000_000),
        ("100000000", 100_000_000),
        ("1e9", 1_000_000_000),
        ("1e3 MB", 1_000_000_000),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "GB", "0", "-8GB", "8GiB", "eight", "1.2.3GB", "8 G B", "1e999GB", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no size; write it like 8GB or 500MB"):
        parse_size(text)


@given(size_bytes=st.integers(1, 2**53))
def test_bytes_are_taken_as_they_are(size_bytes: int) -> None:
    assert parse_size(str(size_bytes)) == size_bytes


def test_a_wrong_size_is_refused_before_any_work(headrace: Headrace, project: Path) -> None:
    outcome = headrace("run", "small.yaml", "--memory-limit", "8GiB")

    assert outcome.code == 2
    assert '"8GiB" is no size; write it' in outcome.stderr
    assert not Path("runs").exists()


def test_a_memory_limit_that_no_process_can_keep_to_is_refused(headrace: Headrace, project: Path) -> None:
    outcome = headrace("run", "small.yaml", "--memory-limit", "299MB")

    assert outcome.code == 2
    assert outcome.stderr == (
        "error: memory limit: got 299,000,000 bytes, and one process that curates text takes 300 to 700 MB. Give it "
        "300MB or more, or leave the limit out.\n"
    )
    assert not Path("runs").exists()


def test_a_memory_limit_that_may_be_exceeded_is_said_once(headrace: Headrace, project: Path) -> None:
    outcome = headrace("run", "small.yaml", "--memory-limit", "400MB")

    assert outcome.code == 0
    assert outcome.stderr.count("the memory limit of 400 MB is less than the 700 MB that one process may take") == 1


def test_a_raw_file_changed_behind_its_time_is_noticed_where_all_are_read_again(
    headrace: Headrace, finished: Path
) -> None:
    headrace("run", "small.yaml")
    before, path = Path("runs/small/run.json").read_text(), Path("lines.jsonl")
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"number 3 of", b"NUMBER 3 of"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert headrace("run", "small.yaml").code == 0
    assert Path("runs/small/run.json").read_text() == before
    assert headrace("run", "small.yaml", "--reread").code == 0
    assert Path("runs/small/run.json").read_text() != before
    assert "NUMBER 3" in headrace("why", "runs/small", "lines.jsonl", "--json").stdout


def test_ray_that_is_not_installed_is_refused_with_how_to_get_it(
    headrace: Headrace, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as Python has it for what cannot be imported

    outcome = headrace("run", "small.yaml", "--engine", "ray")

    assert outcome.code == 2
    assert "error: --engine ray: Ray is not installed. Run: pip install 'headrace[ray]'.\n" in outcome.stderr
    assert not list(Path("runs/store").glob("[!.]*"))


def test_an_engine_that_is_not_there_is_refused(headrace: Headrace, project: Path) -> None:
    outcome = headrace("run", "small.yaml", "--engine", "spark")

    assert outcome.code == 2
    assert "'local', 'ray'" in outcome.stderr
