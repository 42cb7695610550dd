"""Where a document went, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from headrace.corpus.columns import LEARNED, REDACTED, TEXT_SCORES
from headrace.corpus.decide.examples import EXCERPT_CHARACTERS, failed_rules, texts_of
from headrace.corpus.decide.rules import columns_of
from headrace.corpus.presets import Rule
from headrace.corpus.reasons import MEANINGS
from headrace.corpus.removed import Removed, find_removed
from headrace.corpus.tables import read_texts
from headrace.errors import InputError
from headrace.store import Artefact
from headrace.store.artefact import MANIFEST

MIN_PREFIX = 6
ALTERED = re.compile(rf"([0-9a-f]{{{MIN_PREFIX},32}})~(\d+)")
"""The id of an altered copy: that of its document, and its number."""
EARLIER = "earlier "
"""What inputs of a curated corpus are called that are those of earlier runs."""
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
class Twin:
    """The document that stays in the place of another."""

    id: str
    run: str
    """The earlier run that kept it; "" for this one."""
    file: str
    offset: int


@dataclass(frozen=True)
class Altered:
    """A copy of a document that was written with changes."""

    id: str
    method: str


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
    twin: Twin | None = None
    """Where the document lies that `duplicate_of` names; looked up by `with_details`."""
    altered: Altered | None = None
    """The copy that was asked for; then the excerpt is of its text."""
    removed: tuple[Removed, ...] = ()
    """What was cut; looked up by `with_details`."""


def explain(curated: Artefact, document: str) -> list[Explanation]:
    """What happened to a document, in input order if several are meant.

    document: an id, the beginning of one (6 or more digits), the id that its record has in the raw input, a raw file's
    name, or `file:offset`. The id of an altered copy (ending in `~` and a number) gives its document
    and says how it was altered.
    Raises InputError if there is no such document, or the beginning fits more than one id.
    """
    if not document:
        raise InputError("give an id, a file, or FILE:OFFSET; got nothing.")
    ledger = pl.scan_parquet(curated.files("ledger-*.parquet"))
    if (copy := ALTERED.fullmatch(document)) and not ledger.filter(pl.col("raw_id") == document).collect().height:
        return [_as_altered(found, int(copy[2]), curated) for found in explain(curated, copy[1])]
    if re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},32}}", document):
        rows = ledger.filter(pl.col("id").str.starts_with(document) | (pl.col("raw_id") == document)).collect()
        _check_unique(document, rows.filter(pl.col("raw_id") != document)["id"].to_list())
        if rows.height:
            return _explain_rows(curated, rows.to_dicts())
    place = _place(document) | (pl.col("raw_id") == document)
    rows = ledger.filter(place).collect()
    (quarantine,) = curated.files("quarantine.parquet")
    found = [*_explain_rows(curated, rows.to_dicts()), *explain_damaged(quarantine, document)]
    if not found:
        raise InputError(
            f'no document or damaged record is called "{document}". Give an id or its first {MIN_PREFIX} or more '
            "digits, the record's own id in the raw input, a file as the ledger's `file` column writes it, or "
            "file:offset."
        )
    return sorted(found, key=lambda explanation: (explanation.file, explanation.offset))


def explain_damaged(quarantine: Path, place: str) -> list[Explanation]:
    """The damaged records of a table that lie in a file, or at `file:offset`; in input order."""
    records = pl.scan_parquet(quarantine).filter(_place(place)).collect()
    return [_explain_record(record) for record in records.sort("file", "offset", maintain_order=True).to_dicts()]


def with_details(curated: Artefact, found: Explanation) -> Explanation:
    """The same with what takes a look at other documents: where the twin lies, and what was cut out of the text."""
    twin = _find_twin(curated, found.duplicate_of) if found.duplicate_of else None
    removed: tuple[Removed, ...] = ()
    if found.kept and found.scores.get("removed_bytes") and found.altered is None:
        text = _text_of(curated, found)
        is_contaminated = bool(found.scores.get("num_contaminated"))
        removed = tuple(
            find_removed(curated, document=found.id, source=found.source, text=text, is_contaminated=is_contaminated)
        )
    return replace(found, twin=twin, removed=removed)


def _find_twin(curated: Artefact, document: str) -> Twin | None:
    """Where a document that stays lies: in this run, or in one of those that it was compared with."""
    earlier = {name: path for name, path in curated.manifest.inputs.items() if name.startswith(EARLIER)}
    for name, address in {"": curated.address, **earlier}.items():
        ledger = Artefact(curated.path.parent / address)
        if not (ledger.path / MANIFEST).exists():  # `headrace gc` may have removed an earlier run
            continue
        rows = pl.scan_parquet(ledger.files("ledger-*.parquet")).filter(pl.col("id") == document)
        for file, offset in rows.select("file", "offset").collect().rows():
            return Twin(document, name.removeprefix(EARLIER), file, offset)
    return None


def _text_of(curated: Artefact, found: Explanation) -> str:
    """The document's text as it was measured."""
    source = orjson.loads((curated.path / "sources.json").read_bytes())[found.source]
    measured = Artefact(curated.path.parent / source["measured"])
    for path in measured.files("documents-*.parquet"):
        if text := read_texts(path, {found.id}).get(found.id):
            return text
    raise InputError(f"document {found.id}: its measured text is no longer there. Run the recipe again.")


def _as_altered(found: Explanation, number: int, curated: Artefact) -> Explanation:
    """What is known of a document as what is known of one of its altered copies. Raises InputError if there is none."""
    document = f"{found.id}~{number}"
    rows = pl.scan_parquet(curated.files("train-*.parquet")).filter(pl.col("id") == document)
    for text, metadata in rows.select("text", "metadata").collect().rows():
        altered = Altered(document, orjson.loads(metadata)["augmented"]["method"])
        return replace(found, altered=altered, excerpt=text[:EXCERPT_CHARACTERS])
    raise InputError(
        f"document {found.id} has no altered copy {number}. A copy that came out unchanged, or like an earlier one, is "
        "left out; ask for the document itself by its id without `~`."
    )


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
