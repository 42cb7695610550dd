"""What each rule would drop, alone, on the margin and together with the others: from scores, without reading text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace.corpus.decide.examples import EXCERPT_CHARACTERS, Row, texts_of
from headrace.corpus.decide.rules import columns_of, failing_by_reason
from headrace.corpus.decide.shards import Shard, Shards
from headrace.corpus.presets import Rule

Failures = npt.NDArray[np.bool_]

EXAMPLE_COLUMNS = ("id", "source", "file", "offset", "language", "num_bytes")


@dataclass
class Effect:
    """What the rules of one name drop; bytes are of text."""

    reason: str
    conditions: tuple[str, ...]
    """What documents must satisfy; several where it differs by language or source."""
    documents: int = 0
    """Alone: how many fail it, whatever else they fail."""
    bytes: int = 0
    first_documents: int = 0
    """In rule order: how many fail it and nothing before it."""
    margin_documents: int = 0
    """On the margin: how many fail it and nothing else, so would come back without it."""
    margin_bytes: int = 0
    examples: list[Row] = field(default_factory=list)
    """Documents on the margin, with the columns that the rule looks at and the beginning of their text."""


@dataclass
class WhatIf:
    """The effects of a set of rules on all measured documents."""

    documents: int
    bytes: int
    dropped_documents: int
    """Together: how many fail at least one rule."""
    dropped_bytes: int
    effects: list[Effect]
    """In rule order."""

    @property
    def kept_share(self) -> float:
        """Of the documents."""
        return 1 - self.dropped_documents / self.documents if self.documents else 0.0


def what_if(shards: Shards, rules: Mapping[str, Sequence[Rule]], *, num_examples: int = 3) -> WhatIf:
    """What `rules` (source -> its rules) would do. Takes about a second per million documents.

    Raises RecipeError if a rule cannot be evaluated. Deduplication is not looked at: it comes after the rules.
    """
    effects = {reason: Effect(reason, _conditions(reason, rules)) for reason in _reasons(rules)}
    total = WhatIf(0, 0, 0, 0, list(effects.values()))
    found: dict[str, pl.DataFrame] = {}
    for shard in shards:
        listed = rules[shard.source]
        columns = dict.fromkeys((*EXAMPLE_COLUMNS, *(name for rule in listed for name in columns_of(rule))))
        frame = shard.read_scores(list(columns))
        failures = frame.select(**failing_by_reason(listed)) if listed else pl.DataFrame()
        _add(total, effects, failures=failures, sizes=frame["num_bytes"].to_numpy())
        if num_examples:
            _keep_examples(found, shard, listed, frame=frame, failures=failures, limit=num_examples)
    for reason, frame in found.items():
        effects[reason].examples = _describe(frame, shards)
    return total


def _reasons(rules: Mapping[str, Sequence[Rule]]) -> list[str]:
    return list(dict.fromkeys(rule.reason for listed in rules.values() for rule in listed))


def _conditions(reason: str, rules: Mapping[str, Sequence[Rule]]) -> tuple[str, ...]:
    named = (rule for listed in rules.values() for rule in listed if rule.reason == reason)
    return tuple(dict.fromkeys(_written(rule) for rule in named))


def _written(rule: Rule) -> str:
    if rule.languages:
        return f"{rule.rule} ({', '.join(rule.languages)})"
    return f"{rule.rule} (not {', '.join(rule.except_languages)})" if rule.except_languages else rule.rule


def _add(total: WhatIf, effects: Mapping[str, Effect], *, failures: pl.DataFrame, sizes: npt.NDArray[np.int64]) -> None:
    total.documents += len(sizes)
    total.bytes += int(sizes.sum())
    if not failures.width:
        return
    fails: Failures = failures.to_numpy()
    number = fails.sum(axis=1)
    total.dropped_documents += int((number > 0).sum())
    total.dropped_bytes += int(sizes[number > 0].sum())
    before = np.zeros(len(sizes), np.bool_)
    for column, reason in enumerate(failures.columns):
        effect, failed = effects[reason], fails[:, column]
        alone = failed & (number == 1)
        effect.documents += int(failed.sum())
        effect.bytes += int(sizes[failed].sum())
        effect.margin_documents += int(alone.sum())
        effect.margin_bytes += int(sizes[alone].sum())
        effect.first_documents += int((failed & ~before).sum())
        before |= failed


def _keep_examples(
    found: dict[str, pl.DataFrame],
    shard: Shard,
    rules: Sequence[Rule],
    *,
    frame: pl.DataFrame,
    failures: pl.DataFrame,
    limit: int,
) -> None:
    """Keeps the documents on each rule's margin that have the smallest ids: a fair sample that never changes."""
    if not failures.width:
        return
    number = failures.sum_horizontal()
    for reason in failures.columns:
        seen = (column for rule in rules if rule.reason == reason for column in columns_of(rule))
        columns = dict.fromkeys((*EXAMPLE_COLUMNS, *seen))
        margin = frame.filter(failures[reason] & (number == 1)).select(*columns, shard=pl.lit(shard.index))
        if margin.height:
            known = [found[reason]] if reason in found else []
            found[reason] = pl.concat([*known, margin], how="diagonal").sort("id").head(limit)


def _describe(frame: pl.DataFrame, shards: Shards) -> list[Row]:
    rows: list[dict[str, Any]] = frame.to_dicts()
    texts = texts_of(rows, shards.documents)
    return [{**row, "text": texts[row["id"]][:EXCERPT_CHARACTERS]} for row in rows]
