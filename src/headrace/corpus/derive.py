"""What finding similar documents needs of every document, computed once per source and kept.

Scores are cheap and every ledger has them; these quantities are only made for what a recipe asks, and lie in artefacts
of their own: changing a rule, or the order of the sources, does not compute them again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from headrace.corpus.deduplicate.text_config import MeaningConfig
from headrace.corpus.kept import ensure_unit, place
from headrace.corpus.quantity import EMBEDDINGS_FILE, Quantity, first_uses, keys_of, write_all
from headrace.corpus.tables import stored
from headrace.corpus.texts import Texts
from headrace.corpus.workers import Workers
from headrace.store import Artefact, Workspace
from headrace.trace import progress

if TYPE_CHECKING:
    from headrace.corpus.deduplicate.encoders import Encoder

DERIVE_VERSION = 1

Chunks = Iterator[tuple[Texts, Sequence[str]]]
"""Texts of a shard and their languages, a few MB at a time."""


@dataclass(frozen=True, slots=True)
class DeriveTask:
    """A measured shard to go through."""

    quantity: Quantity
    documents: Path
    folder: Path

    def __str__(self) -> str:
        return f"{self.quantity.name} of {self.documents}"


def derive_source(quantity: Quantity, *, measured: Artefact, workspace: Workspace, workers: Workers) -> dict[str, Any]:
    """Fills `workspace.output` with one folder `unit-*` per measured shard; returns counts.

    Units that are kept already, perhaps from when the documents were measured, are not made again.
    Raises StoreError if the documents must be read and are damaged.
    """
    documents = measured.files("documents-*.parquet")
    tasks = [DeriveTask(quantity, path, workspace.kept / f"unit-{index:05d}") for index, path in enumerate(documents)]
    if not all(task.folder.exists() for task in tasks):
        measured.verify()
        _compile(quantity)
    progress(quantity.name, 0, len(tasks), unit="shards")
    for number, task in enumerate(workers.map(derive_shard, tasks), start=1):
        _place_all(task.folder, workspace.output / task.folder.name)
        progress(quantity.name, number, len(tasks), unit="shards")
    return {"shards": len(tasks)}


def _compile(quantity: Quantity) -> None:
    from headrace.corpus.first_use import ensure_compiled  # brings the kernels' compiler

    for kernels in first_uses([quantity]):
        ensure_compiled(kernels)


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
    write_all([keys_of(texts, quantity) for texts, _ in chunks], quantity, folder)


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


def _place_all(folder: Path, output: Path) -> None:
    output.mkdir()
    for path in sorted(folder.iterdir()):
        place(path, output / path.name)
