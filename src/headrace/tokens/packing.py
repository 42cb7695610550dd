"""Which pieces of which documents share a training row.

Best fit: a document longer than a row is cut into whole rows and a rest; rests and short documents are packed best-fit
decreasing, so no token is dropped and rows are nearly full. Source: Ding et al. 2024, Fewer Truncations Improve
Language Modeling, arXiv 2404.10830.
Concatenate: documents end to end, cut wherever a row is full. Nothing is dropped either and every row but the last is
full, but one document a row is cut that need not be.

A row holds documents of one source, so a stage may weigh sources without packing anew.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SEGMENT = np.dtype([("document", "<i8"), ("start", "<i8"), ("length", "<i4")])

Packing = Literal["best_fit", "concatenate"]


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source: [first, first + count) of the plan."""

    source: str
    first: int
    count: int
    num_tokens: int


@dataclass(frozen=True)
class PackingPlan:
    """Rows as runs of segments. Arrays may be memory-mapped."""

    segments: NDArray[np.void]
    """One record of SEGMENT per piece: the document, the first token of it, the number of tokens."""
    row_starts: NDArray[np.int64]
    """(rows + 1,): row r consists of segments [row_starts[r], row_starts[r + 1])."""
    row_tokens: int
    sources: tuple[SourceRows, ...] = ()
    """Which rows are whose, in row order."""

    @property
    def num_rows(self) -> int:
        return len(self.row_starts) - 1

    def save(self, prefix: Path) -> None:
        np.save(prefix.with_suffix(".segments.npy"), self.segments)
        np.save(prefix.with_suffix(".rows.npy"), self.row_starts)
        prefix.with_suffix(".sources.json").write_bytes(orjson.dumps(self.sources, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, prefix: Path, row_tokens: int) -> "PackingPlan":
        """The saved plan, memory-mapped: nothing is read but what is asked for."""
        segments, row_starts = (
            np.asarray(np.load(prefix.with_suffix(suffix), mmap_mode="r", allow_pickle=False))
            for suffix in (".segments.npy", ".rows.npy")
        )
        sources = orjson.loads(prefix.with_suffix(".sources.json").read_bytes())
        return cls(segments, row_starts, row_tokens, tuple(SourceRows(**each) for each in sources))


def plan_documents(documents: pa.Table, row_tokens: int, packing: Packing) -> PackingPlan:
    """The plan of documents that a lineage table describes, source by source in the order of their names."""
    names = sorted(pc.unique(documents["source"]).to_pylist())
    sources = pc.index_in(documents["source"], pa.array(names, pa.string())).to_numpy().astype(np.int32)
    lengths = documents["num_tokens"].to_numpy()
    return plan_rows(lengths, row_tokens, sources=sources, names=tuple(names), packing=packing)


def plan_rows(
    lengths: NDArray[np.int32],
    row_tokens: int,
    *,
    sources: NDArray[np.int32] | None = None,
    names: tuple[str, ...] = ("",),
    packing: Packing = "best_fit",
) -> PackingPlan:
    """A plan that places every token of documents of these lengths exactly once, in rows of at most `row_tokens`.

    sources: the number of each document's source in `names`, in which order their rows come; None: all of the first.
    """
    parts, described, first_row = [], [], 0
    for number, name in enumerate(names):
        documents = np.arange(len(lengths)) if sources is None else np.flatnonzero(sources == number)
        segments, row_starts = _PACKERS[packing](lengths[documents].astype(np.int32), row_tokens)
        segments["document"] = documents[segments["document"]]
        parts.append((segments, row_starts))
        count = len(row_starts) - 1
        described.append(SourceRows(name, first_row, count, int(segments["length"].sum(dtype=np.int64))))
        first_row += count
    starts = [row_starts[:-1] for _, row_starts in parts]
    begins = np.cumsum([0, *(len(segments) for segments, _ in parts)], dtype=np.int64)
    return PackingPlan(
        segments=np.concatenate([np.empty(0, SEGMENT), *(segments for segments, _ in parts)]),
        row_starts=np.concatenate([*(s + begin for s, begin in zip(starts, begins, strict=False)), begins[-1:]]),
        row_tokens=row_tokens,
        sources=tuple(described),
    )


def pack_best_fit(lengths: NDArray[np.int32], row_tokens: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Segments in row order and the starts of rows: documents are cut where a row is full, and packed by best fit."""
    from headrace.tokens.fit import assign_rows, cut_documents, group_by_row  # brings the kernels' compiler

    segments = np.empty(int((-(-lengths.astype(np.int64) // row_tokens)).sum()), SEGMENT)
    cut_documents(lengths, row_tokens, segments)
    rows = np.empty(len(segments), np.int64)
    num_rows = assign_rows(segments["length"].copy(), row_tokens, rows)
    order, row_starts = group_by_row(rows, num_rows)
    return segments[order], row_starts


def pack_end_to_end(lengths: NDArray[np.int32], row_tokens: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Segments in row order and the starts of rows: documents in their order, cut wherever a row is full."""
    from headrace.tokens.fit import cut_end_to_end  # brings the kernels' compiler

    num_rows = -(-int(lengths.sum(dtype=np.int64)) // row_tokens)
    segments, row_starts = np.empty(len(lengths) + num_rows, SEGMENT), np.empty(num_rows + 1, np.int64)
    return segments[: cut_end_to_end(lengths, row_tokens, segments, row_starts)], row_starts


_PACKERS = {"best_fit": pack_best_fit, "concatenate": pack_end_to_end}
