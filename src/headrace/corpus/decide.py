"""From scores to verdicts: which documents stay, in which split, and every reason why the others do not.

Works on score columns only: about 500 bytes of memory a document, whatever the length of its text.
"""

from collections.abc import Mapping, Sequence

import polars as pl
import xxhash

from headrace.corpus.config import CorpusConfig
from headrace.corpus.presets import DUPLICATE, Rule
from headrace.corpus.rules import failing_by_reason

SEED_MASK = (1 << 64) - 1


def decide(config: CorpusConfig, scores: Mapping[str, pl.DataFrame], *, seed: int) -> pl.DataFrame:
    """The ledger: one row per document, in the order of the sources and of their documents.

    scores: source name -> its score columns and `shard`, for each source of `config`.
    """
    judged = [apply_rules(scores[source.name], config.rules_for(source)) for source in config.sources]
    ledger = mark_duplicates(pl.concat(judged), config.deduplicate == "exact")
    held_out = held_out_hashes(ledger, config.hold_out, seed=seed)
    kept = pl.col("reason") == ""
    return ledger.with_columns(
        kept=kept,
        split=pl.when(~kept)
        .then(pl.lit(""))
        .when(pl.col("content_hash").is_in(held_out.implode()))
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train")),
    )


def apply_rules(scores: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """Adds `reasons`, the names of all failed rules in order, and `reason`, the first of them or ""."""
    fails = failing_by_reason(rules)
    named = [pl.when(failed).then(pl.lit(reason)) for reason, failed in fails.items()]
    reasons = pl.concat_list(named).list.drop_nulls() if named else pl.lit([], pl.List(pl.String))
    return scores.with_columns(reasons=reasons).with_columns(reason=pl.col("reasons").list.first().fill_null(""))


def mark_duplicates(ledger: pl.DataFrame, is_on: bool) -> pl.DataFrame:
    """Adds `duplicate_of`; of the passing documents with equal content the first stays and is what the others name."""
    if not is_on:
        return ledger.with_columns(duplicate_of=pl.lit(""))
    passes = pl.col("reason") == ""
    survivors = ledger.filter(passes).unique("content_hash", keep="first").select("content_hash", survivor=pl.col("id"))
    ledger = ledger.join(survivors, on="content_hash", how="left", maintain_order="left")
    is_duplicate = passes & (pl.col("id") != pl.col("survivor"))
    return ledger.with_columns(
        duplicate_of=pl.when(is_duplicate).then("survivor").otherwise(pl.lit("")),
        reasons=pl.when(is_duplicate).then(pl.lit([DUPLICATE])).otherwise("reasons"),
        reason=pl.when(is_duplicate).then(pl.lit(DUPLICATE)).otherwise("reason"),
    ).drop("survivor")


def held_out_hashes(ledger: pl.DataFrame, fraction: float, *, seed: int) -> pl.Series:
    """The content that becomes validation: of each source, what comes first in an order keyed by the seed.

    A document's content decides, so equal documents are never on both sides, whatever deduplication left in.
    """
    chosen: list[str] = []
    kept = ledger.filter(pl.col("reason") == "").select("source", "content_hash")
    for (_,), group in kept.group_by(["source"], maintain_order=True):
        hashes = group["content_hash"].to_list()
        keys = {content: xxhash.xxh3_64_intdigest(content.encode(), seed & SEED_MASK) for content in hashes}
        ordered = sorted(hashes, key=lambda content: (keys[content], content))
        chosen.extend(ordered[: num_held_out(len(ordered), fraction)])
    return pl.Series("content_hash", chosen, pl.String)


def num_held_out(num_documents: int, fraction: float) -> int:
    """How many of a source's documents are held out: the nearest number, but at least one stays on each side."""
    if num_documents < 2 or fraction == 0:
        return 0
    return min(max(round(fraction * num_documents), 1), num_documents - 1)
