"""A folder of plain `.npy` files and one JSON file that vouches for them: how models of this floor lie on disk."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from headrace.corpus.texts import read_only
from headrace.errors import InputError
from headrace.store import publish_folder
from headrace.store.durable import remove_folder

Arrays = dict[str, npt.NDArray[Any]]

DESCRIPTION = "arrays.json"


def save_arrays(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Publishes a folder in one rename; `facts` is anything JSON holds. Raises FileExistsError if it is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.", ignore_cleanup_errors=True) as name:
        staged = Path(name) / "staged"
        staged.mkdir()
        for key, array in arrays.items():
            np.save(staged / f"{key}.npy", array, allow_pickle=False)
        digests = {key: _digest(staged / f"{key}.npy") for key in arrays}
        (staged / DESCRIPTION).write_text(json.dumps({"facts": dict(facts), "xxh3": digests}, indent=1))
        publish_folder(staged, folder)


def load_arrays(folder: Path, names: tuple[str, ...]) -> tuple[Arrays, dict[str, Any]]:
    """The named arrays, mapped read-only, and the facts saved with them.

    Processes that load one folder share its memory. Raises InputError if anything is missing, or not as it was saved:
    kernels index with what lies in these arrays.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_bytes())
        facts, digests = dict(description["facts"]), dict(description["xxh3"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: no folder of saved arrays ({DESCRIPTION} is missing or damaged). Train and save it again."
        ) from error
    return {name: _load(folder / f"{name}.npy", digests.get(name)) for name in names}, facts


def cached_arrays(name: str, names: tuple[str, ...], make: Callable[[], Arrays]) -> Arrays:
    """What `make` gives, mapped read-only from the user's cache folder, where it is written the first time.

    Anything there that is not whole is made anew; a folder that cannot be written costs time and nothing else.
    """
    folder = user_cache_folder() / name
    with contextlib.suppress(InputError):  # not there yet, or damaged
        return _sealed(load_arrays(folder, names)[0])
    arrays = make()
    with contextlib.suppress(OSError):  # nowhere to write, or another process was first
        remove_folder(folder)
        save_arrays(folder, arrays, {})
    return _sealed(arrays)


def user_cache_folder() -> Path:
    """Where what can be made again lies, for this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"


def _sealed(arrays: Arrays) -> Arrays:
    return {name: read_only(array) for name, array in arrays.items()}


def _load(path: Path, digest: str | None) -> npt.NDArray[Any]:
    try:
        if _digest(path) == digest:
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: missing or not an array. Train and save it again.") from error
    raise InputError(f"{path}: its bytes are not the ones that were saved. Train and save it again.")


def _digest(path: Path) -> str:
    return xxhash.xxh3_128_hexdigest(path.read_bytes())
