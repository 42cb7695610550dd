"""Where a document went, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from headrace.corpus.columns import LEARNED, REDACTED, TEXT_SCORES
from headrace.corpus.decide.examples import EXCERPT_CHARACTERS, failed_rules, texts_of
from headrace.corpus.decide.rules import columns_of
from headrace.corpus.presets import Rule
from headrace.corpus.reasons import MEANINGS
from headrace.errors import InputError
from headrace.store import Artefact

MIN_PREFIX = 6
COPY_NUMBER = re.compile(r"(?<=^[0-9a-f]{32})~\d+$")
"""At the end of the id of an altered copy."""
SHOWN_SCORES = (
    "language",
    "language_score",
    *TEXT_SCORES,
    *LEARNED,
    *REDACTED,
    "cluster_size",
    "similarity",
    "num_contaminated",
    "removed_bytes",
    "copies",
)
SHOWN_IDS = 5


@dataclass(frozen=True)
class Reason:
    """One thing that spoke against a document."""

    name: str
    rule: str
    """The condition that did not hold; "" where it was not a rule."""
    scores: dict[str, Any]
    """The columns that the condition looks at, with this document's values."""


@dataclass(frozen=True)
class Explanation:
    """Everything known about one document, or one damaged record (its id is "")."""

    id: str
    source: str
    file: str
    offset: int
    size_bytes: int
    kept: bool
    split: str
    reasons: tuple[Reason, ...]
    duplicate_of: str
    scores: dict[str, Any]
    excerpt: str


def explain(curated: Artefact, document: str) -> list[Explanation]:
    """What happened to a document, in input order if several are meant.

    document: an id, the beginning of one (6 or more digits), the id that its record has in the raw input, a raw file's
    name, or `file:offset`. The id of an altered copy stands for the document that it is a copy of.
    Raises InputError if there is no such document, or the beginning fits more than one id.
    """
    document = COPY_NUMBER.sub("", document)
    if not document:
        raise InputError("give an id, a file, or FILE:OFFSET; got nothing.")
    ledger = pl.scan_parquet(curated.files("ledger-*.parquet"))
    if re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},32}}", document):
        rows = ledger.filter(pl.col("id").str.starts_with(document) | (pl.col("raw_id") == document)).collect()
        _check_unique(document, rows.filter(pl.col("raw_id") != document)["id"].to_list())
        if rows.height:
            return _explain_rows(curated, rows.to_dicts())
    place = _place(document) | (pl.col("raw_id") == document)
    rows = ledger.filter(place).collect()
    records = pl.scan_parquet(curated.files("quarantine.parquet")).filter(_place(document)).collect()
    found = [*_explain_rows(curated, rows.to_dicts()), *map(_explain_record, records.to_dicts())]
    if not found:
        raise InputError(
            f'no document or damaged record is called "{document}". Give an id or its first {MIN_PREFIX} or more '
            "digits, the record's own id in the raw input, a file as the ledger's `file` column writes it, or "
            "file:offset."
        )
    return sorted(found, key=lambda explanation: (explanation.file, explanation.offset))


def _check_unique(prefix: str, ids: Sequence[str]) -> None:
    if len(ids) > 1:
        shown = ", ".join(sorted(ids)[:SHOWN_IDS])
        raise InputError(f"{len(ids):,} documents have ids that begin with {prefix}: {shown} ... Give more digits.")


def _place(document: str) -> pl.Expr:
    file, _, offset = document.rpartition(":")
    whole = pl.col("file") == document
    return (
        whole | ((pl.col("file") == file) & (pl.col("offset") == int(offset))) if offset.isdecimal() and file else whole
    )


def _explain_rows(curated: Artefact, rows: Sequence[dict[str, Any]]) -> list[Explanation]:
    if not rows:
        return []
    sources = orjson.loads((curated.path / "sources.json").read_bytes())
    rules = {name: [Rule.model_validate(rule) for rule in source["rules"]] for name, source in sources.items()}
    measured = {name: Artefact(curated.path.parent / source["measured"]) for name, source in sources.items()}
    texts = texts_of(rows, {name: artefact.files("documents-*.parquet") for name, artefact in measured.items()})
    return [_explain_row(row, rules[row["source"]], texts[row["id"]]) for row in rows]


def _explain_row(row: dict[str, Any], rules: Sequence[Rule], text: str) -> Explanation:
    (failed,) = failed_rules([row], rules)
    copied = ("id", "source", "file", "offset", "size_bytes", "kept", "split", "duplicate_of")
    return Explanation(
        **{name: row[name] for name in copied},
        reasons=tuple(_reasons(row, failed)),
        scores={name: value for name in SHOWN_SCORES if (value := row[name]) is not None},
        excerpt=text[:EXCERPT_CHARACTERS],
    )


def _reasons(row: dict[str, Any], failed: Sequence[Rule]) -> list[Reason]:
    found = [Reason(rule.reason, rule.rule, {column: row[column] for column in columns_of(rule)}) for rule in failed]
    if (name := row["reason"]) in MEANINGS:
        shown = {"similarity": row["similarity"], "num_contaminated": row["num_contaminated"]}
        found.append(Reason(name, "", {column: value for column, value in shown.items() if value}))
    return found


def _explain_record(row: dict[str, Any]) -> Explanation:
    excerpt, reason = row.pop("excerpt"), Reason(row.pop("reason"), "", {})
    return Explanation(
        **row, id="", kept=False, split="", reasons=(reason,), duplicate_of="", scores={}, excerpt=excerpt
    )
