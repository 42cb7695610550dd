"""Documents that hold parts of evaluation sets: they go, or the parts go."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headrace.corpus.cuts import Cuts
from headrace.corpus.decide.context import Context
from headrace.corpus.decide.sweep import ShardTask, Sweep
from headrace.corpus.decontaminate.hits import Hits, find_hits, join_hits
from headrace.corpus.decontaminate.index import Index, build_index
from headrace.corpus.decontaminate.items import EvaluationItem, read_items
from headrace.corpus.decontaminate.judge import CONTAMINATED, judge
from headrace.corpus.measure.batch import prepare_texts
from headrace.corpus.measure.config import MeasureSettings
from headrace.corpus.texts import Texts
from headrace.trace import span

HITS = "hits.npy"
SHOWN_HITS = 100


@dataclass(frozen=True, slots=True)
class Removed:
    """What decontamination did."""

    cuts: Cuts = field(default_factory=Cuts.none)
    sets: list[dict[str, Any]] = field(default_factory=list)
    """Per evaluation set: items, items found, documents, an example."""
    hits: list[dict[str, Any]] = field(default_factory=list)
    """The first hits: document, item, share of it, place."""


def remove_contamination(context: Context) -> Removed:
    """Drops contaminated documents of those that have passed so far, or finds the cuts that clean them.

    Raises InputError if an evaluation set cannot be read, or holds nothing that can be looked for.
    """
    config, verdicts = context.config.decontaminate, context.verdicts
    if config is None:
        return Removed()
    items = _as_documents(read_items(config.sets, context.recipe_folder), context)
    index = build_index(items, config)
    rows = np.flatnonzero(verdicts.passes)
    settings = config.model_dump_json() + "".join(item.text for item in items)
    sweep = Sweep(context, rows, name="decontaminate", settings=settings)
    path = sweep.scratch / "index.npz"
    index.save(path)
    with span("decontaminate"):
        folders = sweep.stage("hits", partial(_find, path))
    found = judge(join_hits([_load(folder / HITS) for folder in folders]), index, items, config=config)
    counted = found.found.group_by("row").agg(pl.col("ngrams").sum())
    verdicts.num_contaminated[counted["row"].to_numpy()] = counted["ngrams"].to_numpy()
    verdicts.drop(found.rows, CONTAMINATED)
    shown = found.found.head(SHOWN_HITS)
    ids = verdicts.hex_ids(shown["row"].to_numpy())
    hits = [{"id": id_, **hit} for id_, hit in zip(ids, shown.drop("row").to_dicts(), strict=True)]
    return Removed(found.cuts, found.summary.to_dicts(), hits)


def _as_documents(items: Sequence[EvaluationItem], context: Context) -> list[EvaluationItem]:
    """The items rewritten and redacted as the documents were: they are compared with what is left of them."""
    settings = MeasureSettings.of(context.config, context.config.sources[0])
    texts = prepare_texts(Texts.from_strings([item.text for item in items]), settings)
    return [replace(item, text=text) for item, text in zip(items, texts, strict=True)]


def _find(index: Path, task: ShardTask) -> None:
    def build(folder: Path) -> None:
        hits = find_hits(task.texts(), task.rows, _index(index))
        np.save(folder / HITS, np.stack([getattr(hits, field.name) for field in fields(Hits)]))

    task.ensure(build)


def _load(path: Path) -> Hits:
    return Hits(*np.load(path))


@cache
def _index(path: Path) -> Index:
    return Index.load(path)
