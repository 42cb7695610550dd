"""The band keys of earlier dumps, so that a new dump is deduplicated against them without their texts.

An index is a folder of shards, one a dump, numbered in order. Its rows come before those of the new dump in every
table, so the first row of a cluster is the earliest document, and nothing that was published is ever removed. For the
rows of the new dump the answer is that of deduplicating everything together, in that order, with keep "first".
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import xxhash

from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.folding import NO_HAN, Han
from headrace.corpus.deduplicate.keys import KeyFile, open_keys, read_keys, write_keys
from headrace.errors import RecipeError, StoreError
from headrace.store import publish_folder

Ids = npt.NDArray[np.bytes_]

KEYS_VERSION = 1
"""Changes with everything that changes keys: folding, hashing, n-grams."""

DESCRIPTION = "shard.json"


@dataclass(frozen=True, slots=True)
class Index:
    """What earlier dumps left behind."""

    shards: tuple[Path, ...]
    num_rows: int

    @property
    def keys(self) -> list[Path]:
        """Key files, to be put before those of the new dump."""
        return [path for shard in self.shards for path in sorted(shard.glob("keys-*.npy"))]

    def ids(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """For rows of the index, in any order, the id of the document that stayed in their place."""
        found = np.empty(len(rows), "S64")
        before = 0
        for shard in self.shards:
            ids = np.load(shard / "ids.npy", mmap_mode="r")
            here = (rows >= before) & (rows < before + len(ids))
            found[here] = ids[rows[here] - before]
            before += len(ids)
        return [value.decode() for value in found.tolist()]


def describe_keys(config: MinHashConfig, han: Han = NO_HAN) -> dict[str, Any]:
    """The settings that keys depend on."""
    settings = config.model_dump(mode="json", include={"bands", "rows", "ngram", "unit"})
    folded = "" if han == NO_HAN else xxhash.xxh3_64_hexdigest("\0".join(han).encode())
    return {"version": KEYS_VERSION, **settings, "han": folded}


def load_index(folder: Path, config: MinHashConfig, *, han: Han = NO_HAN) -> Index:
    """The index in a folder, empty if there is none.

    Raises RecipeError if it was made with other settings, StoreError if it is damaged.
    """
    shards = tuple(sorted(folder.glob("shard-*"))) if folder.exists() else ()
    num_rows = 0
    for shard in shards:
        try:
            description = orjson.loads((shard / DESCRIPTION).read_bytes())
            settings, expected = description["settings"], description["num_rows"]
            num_ids = len(np.load(shard / "ids.npy", mmap_mode="r"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(shard) from error
        if settings != describe_keys(config, han):
            raise RecipeError(
                f"{folder}: this index of earlier dumps was made with {settings}, the recipe says "
                f"{describe_keys(config, han)}. Use the same settings, or another folder for a new index."
            )
        if not num_ids == expected == sum(open_keys(path).num_rows for path in shard.glob("keys-*.npy")):
            raise _damaged(shard)
        num_rows += expected
    return Index(shards, num_rows)


def add_to_index(
    folder: Path,
    config: MinHashConfig,
    *,
    keys: Sequence[Path],
    takes_part: npt.NDArray[np.bool_],
    ids: Sequence[str],
    han: Han = NO_HAN,
) -> Path:
    """Publishes the rows of a dump that took part as the next shard, and returns it.

    keys: the dump's key files. ids: for each of its rows, the id of the document that stayed in its place; removed rows
    belong into the index too, or what resembles only them would not be found.
    """
    assert len(ids) == len(takes_part), "every row has an id"
    number = len(load_index(folder, config, han=han).shards)
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".shard-{number:05d}.tmp"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    first = 0
    for unit, file in enumerate(map(open_keys, keys)):
        _copy(file, takes_part[first : first + file.num_rows], staged / f"keys-{unit:06d}.npy")
        first += file.num_rows
    chosen = np.array([value.encode() for value, takes in zip(ids, takes_part, strict=True) if takes], "S")
    np.save(staged / "ids.npy", chosen if len(chosen) else np.empty(0, "S1"), allow_pickle=False)
    description = {"settings": describe_keys(config, han), "num_rows": len(chosen)}
    (staged / DESCRIPTION).write_bytes(orjson.dumps(description))
    shard = folder / f"shard-{number:05d}"
    publish_folder(staged, shard)
    return shard


def _copy(file: KeyFile, takes_part: npt.NDArray[np.bool_], path: Path) -> None:
    if takes_part.all():
        shutil.copyfile(file.path, path)
    else:
        write_keys(path, read_keys(file.path)[takes_part])


def _damaged(shard: Path) -> StoreError:
    return StoreError(
        f"{shard}: this shard of the index is damaged. Restore it from a copy, or delete it and add its dump again."
    )
