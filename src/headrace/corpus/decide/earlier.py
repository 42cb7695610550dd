"""Documents that earlier runs kept: what equals or nearly equals one of them is not taken again.

Nothing of them is read but their ledgers and MinHash keys, and with `confirm` the texts that share a key. Nothing that
was published is ever removed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace.corpus.decide.shards import Shards, frame_of
from headrace.corpus.decide.verdicts import Mask, halves
from headrace.corpus.deduplicate.keys import read_keys, write_keys
from headrace.errors import InputError
from headrace.store import Artefact


@dataclass(frozen=True, eq=False)
class Earlier:
    """M documents of earlier runs, in the order of the recipe and of their ledgers."""

    runs: Mapping[str, Artefact]
    """Name of the run -> its curated corpus."""
    ids: npt.NDArray[np.uint8]
    """(M, 16)"""
    content: npt.NDArray[np.uint64]
    """(M, 2) the halves of the 128-bit content hashes."""

    def __len__(self) -> int:
        return len(self.ids)

    def key_files(self, quantity_key: str) -> list[Path]:
        """The files of MinHash keys, one a run. Raises InputError for a run without keys of this kind."""
        name = key_file_name(quantity_key)
        for run, artefact in self.runs.items():
            if name not in artefact.manifest.files:
                raise InputError(
                    f"earlier: run {run} was not deduplicated with these minhash settings, so its documents cannot be "
                    "compared. Run its recipe again with the same `minhash` step, or leave it out of `earlier`."
                )
        return [artefact.path / name for artefact in self.runs.values()]


def read_earlier(runs: Mapping[str, Artefact]) -> Earlier:
    """What is needed of the kept documents of earlier runs: about 32 bytes each."""
    frames = [_kept(path) for artefact in runs.values() for path in artefact.files("ledger-*.parquet")]
    ids = [bytes.fromhex("".join(frame["id"].to_list())) for frame in frames]
    contents = [halves(frame["content_hash"].to_list()) for frame in frames if frame.height]
    return Earlier(
        runs,
        np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 16),
        np.concatenate([np.empty((0, 2), np.uint64), *contents]),
    )


def write_kept_keys(path: Path, shards: Shards, *, files: Sequence[Path], passes: Mask) -> None:
    """Writes the MinHash keys of the kept documents, for later runs that name this one as earlier."""
    kept = [
        np.asarray(read_keys(file))[passes[shard.rows]] for shard, file in zip(shards, files, strict=True) if len(shard)
    ]
    write_keys(path, np.concatenate(kept))


def key_file_name(quantity_key: str) -> str:
    """Where the keys of a MinHash setting lie in a curated corpus."""
    return f"minhash-{hashlib.sha256(quantity_key.encode()).hexdigest()[:12]}.npy"


def _kept(ledger: Path) -> pl.DataFrame:
    return frame_of(ledger, ["id", "content_hash", "kept"]).filter("kept")
