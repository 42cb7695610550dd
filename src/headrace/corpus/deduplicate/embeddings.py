"""Embeddings on the disk: a file for each unit of documents, in the order of the ledger."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.corpus.deduplicate.encoders import Encoder, Vectors
from headrace.corpus.texts import Texts
from headrace.errors import InputError

ENCODED_TEXTS = 512
"""Texts that are handed to the encoder at once."""

Positions = npt.NDArray[np.int64]


def embed(texts: Texts, encoder: Encoder, path: Path) -> None:
    """Writes the vectors of a unit's documents, of length 1, in half precision: 2 bytes a dimension and document."""
    parts = []
    for begin in range(0, len(texts), ENCODED_TEXTS):
        strings = [texts[index] for index in range(begin, min(begin + ENCODED_TEXTS, len(texts)))]
        vectors = np.asarray(encoder(strings), np.float32)
        if vectors.ndim != 2 or len(vectors) != len(strings) or not np.isfinite(vectors).all():
            raise InputError(
                f"encoder: want a finite vector for each of {len(strings)} texts, "
                f"got shape {vectors.shape}{'' if np.isfinite(vectors).all() else ' with infinite or missing numbers'}."
            )
        parts.append(normalise(vectors).astype(np.float16))
    np.save(path, np.concatenate(parts) if parts else np.empty((0, 0), np.float16))


def normalise(vectors: Vectors) -> Vectors:
    """Every vector with length 1; one of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), np.float32)


class Embeddings:
    """The vectors of all units, as if they were one array; only what is asked for is read."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._arrays = [np.load(file, mmap_mode="r") for file in files]
        self.firsts = np.concatenate(([0], np.cumsum([len(array) for array in self._arrays]))).astype(np.int64)
        widths = sorted({array.shape[1] for array in self._arrays if len(array)})
        if len(widths) > 1:
            raise InputError(f"embeddings of {widths[0]} and {widths[1]} dimensions are mixed; want one encoder's.")
        self.width = widths[0] if widths else 0

    def __len__(self) -> int:
        return int(self.firsts[-1])

    def __getitem__(self, indices: Positions) -> Vectors:
        """(N, D) vectors of length 1, in single precision."""
        vectors = np.empty((len(indices), self.width), np.float32)
        owners = np.searchsorted(self.firsts, indices, side="right") - 1
        for owner in np.unique(owners).tolist():
            mine = owners == owner
            vectors[mine] = self._arrays[owner][indices[mine] - self.firsts[owner]]
        return normalise(vectors)
