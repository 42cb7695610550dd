"""A file or a folder is there whole, or is not there."""

import os
import threading
from pathlib import Path

import pytest

from headrace.store import publish_folder, write_file
from headrace.store.durable import files_below, remove_folder


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    versions = {bytes([letter]) * 300_000 for letter in b"abcd"}
    write_file(path, min(versions))
    done = threading.Event()

    def write() -> None:
        for data in sorted(versions) * 3:
            write_file(path, data)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = [path.read_bytes()]
    while not done.is_set():
        seen.append(path.read_bytes())
    writer.join()

    assert set(seen) <= versions
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("old")

    with pytest.raises(OSError, match="taken"):
        write_file(tmp_path / "taken", b"new")

    assert [path.name for path in files_below(tmp_path)] == ["file"]


def test_publishing_gives_a_folder_its_final_name(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    (staged / "deep" / "empty").mkdir(parents=True)
    (staged / "deep" / "file").write_text("x")

    publish_folder(staged, tmp_path / "final")

    assert (tmp_path / "final" / "deep" / "file").read_text() == "x"
    assert os.listdir(tmp_path) == ["final"]


def test_publishing_never_overwrites(tmp_path: Path) -> None:
    for name in ("staged", "final"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)

    with pytest.raises(FileExistsError):
        publish_folder(tmp_path / "staged", tmp_path / "final")

    assert (tmp_path / "final" / "file").read_text() == "final"
    assert (tmp_path / "staged" / "file").read_text() == "staged"


def test_removing_a_folder_leaves_nothing_and_may_be_done_twice(tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)

    remove_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")

    assert os.listdir(tmp_path) == []


def test_files_are_listed_in_the_order_of_their_names_below_the_folder(tmp_path: Path) -> None:
    for name in ("b/1", "a", "b.txt", "b/0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)] == ["a", "b.txt", "b/0", "b/1"]
