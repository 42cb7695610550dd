"""Documents that say the same in other words, by their embeddings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headrace.corpus.decide.context import Context
from headrace.corpus.decide.verdicts import Rows
from headrace.corpus.deduplicate.meaning import find_twins
from headrace.corpus.deduplicate.text_config import MeaningConfig
from headrace.corpus.quantity import EMBEDDINGS_FILE, quantity_of
from headrace.corpus.reasons import SAME_MEANING


def drop_same_meaning(context: Context, step: MeaningConfig) -> None:
    """Of the documents that have passed so far, drops those that are near in meaning to one that stays."""
    verdicts, quantity = context.verdicts, quantity_of(step, context.recipe_folder)
    assert quantity is not None, "meaning needs embeddings"
    rows = np.flatnonzero(verdicts.passes)
    found = find_twins(
        _of_rows(context, context.derived_files(quantity.key, EMBEDDINGS_FILE), rows),
        step,
        seed=context.seed,
        memory_limit_bytes=context.memory_limit,
        map_function=context.workers.map,
    )
    gone = np.flatnonzero(found.twins >= 0)
    stays = found.twins[gone]
    verdicts.twin[rows[gone]] = rows[stays]
    verdicts.similarity[rows[gone]] = found.similarities[gone]
    verdicts.drop(rows[gone], SAME_MEANING)


def _of_rows(context: Context, files: Sequence[Path], rows: Rows) -> list[Path]:
    """Copies of the embeddings that hold only those of some rows."""
    folder = context.kept / "embeddings"
    folder.mkdir(exist_ok=True)
    chosen: list[Path] = []
    for number, (shard, file) in enumerate(zip(context.shards, files, strict=True)):
        begin, end = np.searchsorted(rows, (shard.first, shard.end))
        chosen.append(folder / f"unit-{number:05d}.npy")
        np.save(chosen[-1], np.load(file, mmap_mode="r")[rows[begin:end] - shard.first])
    return chosen
