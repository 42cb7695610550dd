"""The batches of a part of a unit that may have killed a worker, without the records that are known to do it.

A careful attempt measures each document alone first, for nothing but to see whether it lives, and notes its place
before. What is kept comes from the whole batch as ever, so that care changes no byte. A file that is one document is
noted before it is read, which finds a reader's killer too; inside larger files a reader's death names no record.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from headrace.corpus.config import SourceConfig
from headrace.corpus.read import Batch, DamagedRecord, Part, read_batches
from headrace.corpus.read.batches import batch_records
from headrace.corpus.read.records import damaged
from headrace.corpus.workers import Attempt, Place

ONE_DOCUMENT = ("html", "mail", "man")
"""Formats whose files are one document each, as plain text is without `document_start`."""

FIRST_BYTE = 0


def healthy_batches(
    source: SourceConfig, part: Part, attempt: Attempt, *, measure: Callable[[Batch], object]
) -> Iterator[Batch]:
    """The batches of a part, the records of `attempt.skip` among the damaged ones. `measure`: what may kill."""
    file = part.file.name
    if part.kind.format in ONE_DOCUMENT or (part.kind.format == "text" and source.document_start is None):
        whole = Place(file, FIRST_BYTE)
        if whole in attempt.skip:
            yield from batch_records([damaged(FIRST_BYTE, part.size_bytes, reason="killed_worker", data=b"")])
            return
        attempt.enter(whole)
    for batch in read_batches(source, part):
        healthy = _without(batch, attempt.skip, file=file)
        for row in range(len(healthy) if attempt.is_careful else 0):
            attempt.enter(Place(file, int(healthy.offsets[row])))
            measure(_rows(healthy, np.array([row])))
        attempt.leave()
        yield healthy


def _without(batch: Batch, skip: frozenset[Place], *, file: str) -> Batch:
    if not skip:
        return batch
    deadly = np.array([Place(file, offset) in skip for offset in batch.offsets.tolist()], np.bool_)
    if not deadly.any():
        return batch
    killers = _rows(batch, np.flatnonzero(deadly))
    records = [
        damaged(offset, size_bytes, reason="killed_worker", data=text.encode())
        for offset, size_bytes, text in zip(
            killers.offsets.tolist(), killers.sizes.tolist(), killers.texts, strict=True
        )
    ]
    return _rows(batch, np.flatnonzero(~deadly), damaged_records=[*batch.damaged, *records])


def _rows(batch: Batch, rows: npt.NDArray[np.int64], *, damaged_records: list[DamagedRecord] | None = None) -> Batch:
    """Some documents of a batch, and of its damaged records those that are given."""
    texts, metadata = batch.texts.take(rows), batch.metadata.take(rows)
    return Batch(texts, metadata, batch.offsets[rows], batch.sizes[rows], damaged_records or [])
