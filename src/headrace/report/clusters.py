"""Clusters of documents that are alike, out of the ledger: a row group and two short columns at a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.tables import stored

NUM_LARGEST = 10
SIZES = ["kept", "cluster_size"]
IDENTITY = ["cluster_size", "id", "source", "file", "offset", "num_bytes"]


@dataclass(frozen=True)
class Cluster:
    """Documents that are alike, by the one that stays."""

    cluster_size: int
    """Documents, the one that stays counted."""
    id: str
    source: str
    file: str
    offset: int
    num_bytes: int
    """Of the text that stays."""


@dataclass
class Clusters:
    """All clusters of more than one document."""

    num_by_size: Counter[int] = field(default_factory=Counter)
    """Size -> how many clusters have it."""
    largest: list[Cluster] = field(default_factory=list)
    """The largest first; of equal ones, those that stand first in the ledger."""


def read_clusters(ledgers: Sequence[Path]) -> Clusters:
    """The clusters that kept documents stand for. Raises StoreError if the ledger is damaged."""
    clusters = Clusters()
    for path in ledgers:
        with stored(path) as parquet:
            for index in range(parquet.num_row_groups):
                _add(clusters, parquet, index)
    return clusters


def _add(clusters: Clusters, parquet: pq.ParquetFile, index: int) -> None:
    group = parquet.read_row_group(index, SIZES, use_threads=False)
    sizes = np.where(group["kept"].to_numpy(), group["cluster_size"].to_numpy(), 0)
    found, numbers = np.unique(sizes[sizes > 1], return_counts=True)
    clusters.num_by_size.update(dict(zip(found.tolist(), numbers.tolist(), strict=True)))
    least = clusters.largest[-1].cluster_size if len(clusters.largest) == NUM_LARGEST else 1
    larger = np.flatnonzero(sizes > least)
    if not len(larger):
        return
    rows = larger[np.argsort(-sizes[larger], kind="stable")[:NUM_LARGEST]]
    table: pa.Table = parquet.read_row_group(index, IDENTITY, use_threads=False).take(rows)
    known = [*clusters.largest, *(Cluster(**row) for row in table.to_pylist())]
    clusters.largest = sorted(known, key=lambda cluster: -cluster.cluster_size)[:NUM_LARGEST]
