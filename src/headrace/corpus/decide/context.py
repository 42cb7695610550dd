"""What all steps of a decision work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.earlier import Earlier
from headrace.corpus.decide.shards import Shards
from headrace.corpus.decide.verdicts import Verdicts
from headrace.corpus.workers import Workers
from headrace.store import Artefact

CURATE_VERSION = 4
"""Raised when a curated corpus comes out otherwise for the same settings and inputs."""

AUGMENT_TABLES = ("synonyms", "phrases")
"""Settings of `augment` that are paths of files."""


@dataclass(frozen=True)
class CurateInputs:
    """What curation works on: artefacts by source name, in the order of the recipe."""

    measured: Mapping[str, Artefact]
    derived: Mapping[str, Mapping[str, Artefact]]
    """Key of a derived quantity -> source -> its values."""
    recipe_folder: Path
    earlier: Mapping[str, Artefact]
    """Name of an earlier run -> its curated corpus, whose documents are not repeated."""


@dataclass(frozen=True, eq=False)
class Context:
    """A decision under way."""

    config: CorpusConfig
    shards: Shards
    verdicts: Verdicts
    earlier: Earlier
    derived: Mapping[str, Mapping[str, Artefact]]
    """Key of a derived quantity -> source -> its values, one folder `unit-*` per shard."""
    recipe_folder: Path
    seed: int
    kept: Path
    """A folder where finished pieces of work outlive a kill."""
    workers: Workers
    memory_limit: int

    def derived_files(self, key: str, name: str) -> list[Path]:
        """The files of that name of a derived quantity, in the order of the shards."""
        of_source = {source: artefact.path for source, artefact in self.derived[key].items()}
        return [of_source[shard.source] / f"unit-{shard.index:05d}" / name for shard in self.shards]

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """A numeric score column of all documents; what was not measured counts as the smallest number."""
        values = np.empty(self.shards.num_rows, np.float64)
        for shard in self.shards:
            values[shard.rows] = shard.read_scores([name])[name].cast(float).fill_null(-np.inf).to_numpy()
        return values
