"""Saved arrays come back as they were, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from headrace.corpus.arrays import DESCRIPTION, Arrays, cached_arrays, load_arrays, save_arrays
from headrace.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "one"
    save_arrays(folder, {"a": np.arange(5), "b": np.ones((2, 3), np.float32)}, {"name": "水"})
    return folder


def test_what_was_saved_is_loaded(folder: Path) -> None:
    arrays, facts = load_arrays(folder, ("b", "a"))

    assert facts == {"name": "水"}
    assert arrays["a"].tolist() == [0, 1, 2, 3, 4]
    assert arrays["b"].shape == (2, 3)
    assert not arrays["a"].flags.writeable


@pytest.mark.parametrize("name", ["a.npy", DESCRIPTION])
@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"facts": 1, "xxh3": 2}', b"\x93NUMPY"])
def test_damage_is_found(folder: Path, name: str, damage: bytes) -> None:
    (folder / name).write_bytes(damage)
    with pytest.raises(InputError, match="one"):
        load_arrays(folder, ("a", "b"))


def test_a_missing_array_is_found(folder: Path) -> None:
    with pytest.raises(InputError, match=r"c\.npy"):
        load_arrays(folder, ("a", "c"))


def test_a_folder_that_is_there_is_kept(folder: Path) -> None:
    with pytest.raises(FileExistsError):
        save_arrays(folder, {}, {})
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Arrays]:
    """Whatever `make` below has made, with a user's cache folder that is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return []


def cached(made: list[Arrays]) -> Arrays:
    def make() -> Arrays:
        made.append({"a": np.arange(5)})
        return made[-1]

    return cached_arrays("one", ("a",), make)


def test_the_cache_is_filled_once(made: list[Arrays]) -> None:
    first, again = cached(made), cached(made)

    assert len(made) == 1
    assert first["a"].tolist() == again["a"].tolist() == [0, 1, 2, 3, 4]
    assert not first["a"].flags.writeable
    assert not again["a"].flags.writeable


def test_a_damaged_cache_is_made_anew(made: list[Arrays], tmp_path: Path) -> None:
    cached(made)
    with (tmp_path / "cache" / "headrace" / "one" / "a.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")

    assert cached(made)["a"].tolist() == cached(made)["a"].tolist() == [0, 1, 2, 3, 4]
    assert len(made) == 2


def test_without_a_place_for_the_cache_arrays_are_made_each_time(made: list[Arrays], tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")

    assert cached(made)["a"].tolist() == cached(made)["a"].tolist() == [0, 1, 2, 3, 4]
    assert len(made) == 2
