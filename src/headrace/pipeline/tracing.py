"""From a training sample back to the raw files: which bytes of which file a row of a step was made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.errors import InputError
from headrace.pipeline.stored_tokens import remote_source
from headrace.recipe import Recipe
from headrace.store import Artefact, RunFolder
from headrace.tokens import TokenStore
from headrace.tokens.ordering import build_order, corpus_of, original_of, rank_by
from headrace.train.config import StageConfig


@dataclass(frozen=True)
class TracedPiece:
    """A piece of a document in a row, and where the document came from."""

    document: str
    """Its id; `headrace why` tells the rest."""
    source: str
    first_token: int
    num_tokens: int
    file: str
    """Raw file, as the ledger names it; "" if the corpus has no ledger."""
    offset: int
    size_bytes: int
    """The record's bytes in the raw file, from `offset` on."""


@dataclass(frozen=True)
class TracedRow:
    """A row of a step's global batch."""

    place: int
    """In the global batch, from 0."""
    row: int
    """In the plan of rows."""
    pieces: tuple[TracedPiece, ...]


def trace_step(run: RunFolder, step: int, *, place: int | None = None, stage: int = 0) -> list[TracedRow]:
    """The rows that a step of a training stage saw, or sees when it comes to it; of one place, if one is given.

    step: as metrics count, from 1. Raises InputError if there is no such step, place or stage.
    """
    recipe = Recipe.model_validate(run.read().recipe, strict=False)
    if not 0 <= stage < len(recipe.train):
        raise InputError(f"stage {stage}: the run has {len(recipe.train)} training stages, numbered from 0.")
    tokens = run.artefact("tokens")
    store = TokenStore(tokens, "train", remote=remote_source(recipe.tokens_config, tokens, run.store))
    config = recipe.train[stage]
    batch_rows = config.batch_rows(store.row_tokens)
    num_steps = config.num_steps(store.plan.num_rows, store.row_tokens)
    if not 1 <= step <= num_steps:
        raise InputError(f"step {step}: the stage has steps 1 to {num_steps:,}.")
    if place is not None and not 0 <= place < batch_rows:
        raise InputError(f"row {place}: a step has rows 0 to {batch_rows - 1}.")
    rows = _rows_of(config, store, seed=recipe.seed + stage, first=(step - 1) * batch_rows)
    places = range(batch_rows) if place is None else [place]
    return _describe(store, {each: int(rows[each]) for each in places})


def _rows_of(config: StageConfig, store: TokenStore, *, seed: int, first: int) -> NDArray[np.int64]:
    curriculum = rank_by(config.curriculum, store) if config.curriculum else None
    order = build_order(store.plan, seed=seed, mixture=config.mixture, curriculum=curriculum)
    return order.rows(first, config.batch_rows(store.row_tokens))


def _describe(store: TokenStore, rows: dict[int, int]) -> list[TracedRow]:
    plan, lineage = store.plan, store.lineage.table
    segments = {place: plan.segments[plan.row_starts[row] : plan.row_starts[row + 1]] for place, row in rows.items()}
    documents = np.unique(np.concatenate([inside["document"] for inside in segments.values()]))
    names = lineage.select(["id", "source"]).take(documents).to_pylist()
    origins = _origins(store.artefact, [original_of(name["id"]) for name in names])
    known = {
        number: {"document": name["id"], "source": name["source"], **origins.get(original_of(name["id"]), _UNKNOWN)}
        for number, name in zip(documents.tolist(), names, strict=True)
    }
    return [
        TracedRow(
            place,
            row,
            tuple(
                TracedPiece(first_token=start, num_tokens=length, **known[document])
                for document, start, length in segments[place].tolist()
            ),
        )
        for place, row in rows.items()
    ]


_UNKNOWN: dict[str, Any] = {"file": "", "offset": 0, "size_bytes": 0}


def _origins(tokens: Artefact, ids: list[str]) -> dict[str, dict[str, Any]]:
    """File and byte range of each document, by id, out of the ledger of the corpus that the tokens were made from."""
    curated = corpus_of(tokens)
    if curated is None or not (ledger := curated.files("ledger-*.parquet")):
        return {}
    rows = (
        pl.scan_parquet(ledger).filter(pl.col("id").is_in(ids)).select("id", "file", "offset", "size_bytes").collect()
    )
    return {row.pop("id"): row for row in rows.to_dicts()}
