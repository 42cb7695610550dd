"""The measured shards of all sources, and which rows of the whole run each holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace.corpus.tables import read_table, stored
from headrace.store import Artefact

SHARDS_LOOKED_INTO = 3


@dataclass(frozen=True, slots=True)
class Shard:
    """A measured shard. Rows are numbered through the whole run: sources, shards and documents in order."""

    source: str
    index: int
    """Among the shards of its source."""
    documents: Path
    scores: Path
    first: int
    end: int

    @property
    def rows(self) -> slice:
        return slice(self.first, self.end)

    def __len__(self) -> int:
        return self.end - self.first

    def read_scores(self, columns: Sequence[str]) -> pl.DataFrame:
        """Some score columns of its documents, in order. Raises StoreError if the table is damaged."""
        return frame_of(self.scores, columns)


@dataclass(frozen=True)
class Shards:
    """All shards of a run, in order."""

    listed: tuple[Shard, ...]

    @classmethod
    def of(cls, measured: Mapping[str, Artefact]) -> "Shards":
        """measured: source name -> what `measure_source` made of it, in the order of the recipe."""
        places = [
            (source, index, documents, scores)
            for source, artefact in measured.items()
            for index, (documents, scores) in enumerate(
                zip(artefact.files("documents-*.parquet"), artefact.files("scores-*.parquet"), strict=True)
            )
        ]
        ends = list(accumulate((_num_rows(scores) for *_, scores in places), initial=0))
        return cls(tuple(Shard(*place, first, end) for place, first, end in zip(places, ends, ends[1:], strict=False)))

    def __iter__(self) -> Iterator[Shard]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    @cached_property
    def num_looked_into(self) -> dict[tuple[str, int], int]:
        """(source, index) of a few shards, evenly spread -> how many of their first rows lie in one piece of the file:
        examples come from these where they can, so that showing some does not read the whole corpus again."""
        step = -(-len(self.listed) // SHARDS_LOOKED_INTO) or 1
        chosen = self.listed[step // 2 :: step]
        return {(shard.source, shard.index): _num_first_rows(shard.documents) for shard in chosen}

    def is_elsewhere(self, shard: Shard) -> npt.NDArray[np.bool_]:
        """Which rows of a shard are none of those that are looked into."""
        return np.arange(len(shard)) >= self.num_looked_into.get((shard.source, shard.index), 0)

    @cached_property
    def num_rows(self) -> int:
        return self.listed[-1].end if self.listed else 0

    @cached_property
    def documents(self) -> dict[str, list[Path]]:
        """Source -> its measured documents."""
        found: dict[str, list[Path]] = {}
        for shard in self:
            found.setdefault(shard.source, []).append(shard.documents)
        return found


def frame_of(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of a stored table. Raises StoreError if it is damaged."""
    frame = pl.from_arrow(read_table(path, list(columns)))
    assert isinstance(frame, pl.DataFrame), "a table is never a column"
    return frame


def _num_first_rows(path: Path) -> int:
    with stored(path) as parquet:
        return int(parquet.metadata.row_group(0).num_rows) if parquet.num_row_groups else 0


def _num_rows(path: Path) -> int:
    with stored(path) as parquet:
        return int(parquet.metadata.num_rows)
