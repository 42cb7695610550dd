"""Texts of documents by row, for the few that are looked at again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pyarrow as pa

from headrace.corpus.decide.shards import Shard, frame_of
from headrace.corpus.decide.verdicts import Rows
from headrace.corpus.tables import stored
from headrace.corpus.texts import Texts
from headrace.errors import InputError
from headrace.store import Artefact


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Neighbouring rows whose texts lie in one measured shard."""

    first: int
    end: int
    documents: Path
    places: Path | None = None
    """A `.npy` file that says where in the shard the text of each row lies, ascending; None: they are all its rows."""

    def places_of(self, rows: Rows) -> Rows:
        """Where in the shard the texts of some of the rows lie."""
        numbers = rows - self.first
        return numbers if self.places is None else np.asarray(np.load(self.places, mmap_mode="r")[numbers])


@dataclass(frozen=True, slots=True)
class TextsOfRows:
    """Texts by row. Picklable."""

    stretches: tuple[Stretch, ...]

    def __call__(self, rows: Rows) -> Texts:
        """The texts of some rows, which are given in ascending order, each once."""
        pieces = [piece for stretch in self.stretches for piece in _read(stretch, rows)]
        return Texts.from_arrow(pa.concat_arrays([*pieces, pa.array([], pa.large_string())]))


def of_shards(shards: Iterable[Shard], *, before: int = 0) -> tuple[Stretch, ...]:
    """All rows of this run's shards, counted from `before` on."""
    return tuple(Stretch(before + shard.first, before + shard.end, shard.documents) for shard in shards)


def of_earlier_runs(runs: Mapping[str, Artefact], folder: Path) -> tuple[tuple[Stretch, ...], Rows]:
    """What earlier runs kept, in the order of their ledgers, and the size of each text in bytes.

    folder: for lists of places, which are too long to be handed to every worker.
    Raises InputError if the measured documents of a run are gone.
    """
    stretches: list[Stretch] = []
    sizes, first = [np.empty(0, np.int64)], 0
    for run, artefact in runs.items():
        documents = _measured_documents(run, artefact)
        for source, shard, places, num_bytes in _kept_of(artefact):
            np.save(path := folder / f"places-{len(stretches):05d}.npy", places)
            stretches.append(Stretch(first, first + len(places), documents[source][shard], path))
            sizes.append(num_bytes)
            first += len(places)
    return tuple(stretches), np.concatenate(sizes)


def _kept_of(artefact: Artefact) -> Iterator[tuple[str, int, Rows, Rows]]:
    """Source, number of the shard, places in it and sizes of what was kept, a shard at a time."""
    for path in artefact.files("ledger-*.parquet"):
        ledger = frame_of(path, ["source", "shard", "kept", "num_bytes"])
        place = pl.int_range(pl.len()).over("source", "shard").alias("place")
        kept = ledger.with_columns(place).filter("kept")
        for (source, shard), of_shard in kept.group_by(["source", "shard"], maintain_order=True):
            yield str(source), int(str(shard)), of_shard["place"].to_numpy(), of_shard["num_bytes"].to_numpy()


def _measured_documents(run: str, artefact: Artefact) -> dict[str, list[Path]]:
    """Source -> its measured documents."""
    sources = orjson.loads((artefact.path / "sources.json").read_bytes())
    measured = {name: Artefact(artefact.path.parent / source["measured"]) for name, source in sources.items()}
    if missing := next((each for each in measured.values() if not each.path.exists()), None):
        raise InputError(
            f"earlier: {missing.address}, the measured documents of run {run}, is not there, so `confirm` has no texts "
            "to compare. Run its recipe again, or leave `confirm` out."
        )
    return {name: each.files("documents-*.parquet") for name, each in measured.items()}


def _read(stretch: Stretch, rows: Rows) -> Iterator[pa.Array]:
    """The texts of those of the rows that lie here, a row group at a time."""
    begin, end = np.searchsorted(rows, (stretch.first, stretch.end))
    if begin == end:
        return
    wanted, first = stretch.places_of(rows[begin:end]), 0
    with stored(stretch.documents) as parquet:
        for index in range(parquet.num_row_groups):
            last = first + parquet.metadata.row_group(index).num_rows
            low, high = np.searchsorted(wanted, (first, last))
            if low < high:
                texts = parquet.read_row_group(index, ["text"], use_threads=False)["text"]
                yield texts.take(wanted[low:high] - first).combine_chunks().cast(pa.large_string())
            first = last
