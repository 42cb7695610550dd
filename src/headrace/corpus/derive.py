"""What finding similar documents needs of every document, computed once per source and kept.

Scores are cheap and every ledger has them; these quantities are only made for what a recipe asks, and lie in artefacts
of their own: changing a rule, or the order of the sources, does not compute them again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from headrace.config import Config
from headrace.corpus.config import CorpusConfig
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.text_config import MeaningConfig
from headrace.corpus.kept import ensure_unit, place
from headrace.corpus.tables import stored
from headrace.corpus.texts import Texts
from headrace.corpus.workers import Workers
from headrace.store import Artefact, Workspace
from headrace.trace import progress

if TYPE_CHECKING:
    from headrace.corpus.deduplicate.encoders import Encoder
    from headrace.corpus.first_use import FirstUse

DERIVE_VERSION = 1
KEYS_FILE, EMBEDDINGS_FILE = "keys.npy", "embeddings.npy"

Chunks = Iterator[tuple[Texts, Sequence[str]]]
"""Texts of a shard and their languages, a few MB at a time."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing to know of every document."""

    name: str
    """Names its artefacts."""
    config: Config
    """What its values depend on, besides the documents."""
    encoder: Path | None = None
    """Folder of the encoder, where one is needed."""

    @property
    def key(self) -> str:
        """Tells it from every other quantity of a recipe."""
        return f"{self.name} {self.config.model_dump_json()}"


@dataclass(frozen=True, slots=True)
class DeriveTask:
    """A measured shard to go through."""

    quantity: Quantity
    documents: Path
    folder: Path

    def __str__(self) -> str:
        return f"{self.quantity.name} of {self.documents}"


def quantities_of(config: CorpusConfig, recipe_folder: Path) -> list[Quantity]:
    """What a recipe needs derived, each once."""
    found = (quantity_of(step, recipe_folder) for step in config.deduplicate)
    return list(dict.fromkeys(quantity for quantity in found if quantity is not None))


def quantity_of(step: Config, recipe_folder: Path) -> Quantity | None:
    """What a step of deduplication needs derived; None if it makes do with scores and texts."""
    match step:
        case MinHashConfig():
            return Quantity("minhash", step.model_copy(update={"confirm": None, "keep": "first"}))
        case MeaningConfig():
            seen = step.model_copy(update={"similarity": 1.0, "keep": "first", "num_clusters": None, "num_probes": 1})
            return Quantity("embed", seen, recipe_folder / step.encoder)
    return None


def derive_source(quantity: Quantity, *, measured: Artefact, workspace: Workspace, workers: Workers) -> dict[str, Any]:
    """Fills `workspace.output` with one folder `unit-*` per measured shard; returns counts."""
    documents = measured.files("documents-*.parquet")
    for kernels in first_uses([quantity]):
        from headrace.corpus.first_use import ensure_compiled  # brings the kernels' compiler

        ensure_compiled(kernels)
    tasks = [DeriveTask(quantity, path, workspace.kept / f"unit-{index:05d}") for index, path in enumerate(documents)]
    progress(quantity.name, 0, len(tasks), unit="shards")
    for number, task in enumerate(workers.map(derive_shard, tasks), start=1):
        _place_all(task.folder, workspace.output / task.folder.name)
        progress(quantity.name, number, len(tasks), unit="shards")
    return {"shards": len(tasks)}


def first_uses(quantities: Sequence[Quantity]) -> list["FirstUse"]:
    """The kernels that deriving some quantities uses."""
    from headrace.corpus.first_use import FirstUse

    asked = {quantity.name: quantity for quantity in quantities if quantity.name in SAMPLES}
    return [FirstUse(name, partial(SAMPLES[name], quantity)) for name, quantity in asked.items()]


def derive_shard(task: DeriveTask) -> DeriveTask:
    """Derives the quantity of one shard, or finds that it was before a kill."""
    ensure_unit(task.folder, partial(_build, task))
    return task


def _build(task: DeriveTask, folder: Path) -> None:
    WRITERS[task.quantity.name](task.quantity, _chunks(task.documents), folder)


def _chunks(documents: Path) -> Chunks:
    """Texts and languages of a shard, a row group at a time."""
    with stored(documents) as parquet:
        for index in range(parquet.num_row_groups):
            table = parquet.read_row_group(index, ["text", "language"], use_threads=False)
            yield Texts.from_arrow(table["text"].combine_chunks()), table["language"].to_pylist()


def _write_minhash_keys(quantity: Quantity, chunks: Chunks, folder: Path) -> None:
    from headrace.corpus.deduplicate.keys import write_keys
    from headrace.corpus.deduplicate.minhash import band_keys

    config = quantity.config
    assert isinstance(config, MinHashConfig), "the quantity was made from it"
    keys = [band_keys(texts, config) for texts, _ in chunks]
    write_keys(folder / KEYS_FILE, np.concatenate([np.empty((0, config.bands), np.uint64), *keys]))


def _derive_sample_keys(quantity: Quantity) -> None:
    """Derives keys of a small text, for the sake of the kernels that get compiled by it."""
    from headrace.corpus.deduplicate.minhash import band_keys

    assert isinstance(quantity.config, MinHashConfig), "the quantity was made from it"
    band_keys(Texts.from_strings(["one text, 短文"]), quantity.config)


def _write_embeddings(quantity: Quantity, chunks: Chunks, folder: Path) -> None:
    from headrace.corpus.deduplicate.embeddings import embed

    config, encoder = quantity.config, quantity.encoder
    assert isinstance(config, MeaningConfig), "the quantity was made from it"
    assert encoder is not None, "meaning needs an encoder"
    texts = [chunk.to_arrow() for chunk, _ in chunks]
    whole = Texts.from_arrow(pa.concat_arrays([*texts, pa.array([], pa.large_string())]))
    embed(whole, _encoder(encoder, config.pooling, config.max_tokens), folder / EMBEDDINGS_FILE)


@cache
def _encoder(folder: Path, pooling: Literal["mean", "first"], max_tokens: int) -> "Encoder":
    from headrace.corpus.deduplicate.encoders import OnnxEncoder  # loading a model takes a second or more

    return OnnxEncoder(folder, pooling=pooling, max_tokens=max_tokens)


WRITERS: Mapping[str, Callable[[Quantity, Chunks, Path], None]] = {
    "minhash": _write_minhash_keys,
    "embed": _write_embeddings,
}
SAMPLES: Mapping[str, Callable[[Quantity], None]] = {"minhash": _derive_sample_keys}
"""What uses the kernels of a quantity, where it has some."""


def _place_all(folder: Path, output: Path) -> None:
    output.mkdir()
    for path in sorted(folder.iterdir()):
        place(path, output / path.name)
