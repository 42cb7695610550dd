"""What each rule would drop, alone, on the margin and together with the others: from scores, without reading text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace.corpus.decide.examples import EXCERPT_CHARACTERS, Row, texts_of
from headrace.corpus.decide.rules import columns_of, failing_by_reason
from headrace.corpus.decide.shards import Shard, Shards
from headrace.corpus.presets import Rule

Failures = npt.NDArray[np.bool_]

MOST_EXAMPLES = 10

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
    found: dict[str, list[Row]] = {}
    for shard in shards:
        listed = rules[shard.source]
        columns = dict.fromkeys((*EXAMPLE_COLUMNS, *(name for rule in listed for name in columns_of(rule))))
        frame = shard.read_scores(list(columns))
        failures = frame.select(**failing_by_reason(listed)) if listed else pl.DataFrame()
        _add(total, effects, failures=failures, sizes=frame["num_bytes"].to_numpy())
        if num_examples and listed:
            _keep_examples(found, shard, listed, frame=frame, failures=failures, elsewhere=shards.is_elsewhere(shard))
    shown = [(reason, row) for reason, rows in found.items() for row in rows[:num_examples]]
    for (reason, _), row in zip(shown, _describe([row for _, row in shown], shards), strict=True):
        effects[reason].examples.append(row)
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
    found: dict[str, list[Row]],
    shard: Shard,
    rules: Sequence[Rule],
    *,
    frame: pl.DataFrame,
    failures: pl.DataFrame,
    elsewhere: npt.NDArray[np.bool_],
) -> None:
    """Keeps the documents on each rule's margin that have the smallest ids: a fair sample that never changes.

    elsewhere: (rows,) which are not looked into anyway; they come after the others.
    """
    fails: Failures = failures.to_numpy()
    is_alone = fails.sum(axis=1) == 1
    for column, reason in enumerate(failures.columns):
        known = found.setdefault(reason, [])
        is_wanted = fails[:, column] & is_alone
        if len(known) >= MOST_EXAMPLES:
            is_wanted &= ~elsewhere
        rows = np.flatnonzero(is_wanted)
        if not len(rows):
            continue
        order = frame["id"][rows].arg_sort().to_numpy()
        chosen = rows[order[np.argsort(elsewhere[rows[order]], kind="stable")]][:MOST_EXAMPLES]
        seen = (name for rule in rules if rule.reason == reason for name in columns_of(rule))
        columns = list(dict.fromkeys((*EXAMPLE_COLUMNS, *seen)))
        picked = zip(frame[chosen].select(columns).to_dicts(), elsewhere[chosen].tolist(), strict=True)
        known += [{**row, "shard": shard.index, "is_elsewhere": is_elsewhere} for row, is_elsewhere in picked]
        known.sort(key=lambda row: (row["is_elsewhere"], row["id"]))
        del known[MOST_EXAMPLES:]


def _describe(rows: Sequence[Row], shards: Shards) -> list[Row]:
    texts = texts_of(rows, shards.documents)
    hidden = ("is_elsewhere",)
    shown = ({name: value for name, value in row.items() if name not in hidden} for row in rows)
    return [{**row, "text": texts[row["id"]][:EXCERPT_CHARACTERS]} for row in shown]
