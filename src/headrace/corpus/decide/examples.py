"""A few dropped documents for every reason, so that people can see what a rule does."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from headrace.corpus.decide.rules import columns_of, failing
from headrace.corpus.decide.shards import Shard, Shards
from headrace.corpus.presets import Rule
from headrace.corpus.tables import read_texts

EXAMPLES_PER_REASON = 5
EXCERPT_CHARACTERS = 300

Row = dict[str, Any]


class Examples:
    """Per reason up to five of the documents dropped for it, gathered from ledger frames that come one by one.

    Which five: those with the smallest ids, from a few places if there are enough. Ids are hashes, so it is a fair
    sample that never changes.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._rows: list[pl.DataFrame] = []

    def add(self, ledger: pl.DataFrame, shard: Shard) -> None:
        """Looks at a shard's part of the ledger."""
        dropped = ledger.with_columns(is_elsewhere=self._shards.is_elsewhere(shard)).filter(~pl.col("kept"))
        if dropped.height:
            self._rows = [_smallest(pl.concat([*self._rows, _smallest(dropped)]))]

    def describe(
        self, rules: Mapping[str, Sequence[Rule]], documents: Mapping[str, Sequence[Path]]
    ) -> dict[str, list[Row]]:
        """Reason -> place, beginning of the text, and scores that failed, of each example.

        rules, documents: source -> its rules, and the measured shards that hold its texts.
        """
        rows = [row for frame in self._rows for row in frame.sort("reason", "id").to_dicts()]
        texts = texts_of(rows, documents)
        failed = _failed_by_source(rows, rules)
        examples: dict[str, list[Row]] = {}
        for row in rows:
            shown = {name: row[name] for name in ("id", "source", "file", "offset", "reasons", "duplicate_of")}
            excerpt = texts[row["id"]][:EXCERPT_CHARACTERS]
            scores = failed_scores(row, failed[row["id"]])
            examples.setdefault(row["reason"], []).append({**shown, "text": excerpt, "scores": scores})
        return examples


def _smallest(dropped: pl.DataFrame) -> pl.DataFrame:
    return (
        dropped.sort("is_elsewhere", "id")
        .group_by("reason", maintain_order=True)
        .head(EXAMPLES_PER_REASON)
        .select(dropped.columns)
    )


def _failed_by_source(rows: Sequence[Row], rules: Mapping[str, Sequence[Rule]]) -> dict[str, list[Rule]]:
    """Id -> the rules that do not hold."""
    found: dict[str, list[Rule]] = {}
    for source, listed in rules.items():
        of_source = [row for row in rows if row["source"] == source]
        found.update(zip((row["id"] for row in of_source), failed_rules(of_source, listed), strict=True))
    return found


def texts_of(rows: Sequence[Row], documents: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    """Id -> text of ledger rows; each measured shard is opened once, and read only where it holds one of them."""
    wanted: defaultdict[Path, set[str]] = defaultdict(set)
    for row in rows:
        wanted[documents[row["source"]][row["shard"]]].add(row["id"])
    return {document: text for path, ids in wanted.items() for document, text in read_texts(path, ids).items()}


def failed_rules(rows: Sequence[Row], rules: Sequence[Rule]) -> list[list[Rule]]:
    """Per ledger row the rules that do not hold for it, in order."""
    if not rows or not rules:
        return [[] for _ in rows]
    columns = list(dict.fromkeys(("language", *(column for rule in rules for column in columns_of(rule)))))
    frame = pl.DataFrame({column: [row[column] for row in rows] for column in columns}, infer_schema_length=None)
    fails = frame.select(failing(rule).alias(str(number)) for number, rule in enumerate(rules)).rows()
    return [[rule for rule, fails_it in zip(rules, row, strict=True) if fails_it] for row in fails]


def failed_scores(row: Row, failed: Sequence[Rule]) -> Row:
    """The score columns that the row's failed rules looked at, with their values."""
    return {column: row[column] for rule in failed for column in columns_of(rule)}
