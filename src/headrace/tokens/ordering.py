"""From what a user writes about the data of a stage to the order of its rows."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.errors import InputError
from headrace.store import Artefact, Store
from headrace.tokens.curriculum import rank_rows
from headrace.tokens.mixture import Knot, Mixture
from headrace.tokens.mixture_config import CurriculumConfig, MixtureConfig
from headrace.tokens.order import Curriculum, Mixed, RowOrder, Shuffled
from headrace.tokens.packing import PackingPlan, SourceRows
from headrace.tokens.store import TokenStore


def build_order(
    plan: PackingPlan, *, seed: int, mixture: MixtureConfig | None = None, curriculum: Curriculum | None = None
) -> RowOrder:
    """The order of a plan's rows. Raises InputError for a mixture that does not fit the plan's sources."""
    if mixture is not None:
        sources = tuple(source for source in plan.sources if source.count)
        return Mixed(sources, _mixture_of(mixture, sources, plan.row_tokens), seed, curriculum)
    if curriculum is None:
        return Shuffled(plan.num_rows, seed)
    return Mixed(plan.sources, _by_size(plan.sources), seed, curriculum)


def samples_alike(one: MixtureConfig, other: MixtureConfig, plan: PackingPlan) -> float:
    """How many samples two mixtures begin with alike, as far as that follows from their schedules; never too many.

    Where two schedules part, rows are owed alike; which of them are samples up to there may differ by as many as there
    are sources. Raises InputError for a mixture that does not fit the plan's sources.
    """
    sources = tuple(source for source in plan.sources if source.count)
    names = [source.source for source in sources]
    if _most_rows(one, sources, names) != _most_rows(other, sources, names):
        return 0.0
    place = _parted_at(_knots_of(one, sources, plan.row_tokens), _knots_of(other, sources, plan.row_tokens))
    return max(0.0, place - len(sources) - 1)


def _parted_at(one: Sequence[Knot], other: Sequence[Knot]) -> float:
    """The sample up to which two lists of knots give every source the same share."""
    alike = 0
    while alike < min(len(one), len(other)) and one[alike] == other[alike]:
        alike += 1
    if alike == 0:
        return 0.0
    if alike == len(one) == len(other):
        return math.inf
    last = one[alike - 1]
    following = [knots[alike] if alike < len(knots) else None for knots in (one, other)]
    if any(knot and knot.weights != last.weights for knot in following):
        return last.sample
    return min(knot.sample for knot in following if knot)


def original_of(document: str) -> str:
    """The id that the ledger knows: altered copies are named after their original."""
    return document.partition("~")[0]


def corpus_of(tokens: Artefact) -> Artefact | None:
    """The corpus that a token store was made from, if it lies beside it."""
    return Store(tokens.path.parent).find(tokens.manifest.inputs["corpus"])


def rank_by(config: CurriculumConfig, store: TokenStore) -> Curriculum:
    """What a curriculum needs to know of a store: reads the score of every document."""
    ranked = rank_rows(store.plan, document_scores(store, config.by), descending=config.descending)
    return Curriculum(ranked, config.random_after)


def document_scores(store: TokenStore, column: str) -> NDArray[np.float64]:
    """A number for each document of a store: its tokens, or a column of the ledger of the corpus it was made from.

    Altered copies have the number of their original; a document of which the ledger has none, the mean of its source.
    Raises InputError if there is no such column, or it was not measured.
    """
    ids = [original_of(number) for number in store.lineage.column("id")]
    documents = pl.DataFrame({"id": ids, "source": store.lineage.column("source")})
    if column == "num_tokens":
        return store.lengths.astype(np.float64)
    if (corpus := corpus_of(store.artefact)) is None:
        raise InputError(
            f"train.curriculum.by: {column} is in the ledger of {store.artefact.manifest.inputs['corpus']}, which is "
            "not beside the token store. Copy it there, or order by num_tokens."
        )
    ledger = pl.scan_parquet(corpus.files("ledger-*.parquet"))
    schema = ledger.collect_schema()
    if column not in schema or not schema[column].is_numeric():
        numeric = ", ".join(name for name, kind in schema.items() if kind.is_numeric())
        raise InputError(f"train.curriculum.by: the ledger has no numbers called {column}; there are {numeric}.")
    scores = ledger.filter(pl.col("kept")).select("id", pl.col(column).cast(pl.Float64).alias("score")).collect()
    joined = documents.join(scores, on="id", how="left", maintain_order="left")
    if joined["score"].null_count() == len(joined):
        raise InputError(
            f"train.curriculum.by: {column} was not measured. Set corpus.measure to `all`, or train on examples."
        )
    filled = joined.with_columns(pl.col("score").fill_null(pl.col("score").mean().over("source")))
    return filled["score"].fill_null(filled["score"].mean()).to_numpy()


def _by_size(sources: tuple[SourceRows, ...]) -> Mixture:
    return Mixture.of([Knot(0.0, {source.source: float(source.count) for source in sources})], {})


def _mixture_of(config: MixtureConfig, sources: tuple[SourceRows, ...], row_tokens: int) -> Mixture:
    names = [source.source for source in sources]
    return Mixture.of(_knots_of(config, sources, row_tokens), _most_rows(config, sources, names))


def _knots_of(config: MixtureConfig, sources: tuple[SourceRows, ...], row_tokens: int) -> list[Knot]:
    names = [source.source for source in sources]
    points = [(point.tokens, point.weights) for point in config.schedule]
    if not points:
        points = [(0, config.weights or {source.source: float(source.num_tokens) for source in sources})]
    knots: list[Knot] = []
    for tokens, weights in points:
        _check_names(weights, names)
        heated = {name: weights[name] ** (1 / config.temperature) for name in names}
        if not any(heated.values()):
            raise InputError(f"train.mixture: at {tokens:,} tokens no source that has rows has a weight above 0.")
        place = tokens / row_tokens
        if knots and config.between == "steps":
            knots.append(Knot(place, knots[-1].weights))
        knots.append(Knot(place, heated))
    return knots


def _check_names(weights: Mapping[str, float], names: list[str]) -> None:
    if unknown := sorted(set(weights) - set(names)):
        raise InputError(
            f"train.mixture: no rows of a source called {', '.join(unknown)}; there are {', '.join(names)}."
        )
    if missing := sorted(set(names) - set(weights)):
        raise InputError(f"train.mixture: a weight for {', '.join(missing)} is missing. Write 0 to leave a source out.")


def _most_rows(config: MixtureConfig, sources: tuple[SourceRows, ...], names: list[str]) -> dict[str, float]:
    if config.most_epochs is None:
        return {}
    given = config.most_epochs if isinstance(config.most_epochs, dict) else dict.fromkeys(names, config.most_epochs)
    if unknown := sorted(set(given) - set(names)):
        raise InputError(f"train.mixture.most_epochs: no rows of a source called {', '.join(unknown)}.")
    return {
        source.source: float(int(given[source.source] * source.count)) for source in sources if source.source in given
    }
