"""Damaged records: where the first of them lie."""

from pathlib import Path
from typing import Any

from headrace.corpus.tables import stored

NUM_SHOWN = 5
PLACE = ["file", "offset", "reason"]


def read_damaged(quarantine: Path) -> list[dict[str, Any]]:
    """The first few records of a quarantine. Raises StoreError if it is damaged."""
    with stored(quarantine) as parquet:
        first = next(parquet.iter_batches(NUM_SHOWN, columns=PLACE, use_threads=False), None)
        return first.to_pylist() if first else []
