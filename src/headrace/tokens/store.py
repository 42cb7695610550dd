"""The published token store: all shards of a split as one numbered list of documents."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from headrace.errors import StoreError
from headrace.store import Artefact
from headrace.tokens.indexed import Shard, Tokens, read_index, read_indexed
from headrace.tokens.packing import PackingPlan
from headrace.tokens.remote.reader import RemoteReader
from headrace.tokens.remote.source import RemoteSource


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
    """One split of a published token store, memory-mapped. Read only, safe to share between threads.

    Opening it reads a header per shard, so it takes the same time for any number of documents.
    """

    def __init__(self, artefact: Artefact, split: str, *, remote: RemoteSource | None = None) -> None:
        """remote: where the ids are fetched from, if the artefact holds all but them."""
        self.split, self.artefact, self.remote = split, artefact, remote
        self._folder = artefact.path
        self._prefixes = [path.with_suffix("") for path in artefact.files(f"{split}-*.idx")]
        self.shards: tuple[Shard, ...] = tuple(
            read_indexed(prefix) if remote is None else read_index(prefix) for prefix in self._prefixes
        )
        if len(kinds := {shard.ids.dtype for shard in self.shards if len(shard.lengths)}) > 1:
            raise StoreError(
                f"{artefact.path}: shards of {split} hold ids of different types: {sorted(map(str, kinds))}."
            )
        self.first_documents = np.cumsum([0, *(len(shard.lengths) for shard in self.shards)], dtype=np.int64)
        """Number of the first document of each shard, and of all documents."""
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

    @cached_property
    def reader(self) -> RemoteReader:
        """Reads the files of a remote store: number s is shard s's `.bin`, number `len(shards) + s` its `.mask`."""
        assert self.remote is not None, "a store on this machine is mapped"
        sizes = [shard.num_tokens * shard.ids.itemsize for shard in self.shards]
        masks = [shard.num_tokens if shard.mask is not None else None for shard in self.shards]
        files = [prefix.with_suffix(suffix) for suffix in (".bin", ".mask") for prefix in self._prefixes]
        return RemoteReader(self.remote, files, [*sizes, *masks])

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of every document: reads all of them."""
        return np.concatenate([np.empty(0, np.int32), *(shard.lengths for shard in self.shards)])

    @property
    def num_documents(self) -> int:
        return int(self.first_documents[-1])

    def document(self, number: int) -> Tokens:
        """The ids of one document, its end token last. A view of the file, if that lies on this machine."""
        number_of_shard = int(np.searchsorted(self.first_documents, number, side="right")) - 1
        shard, inside = self.shards[number_of_shard], number - int(self.first_documents[number_of_shard])
        if self.remote is None:
            return shard.document(inside)
        start, size_bytes = int(shard.pointers[inside]), int(shard.lengths[inside]) * shard.ids.itemsize
        return self.reader.read([(number_of_shard, start, start + size_bytes)])[0].view(shard.ids.dtype)
