"""Saved arrays come back as they were, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from headrace.corpus.arrays import DESCRIPTION, load_arrays, save_arrays
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
