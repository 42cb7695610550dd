"""Records in batches of a few MB of text, which is what the engine walks over."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headrace.corpus.read.records import EXCERPT_BYTES, AnyRecord, DamagedRecord, RawDocument, SkippedRecord
from headrace.corpus.texts import Texts

BATCH_BYTES = 4_000_000
"""Bytes of records (as they lie in the file) after which a batch ends."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N documents and the damaged records among them, in the order of the file."""

    texts: Texts
    """(N) none blank, none with a NUL, all valid UTF-8."""
    metadata: Texts
    """(N) JSON objects."""
    offsets: Integers
    """(N,) where each document begins, as in `RawDocument.offset`."""
    sizes: Integers
    """(N,) bytes of each document's record, as in `RawDocument.size_bytes`."""
    damaged: list[DamagedRecord]
    skipped: dict[str, int] = field(default_factory=dict)
    """Records that are sound and hold no document: reason -> number."""

    def __len__(self) -> int:
        return len(self.metadata)


def join_batches(batches: Sequence[Batch]) -> Batch:
    """Several batches as one; at least one is given."""
    if len(batches) == 1:
        return batches[0]
    return Batch(
        Texts.joined([batch.texts for batch in batches]),
        Texts.joined([batch.metadata for batch in batches]),
        np.concatenate([batch.offsets for batch in batches]),
        np.concatenate([batch.sizes for batch in batches]),
        [record for batch in batches for record in batch.damaged],
        dict(sum((Counter(batch.skipped) for batch in batches), Counter[str]())),
    )


@dataclass(slots=True)
class BatchBuilder:
    """Gathers documents until a batch is full. A document larger than a batch is alone in its batch."""

    texts: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    damaged: list[DamagedRecord] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.texts or self.damaged or self.skipped)

    def has_room(self, record: AnyRecord) -> bool:
        """Whether a record belongs into this batch."""
        return self.size_bytes == 0 or self.size_bytes + _weight(record) <= BATCH_BYTES

    def add(self, record: AnyRecord) -> None:
        """Takes one more record."""
        self.size_bytes += _weight(record)
        if isinstance(record, DamagedRecord):
            self.damaged.append(record)
            return
        if isinstance(record, SkippedRecord):
            self.skipped[record.reason] += 1
            return
        self.texts.append(record.text)
        self.metadata.append(record.metadata)
        self.offsets.append(record.offset)
        self.sizes.append(record.size_bytes)

    def build(self) -> Batch:
        """What was gathered."""
        offsets, sizes = np.array(self.offsets, np.int64), np.array(self.sizes, np.int64)
        texts, metadata = Texts.from_strings(self.texts), Texts.from_strings(self.metadata)
        return Batch(texts, metadata, offsets, sizes, self.damaged, dict(self.skipped))


def batch_records(records: Iterable[AnyRecord]) -> Iterator[Batch]:
    """Records of any format as batches."""
    builder = BatchBuilder()
    for record in records:
        if not builder.has_room(record):
            yield builder.build()
            builder = BatchBuilder()
        builder.add(record)
    if builder:
        yield builder.build()


def _weight(record: AnyRecord) -> int:
    return record.size_bytes if isinstance(record, RawDocument) else EXCERPT_BYTES
