"""The files and counts that the corpus engine leaves: the shapes of real ones, the numbers invented."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

LEARNED: dict[str, Any] = {
    "classifier": {
        "good": 400,
        "bad": 380,
        "num_good": 40,
        "num_bad": 38,
        "auroc": 0.9871,
        "brier": 0.041,
        "calibration_error": 0.032,
    },
    "perplexity": {"documents": 420, "bytes": 599_438},
}
"""As `headrace.corpus.measure.learned` makes it."""
OTHER_REASONS = {"low_quality": 142, "contaminated": 56, "near_duplicate": 889, "nothing_left": 1}
CLUSTER_SIZES = (1, 2, 40, 1, 3, 2, 1_500)
"""Of kept documents; every other document of the ledger is dropped and says the same size."""


def engine_summary(summary: Mapping[str, Any], *, name: str, text: str) -> dict[str, Any]:
    """The summary of an older corpus with all that `headrace.corpus.curate` tells of now."""
    others = [
        {"reason": reason, "dropped_first": number, "failed_total": number, "failed_alone": number}
        for reason, number in OTHER_REASONS.items()
    ]
    mixed = [("novels", 0.7, 0.5, 0.71, ""), (name, 0.3, 0.5, 3.0, "max_repeats")]
    return {
        **summary,
        "seen": summary["seen"] + sum(OTHER_REASONS.values()),
        "duplicates": summary["duplicates"] + OTHER_REASONS["near_duplicate"],
        "funnel": [*summary["funnel"], *others],
        "clusters": 6,
        "used": summary["kept"] - 412,
        "copies": 20_000,
        "thresholds": {"quality_score": 0.42131},
        "removed_bytes": 17_268,
        "redacted": {"email": 486, "bank_card": 199},
        "repeated_ids": 677,
        "contamination": [
            {"set": name, "items": 25, "too_short": 1, "items_hit": 8, "documents": 45, "example": text},
            {"set": "untouched", "items": 4, "too_short": 0, "items_hit": 0, "documents": 0, "example": ""},
        ],
        "mix": [_mixed(*row) for row in mixed],
    }


def _mixed(group: str, before: float, after: float, epochs: float, limited_by: str) -> dict[str, Any]:
    return {
        "group": group,
        "documents_before": 1_000,
        "bytes_before": round(before * 8_000_000),
        "share_before": before,
        "documents_after": round(1_000 * min(1.0, epochs)),
        "copies_after": round(1_000 * epochs),
        "bytes_after": round(after * 8_200_000),
        "share_after": after,
        "epochs": epochs,
        "limited_by": limited_by,
    }


def dropped_document(text: str, source: str, *reasons: str, duplicate_of: str = "") -> dict[str, Any]:
    """An entry of `examples.json`."""
    return {
        "id": "5f" * 16,
        "source": source,
        "file": "data/novels/emma.txt.zst",
        "offset": 48_213,
        "reasons": list(reasons),
        "duplicate_of": duplicate_of,
        "text": text,
        "scores": {} if duplicate_of else {"num_words": 23, "alpha_word_ratio": 0.7391304347826086},
    }


def tried_rules(text: str, source: str) -> dict[str, Any]:
    """As `asdict` makes it of `headrace.corpus.decide.what_if.WhatIf`."""
    place = {"id": "17" * 16, "source": source, "file": "data/novels/emma.txt.zst", "offset": 91, "language": "en"}
    example = {**place, "num_bytes": 4376, "num_words": 41, "hash_ratio": 0.25, "shard": 0, "text": text}
    idle = {"documents": 0, "bytes": 0, "first_documents": 0, "margin_documents": 0, "margin_bytes": 0, "examples": []}
    short = {
        "reason": "gopher_short_doc",
        "conditions": ["num_words >= 50 (not zh)"],
        "documents": 1_466,
        "bytes": 388_991,
        "first_documents": 1_402,
        "margin_documents": 1_100,
        "margin_bytes": 208_233,
        "examples": [example],
    }
    return {
        "documents": 15_800,
        "bytes": 13_862_246,
        "dropped_documents": 1_825,
        "dropped_bytes": 1_102_823,
        "effects": [short, {"reason": "gopher_long_doc", "conditions": ["num_words <= 100000"], **idle}],
    }


def contaminated(name: str, text: str, item: int) -> dict[str, Any]:
    """An entry of `contamination.json`; the first two are of one item."""
    found = {"ngrams": 18 - item, "share": (18 - item) / 18, "begin": 142, "end": 1_297}
    return {"id": f"{item:032x}", "set": name, "item": f"{name}-{max(1, item)}", **found, "excerpt": text}


def quarantine_bytes(file: str, num_records: int) -> bytes:
    """A quarantine with the columns that the page reads, and one that it does not."""
    rows = [
        {"file": file, "offset": 100 * number, "reason": "invalid UTF-8", "excerpt": "\ufffd"}
        for number in range(num_records)
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def ledger_bytes(sizes: Sequence[int], *, source: str, file: str) -> bytes:
    """A ledger with the columns that the page reads, in row groups of three."""
    rows = [
        {
            "kept": kept,
            "cluster_size": size,
            "id": f"{2 * number + kept:032x}",
            "source": source,
            "file": file,
            "offset": 100 * number,
            "num_bytes": 2_800 + number,
        }
        for number, size in enumerate(sizes)
        for kept in (True, False)
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=3)
    return buffer.getvalue()
