"""What curation did, in counts: never text."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from headrace.corpus.config import CorpusConfig
from headrace.corpus.presets import DUPLICATE
from headrace.errors import InputError

SHOWN_REASONS = 3


def summarize(config: CorpusConfig, ledger: pl.DataFrame, *, quarantine: pl.DataFrame) -> dict[str, Any]:
    """Documents seen, kept and dropped, by source, by language and by reason. Bytes and characters are those kept."""
    reasons = quarantine.group_by("reason").len().sort("len", "reason", descending=[True, False])
    return {
        "seen": ledger.height,
        "kept": int(ledger["kept"].sum()),
        "train": int((ledger["split"] == "train").sum()),
        "validation": int((ledger["split"] == "validation").sum()),
        "duplicates": int((ledger["reason"] == DUPLICATE).sum()),
        "quarantined": quarantine.height,
        "quarantine_reasons": dict(reasons.iter_rows()),
        "sources": _counts_by(ledger, "source"),
        "languages": _counts_by(ledger, "language"),
        "funnel": funnel(config, ledger),
    }


def funnel(config: CorpusConfig, ledger: pl.DataFrame) -> list[dict[str, Any]]:
    """Per reason, in rule order: documents it dropped first, that failed it at all, that failed nothing else."""
    rules = (rule.reason for source in config.sources for rule in config.rules_for(source))
    order = dict.fromkeys((*rules, DUPLICATE))
    first = dict(ledger.group_by("reason").len().iter_rows())
    failed = dict(ledger.select(pl.col("reasons").explode().drop_nulls()).group_by("reasons").len().iter_rows())
    alone = dict(ledger.filter(pl.col("reasons").list.len() == 1).group_by("reason").len().iter_rows())
    return [
        {
            "reason": reason,
            "dropped_first": first.get(reason, 0),
            "failed_total": failed.get(reason, 0),
            "failed_alone": alone.get(reason, 0),
        }
        for reason in order
    ]


def check_not_empty(summary: Mapping[str, Any], config: CorpusConfig) -> None:
    """Raises InputError if nothing is left, or nothing to validate on although a share is to be held out."""
    if summary["seen"] == 0:
        reasons = ", ".join(f"{reason} ({number:,})" for reason, number in summary["quarantine_reasons"].items())
        raise InputError(
            f"the sources hold no readable document; damaged records: {reasons or 'none'}. Check the paths."
        )
    if summary["kept"] == 0:
        top = sorted(summary["funnel"], key=lambda step: -step["failed_total"])[:SHOWN_REASONS]
        failed = ", ".join(f"{step['reason']} ({step['failed_total']:,})" for step in top if step["failed_total"])
        raise InputError(
            f"none of {summary['seen']:,} documents is left ({summary['quarantined']:,} more were damaged). "
            f"What they failed: {failed or 'nothing, there were none'}. "
            "Loosen these rules, or give sources their own `curate`."
        )
    if config.hold_out > 0 and summary["validation"] == 0:
        raise InputError(
            f"hold_out is {config.hold_out:.1%}, but no source has two documents to hold one out of "
            f"({summary['kept']:,} kept in all). "
            "Add documents or cut long files with `document_start`; a recipe without training may write `hold_out: 0`."
        )


def _counts_by(ledger: pl.DataFrame, column: str) -> dict[str, dict[str, int]]:
    kept = pl.col("kept")
    counts = ledger.group_by(column, maintain_order=True).agg(
        seen=pl.len(),
        kept=kept.sum(),
        train=(pl.col("split") == "train").sum(),
        validation=(pl.col("split") == "validation").sum(),
        bytes=pl.col("num_bytes").filter(kept).sum(),
        characters=pl.col("num_characters").filter(kept).sum(),
    )
    return {row.pop(column): row for row in counts.to_dicts()}
