"""What curation did, in counts: never text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from headrace.corpus.columns import REDACTED
from headrace.corpus.config import CorpusConfig
from headrace.corpus.reasons import SIMILAR
from headrace.errors import InputError

SHOWN_REASONS = 3

TOTALS = ("seen", "kept", "train", "validation", "bytes", "characters")


class Tally:
    """Counts over ledger frames that come one after the other."""

    def __init__(self) -> None:
        self._by: dict[str, dict[str, Counter[str]]] = {"source": {}, "language": {}}
        self._first, self._failed, self._alone, self._other = (
            Counter[str](),
            Counter[str](),
            Counter[str](),
            Counter[str](),
        )

    def add(self, ledger: pl.DataFrame) -> None:
        """Counts the documents of a part of the ledger."""
        for column, counts in self._by.items():
            for value, row in _counts_by(ledger, column).items():
                counts.setdefault(value, Counter()).update(row)
        alone = ledger.filter(pl.col("reasons").list.len() == 1)
        self._first.update(_lengths(ledger.filter(~pl.col("kept")).select("reason")))
        self._failed.update(_lengths(ledger.select(reason=pl.col("reasons").explode().drop_nulls())))
        self._alone.update(_lengths(alone.select("reason")))
        kept = ledger.filter("kept")
        self._other["removed_bytes"] += int(kept["removed_bytes"].sum())
        self._other["copies"] += int(kept["copies"].sum())
        self._other["used"] += kept.filter(pl.col("copies") > 0).height
        self._other["clusters"] += kept.filter(pl.col("cluster_size") > 1).height
        for name in REDACTED:
            self._other[name] += int(ledger[name].sum())

    def summary(self, names: Sequence[str], *, quarantine: pl.DataFrame) -> dict[str, Any]:
        """Documents seen, kept and dropped, by source, by language and by reason.

        Bytes and characters are those of kept documents, before anything was cut out of them and each counted once.

        names: every reason there can be, in order.
        """
        totals = sum(self._by["source"].values(), Counter[str]())
        reasons = quarantine.group_by("reason").len().sort("len", "reason", descending=[True, False])
        redacted = {
            name.removeprefix("redacted_"): number
            for name, number in self._other.items()
            if name.startswith("redacted_")
        }
        return {
            **{name: totals[name] for name in ("seen", "kept", "train", "validation")},
            "duplicates": sum(self._first[reason] for reason in SIMILAR),
            "clusters": self._other["clusters"],
            "used": self._other["used"],
            "copies": self._other["copies"],
            "removed_bytes": self._other["removed_bytes"],
            "redacted": {kind: number for kind, number in redacted.items() if number},
            "quarantined": quarantine.height,
            "quarantine_reasons": dict(reasons.iter_rows()),
            "sources": _plain(self._by["source"]),
            "languages": _plain(self._by["language"]),
            "funnel": self._funnel(names),
        }

    def _funnel(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Per reason, in rule order: documents it dropped first, that failed it at all, that failed nothing else."""
        return [
            {
                "reason": reason,
                "dropped_first": self._first[reason],
                "failed_total": self._failed[reason],
                "failed_alone": self._alone[reason],
            }
            for reason in names
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
            + (" Or there is nothing new: compare with `earlier`." if config.earlier else "")
        )
    if config.hold_out > 0 and summary["validation"] == 0:
        raise InputError(
            f"hold_out is {config.hold_out:.1%}, but no source has two documents to hold one out of "
            f"({summary['kept']:,} kept in all). "
            "Add documents or cut long files with `document_start`; a recipe without training may write `hold_out: 0`."
        )


def _lengths(reasons: pl.DataFrame) -> dict[str, int]:
    return dict(reasons.group_by("reason").len().iter_rows())


def _counts_by(ledger: pl.DataFrame, column: str) -> dict[str, dict[str, int]]:
    kept, has_characters = pl.col("kept"), pl.col("num_characters").fill_null(0)
    counts = ledger.group_by(column, maintain_order=True).agg(
        seen=pl.len(),
        kept=kept.sum(),
        train=(pl.col("split") == "train").sum(),
        validation=(pl.col("split") == "validation").sum(),
        bytes=pl.col("num_bytes").filter(kept).sum(),
        characters=has_characters.filter(kept).sum(),
    )
    return {row.pop(column): row for row in counts.to_dicts()}


def _plain(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {value: {name: row[name] for name in TOTALS} for value, row in counts.items()}
