"""The published token store: all shards of a split as one numbered list of documents."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.store import Artefact
from headrace.tokens.indexed import Tokens, read_indexed
from headrace.tokens.packing import PackingPlan


@dataclass(frozen=True)
class Lineage:
    """What each document of a split is and where it came from; columns run parallel to document numbers."""

    table: pa.Table
    """id, source, language, size_bytes, num_tokens."""

    def column(self, name: str) -> list[str]:
        return list(self.table.column(name).to_pylist())

    @property
    def size_bytes(self) -> NDArray[np.int64]:
        return np.asarray(self.table.column("size_bytes").to_numpy(), np.int64)


class TokenStore:
    """One split of a published token store, memory-mapped. Read only, safe to share between threads."""

    def __init__(self, artefact: Artefact, split: str) -> None:
        self.split = split
        self._folder = artefact.path
        self._prefixes = [path.with_suffix("") for path in artefact.files(f"{split}-*.idx")]
        shards = [read_indexed(prefix) for prefix in self._prefixes]
        self._ids = [ids for ids, _ in shards]
        lengths = [shard_lengths for _, shard_lengths in shards] or [np.empty(0, np.int32)]
        self.lengths: NDArray[np.int32] = np.concatenate(lengths)
        self._first_document = np.cumsum([0, *(len(shard) for shard in lengths)])
        ends = [np.cumsum(shard, dtype=np.int64) for shard in lengths]
        self._offsets = np.concatenate([end - shard for end, shard in zip(ends, lengths, strict=True)])
        self.row_tokens = int(artefact.manifest.config["row_tokens"])  # type: ignore[arg-type]  # written by this package

    @cached_property
    def plan(self) -> PackingPlan:
        """The rows that documents were packed into."""
        return PackingPlan.load(self._folder / self.split, self.row_tokens)

    @cached_property
    def lineage(self) -> Lineage:
        """Where the documents came from."""
        paths = [prefix.with_name(f"{prefix.name}.documents.parquet") for prefix in self._prefixes]
        return Lineage(pa.concat_tables([pq.read_table(path) for path in paths]))

    @property
    def num_documents(self) -> int:
        return len(self.lengths)

    def document(self, number: int) -> Tokens:
        """The ids of one document, its end token last. A view of the file, not a copy."""
        shard = int(np.searchsorted(self._first_document, number, side="right")) - 1
        start = int(self._offsets[number])
        return self._ids[shard][start : start + int(self.lengths[number])]
