"""Clusters of directions: spherical k-means.

Source: Dhillon & Modha 2001. Centres come from a sample; every document then belongs to those nearest to it.
"""

import numpy as np
import numpy.typing as npt

from headrace.corpus.deduplicate.embeddings import Embeddings, Positions, normalise
from headrace.corpus.deduplicate.encoders import Vectors

SAMPLED_PER_CLUSTER = 64
MOST_ROUNDS = 20
BLOCK_DOCUMENTS = 4_096


def find_centres(embeddings: Embeddings, num_clusters: int, *, seed: int, memory_limit_bytes: int) -> Vectors:
    """(K, D) directions; K is at most the number of documents. The sample stays within half of the limit."""
    generator = np.random.Generator(np.random.PCG64(seed))
    affordable = memory_limit_bytes // (16 * max(embeddings.width, 1))
    size = min(len(embeddings), max(num_clusters, min(SAMPLED_PER_CLUSTER * num_clusters, affordable)))
    sample = embeddings[np.sort(generator.choice(len(embeddings), size, replace=False))]
    centres = sample[np.sort(generator.choice(size, min(num_clusters, size), replace=False))]
    labels: npt.NDArray[np.int64] | None = None
    for _ in range(MOST_ROUNDS):
        nearest, cosines = nearest_centres(sample, centres, 1)
        if labels is not None and (labels == nearest[:, 0]).all():
            break
        labels = nearest[:, 0]
        centres = _means(sample, labels, cosines[:, 0], len(centres))
    return centres


def nearest_centres(vectors: Vectors, centres: Vectors, num_probes: int) -> tuple[Positions, Vectors]:
    """(N, P) the nearest centres of each vector, the nearest first, and their cosines."""
    num_probes = min(num_probes, len(centres))
    chosen = np.empty((len(vectors), num_probes), np.int64)
    cosines = np.empty((len(vectors), num_probes), np.float32)
    for begin in range(0, len(vectors), BLOCK_DOCUMENTS):
        block = slice(begin, begin + BLOCK_DOCUMENTS)
        similarity = vectors[block] @ centres.T
        rows = np.arange(len(similarity))
        for probe in range(num_probes):  # two or three: cheaper than sorting all
            best = similarity.argmax(axis=1)
            chosen[block, probe], cosines[block, probe] = best, similarity[rows, best]
            similarity[rows, best] = -np.inf
    return chosen, cosines


def _means(sample: Vectors, labels: Positions, similarity: Vectors, num_clusters: int) -> Vectors:
    """The mean direction of each cluster; an empty one gets the vector that is farthest from its own centre."""
    order = np.argsort(labels, kind="stable")
    present, begins = np.unique(labels[order], return_index=True)
    centres = np.zeros((num_clusters, sample.shape[1]), np.float32)
    centres[present] = np.add.reduceat(sample[order], begins, axis=0)
    empty = np.setdiff1d(np.arange(num_clusters), present)
    centres[empty] = sample[np.argsort(similarity, kind="stable")[: len(empty)]]
    return normalise(centres)
