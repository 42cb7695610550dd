"""What is known of every document of a run while it is decided: a few numbers each, about 70 bytes, never its text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NOT_DROPPED = -1


@dataclass(eq=False)
class Verdicts:
    """One entry per document of the run in every array; N documents."""

    num_rows: int
    names: list[str]
    """Reasons for which a document can be dropped, in the order in which they are looked at."""
    kept_folder: Path
    """Where the ids lie, which only the ledger needs: in a file, so that they take no memory."""
    earlier_ids: npt.NDArray[np.uint8]
    """(M, 16) ids of documents of earlier runs, which stand for rows N, N + 1 ... where a twin is named."""

    reason: npt.NDArray[np.int16] = field(init=False)
    """The first reason in `names` that drops it, or `NOT_DROPPED`."""
    content: npt.NDArray[np.uint64] = field(init=False)
    """(N, 2) the halves of the 128-bit content hash."""
    num_bytes: Rows = field(init=False)
    twin: Rows = field(init=False)
    """Row of the document that stays in its stead, N and above for one of an earlier run; -1: none."""
    similarity: npt.NDArray[np.float32] = field(init=False)
    """To the twin; NaN where it was not computed."""
    cluster_size: npt.NDArray[np.int32] = field(init=False)
    num_contaminated: npt.NDArray[np.int32] = field(init=False)
    removed_bytes: Rows = field(init=False)
    copies: npt.NDArray[np.int32] = field(init=False)
    is_validation: Mask = field(init=False)

    def __post_init__(self) -> None:
        size = self.num_rows
        self.reason = np.full(size, NOT_DROPPED, np.int16)
        self.content = np.zeros((size, 2), np.uint64)
        self.num_bytes = np.zeros(size, np.int64)
        self.twin = np.full(size, -1, np.int64)
        self.similarity = np.full(size, np.nan, np.float32)
        self.cluster_size = np.ones(size, np.int32)
        self.num_contaminated = np.zeros(size, np.int32)
        self.removed_bytes = np.zeros(size, np.int64)
        self.copies = np.zeros(size, np.int32)
        self.is_validation = np.zeros(size, np.bool_)
        self.raw_ids: list[npt.NDArray[np.uint64]] = []
        """Hashes of the ids that records have in the raw input."""
        shape = (max(size + len(self.earlier_ids), 1), 16)
        self.ids: npt.NDArray[np.uint8] = np.memmap(self.kept_folder / "ids.bin", np.uint8, mode="w+", shape=shape)
        self.ids[size : size + len(self.earlier_ids)] = self.earlier_ids

    @property
    def passes(self) -> Mask:
        """(N,) which documents nothing has dropped so far."""
        return np.equal(self.reason, NOT_DROPPED)

    @property
    def num_repeated_raw_ids(self) -> int:
        """Records whose id in the raw input an earlier record has too."""
        hashes = np.concatenate([np.empty(0, np.uint64), *self.raw_ids])
        return len(hashes) - len(np.unique(hashes))

    def drop(self, rows: Rows, reason: str) -> None:
        """Drops documents that nothing has dropped before."""
        if not len(rows):
            return
        if reason not in self.names:
            self.names.append(reason)
        self.reason[rows] = self.names.index(reason)
        self.copies[rows] = 0

    def hex_ids(self, rows: Rows) -> list[str]:
        """The ids of some rows; "" for row -1."""
        text = self.ids[rows].tobytes().hex()
        return [text[32 * i : 32 * i + 32] if row >= 0 else "" for i, row in enumerate(rows.tolist())]

    def reason_names(self, rows: slice) -> list[str]:
        """Per row of a slice its reason, "" where it was not dropped."""
        names = [*self.names, ""]  # NOT_DROPPED is the last
        return [names[code] for code in self.reason[rows].tolist()]


def halves(hashes: Sequence[str]) -> npt.NDArray[np.uint64]:
    """(N, 2) 128-bit hashes in hex as two numbers each, the higher first."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64).reshape(-1, 2)
