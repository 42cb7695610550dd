"""What all steps of a decision work with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.corpus.config import CorpusConfig
from headrace.corpus.decide.earlier import Earlier
from headrace.corpus.decide.shards import Shard, Shards
from headrace.corpus.decide.verdicts import Rows, Verdicts
from headrace.corpus.tables import stored
from headrace.corpus.texts import Texts
from headrace.corpus.workers import Workers
from headrace.store import Artefact

CURATE_VERSION = 3
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


@dataclass(frozen=True, slots=True)
class TextsOfRows:
    """Texts by row, for the few that are looked at again. Picklable."""

    shards: tuple[Shard, ...]

    def __call__(self, rows: Rows) -> Texts:
        """The texts of some rows, which are given in ascending order, each once."""
        pieces = [piece for shard in self.shards for piece in self._of_shard(shard, rows)]
        return Texts.from_arrow(pa.concat_arrays([*pieces, pa.array([], pa.large_string())]))

    def _of_shard(self, shard: Shard, rows: Rows) -> Iterator[pa.Array]:
        begin, end = np.searchsorted(rows, (shard.first, shard.end))
        if begin == end:
            return
        wanted, first = rows[begin:end] - shard.first, 0
        with stored(shard.documents) as parquet:
            for index in range(parquet.num_row_groups):
                last = first + parquet.metadata.row_group(index).num_rows
                low, high = np.searchsorted(wanted, (first, last))
                if low < high:
                    texts = parquet.read_row_group(index, ["text"], use_threads=False)["text"]
                    yield texts.take(wanted[low:high] - first).combine_chunks().cast(pa.large_string())
                first = last
