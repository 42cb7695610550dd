"""A few dropped documents for every reason, so that people can see what a rule does."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from headrace.corpus.config import CorpusConfig
from headrace.corpus.presets import Rule
from headrace.corpus.rules import columns_of, failing
from headrace.corpus.tables import read_texts

EXAMPLES_PER_REASON = 5
EXCERPT_CHARACTERS = 300

Row = dict[str, Any]


def pick_examples(
    config: CorpusConfig, ledger: pl.DataFrame, *, documents: Mapping[str, Sequence[Path]]
) -> dict[str, list[Row]]:
    """Reason -> up to five of the documents dropped for it: place, beginning of the text, scores that failed.

    Which five: those with the smallest ids. Ids are hashes, so it is a fair sample that never changes.
    """
    dropped = (
        ledger.filter(~pl.col("kept")).sort("id").group_by("reason", maintain_order=True).head(EXAMPLES_PER_REASON)
    )
    rows = dropped.sort("reason", "id").to_dicts()
    texts = texts_of(rows, documents)
    rules = {source.name: config.rules_for(source) for source in config.sources}
    examples: dict[str, list[Row]] = {}
    for row in rows:
        shown = {name: row[name] for name in ("id", "source", "file", "offset", "reasons", "duplicate_of")}
        excerpt = texts[row["id"]][:EXCERPT_CHARACTERS]
        scores = failed_scores(row, rules[row["source"]])
        examples.setdefault(row["reason"], []).append({**shown, "text": excerpt, "scores": scores})
    return examples


def texts_of(rows: Sequence[Row], documents: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    """Id -> text of ledger rows; each measured shard is opened once, and read only where it holds one of them."""
    wanted: defaultdict[Path, set[str]] = defaultdict(set)
    for row in rows:
        wanted[documents[row["source"]][row["shard"]]].add(row["id"])
    return {document: text for path, ids in wanted.items() for document, text in read_texts(path, ids).items()}


def failed_rules(row: Row, rules: Sequence[Rule]) -> list[Rule]:
    """The rules that do not hold for a ledger row, in order."""
    suspects = [rule for rule in rules if rule.reason in row["reasons"] and rule.applies_to(row["language"])]
    return [rule for rule in suspects if pl.DataFrame([row]).select(failing(rule)).item()]


def failed_scores(row: Row, rules: Sequence[Rule]) -> Row:
    """The score columns that the row's failed rules looked at, with their values."""
    return {column: row[column] for rule in failed_rules(row, rules) for column in columns_of(rule)}
