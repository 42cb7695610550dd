"""Documents that say the same in other words.

In: embeddings of kept documents, in units. Out: for each document that goes, the one that stays and how near it is.
Promises: what goes has a twin that stays, at least as near as asked for; the same seed gives the same twins for any
number of workers on one machine.
Not promised: that all near pairs are found. Only documents that share one of their nearest clusters are compared, and
of a document only what the encoder sees, its beginning.

    embed (each unit) -> find_twins
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.deduplicate.centres import find_centres, nearest_centres
from headrace.corpus.deduplicate.embeddings import Embeddings, Positions
from headrace.corpus.deduplicate.encoders import Vectors
from headrace.corpus.deduplicate.neighbours import CompareTask, choose, compare, join_pairs
from headrace.corpus.deduplicate.partitions import MapFunction
from headrace.corpus.deduplicate.text_config import MeaningConfig

ALL_COMPARED = 4_096
DOCUMENTS_PER_TASK = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Twins:
    """What became of N documents, counted in the order of their embeddings."""

    twins: Positions
    """The document that stays in place of this one; -1: it stays itself."""

    similarities: Vectors
    """The cosine of the two; 0 where the document stays."""

    clusters: npt.NDArray[np.int32]
    """The nearest cluster."""


@dataclass(frozen=True, slots=True)
class _AssignTask:
    file: Path
    centres: Vectors
    num_probes: int

    def __str__(self) -> str:
        return str(self.file)


def find_twins(
    files: Sequence[Path],
    config: MeaningConfig,
    *,
    seed: int,
    memory_limit_bytes: int,
    priorities: npt.NDArray[np.float64] | None = None,
    map_function: MapFunction = map,
) -> Twins:
    """Who goes for whom. files: what `embed` wrote, in the order of the ledger.

    priorities: (N,) who would rather stay, the highest first, instead of the first in the ledger; used only where
    `config.keep` is "first". The calling process holds about 100 bytes a document besides the limit.
    """
    embeddings = Embeddings(files)
    num = len(embeddings)
    if not num:
        return Twins(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int32))
    default = 1 if num <= ALL_COMPARED else isqrt(num)
    centres = find_centres(embeddings, config.num_clusters or default, seed=seed, memory_limit_bytes=memory_limit_bytes)
    tasks = [_AssignTask(file, centres, config.num_probes) for file in files]
    labels, cosines = (np.concatenate(parts) for parts in zip(*map_function(_assign, tasks), strict=True))
    order = _order_of_staying(config.keep, cosines[:, 0], priorities)
    clusters = _clusters(labels, order)
    compared = [CompareTask(tuple(files), group, config.similarity) for group in _grouped(clusters)]
    pairs = join_pairs(list(map_function(compare, compared)))
    place = np.empty(num, np.int64)
    place[order] = np.arange(num)
    later, earlier = place[pairs.later], place[pairs.earlier]
    by_later = np.lexsort((earlier, later))
    twins, nearest = np.full(num, -1, np.int64), np.zeros(num, np.float32)
    choose(later[by_later], earlier[by_later], pairs.cosines[by_later], twins, nearest)
    named = np.where(twins[place] >= 0, order[twins[place]], -1)
    return Twins(named, nearest[place], labels[:, 0].astype(np.int32))


def _assign(task: _AssignTask) -> tuple[Positions, Vectors]:
    """The nearest centres of a file's documents, and their cosines."""
    embeddings = Embeddings([task.file])
    num_probes = min(task.num_probes, len(task.centres))
    labels, cosines = [np.empty((0, num_probes), np.int64)], [np.empty((0, num_probes), np.float32)]
    for begin in range(0, len(embeddings), DOCUMENTS_PER_TASK):
        vectors = embeddings[np.arange(begin, min(begin + DOCUMENTS_PER_TASK, len(embeddings)))]
        chosen, near = nearest_centres(vectors, task.centres, num_probes)
        labels.append(chosen)
        cosines.append(near)
    return np.concatenate(labels), np.concatenate(cosines)


def _order_of_staying(keep: str, cosines: Vectors, priorities: npt.NDArray[np.float64] | None) -> Positions:
    """The documents, the one that would rather stay first; equal ones in the order of the ledger."""
    if keep == "hard":
        return np.argsort(cosines, kind="stable")
    if keep == "easy":
        return np.argsort(-cosines, kind="stable")
    return np.arange(len(cosines)) if priorities is None else np.argsort(-priorities, kind="stable")


def _clusters(labels: Positions, order: Positions) -> list[Positions]:
    """The members of each cluster that has two, in the order of staying."""
    flat = labels[order].ravel()
    documents = np.repeat(order, labels.shape[1])
    by_label = np.argsort(flat, kind="stable")
    begins = np.flatnonzero(np.diff(flat[by_label], prepend=-1))
    return [members for members in np.split(documents[by_label], begins[1:]) if len(members) > 1]


def _grouped(clusters: Sequence[Positions]) -> list[tuple[Positions, ...]]:
    """Clusters in groups of about as many documents as are worth a task."""
    if not clusters:
        return []
    mean = max(1, sum(map(len, clusters)) // len(clusters))
    per_task = max(1, DOCUMENTS_PER_TASK // mean)
    return [tuple(clusters[begin : begin + per_task]) for begin in range(0, len(clusters), per_task)]
