"""What a step works on.

Shape letters: B rows, T tokens of a row.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORED = -100  # a target that counts for nothing; torch's own convention
PADDING_DOCUMENT = -1


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed rows. Every target is the token after its input in the same document."""

    tokens_BT: NDArray[np.int32]
    targets_BT: NDArray[np.int32]
    """IGNORED where a row is padded, and where the store's mask says that a token is not learnt."""
    positions_BT: NDArray[np.int16] | NDArray[np.int32]
    """Count from 0 in each piece of a document."""
    documents_BT: NDArray[np.int32]
    """Document number in the store; PADDING_DOCUMENT where a row is padded."""
    prefix_BT: NDArray[np.bool_] | None = None
    """Tokens that all of their document may see; None where order alone says what a token sees."""
    source: "Batch | None" = None
    """What is read before these rows are written: as many rows, of the same documents. Its targets are all IGNORED."""

    @property
    def num_rows(self) -> int:
        return len(self.tokens_BT)

    @property
    def num_tokens(self) -> int:
        """Places, padding included."""
        return self.tokens_BT.size

    @property
    def num_targets(self) -> int:
        return int(np.count_nonzero(self.targets_BT != IGNORED))

    def rows(self, start: int, stop: int) -> "Batch":
        """Some of the rows, as views."""
        cut = slice(start, stop)
        return Batch(
            self.tokens_BT[cut],
            self.targets_BT[cut],
            self.positions_BT[cut],
            self.documents_BT[cut],
            None if self.prefix_BT is None else self.prefix_BT[cut],
            None if self.source is None else self.source.rows(start, stop),
        )

    def columns(self, start: int, stop: int) -> "Batch":
        """Some places of all rows, as views. Not for rows with a source."""
        assert self.source is None, "rows with a source are read as a whole"
        cut = (slice(None), slice(start, stop))
        return Batch(
            self.tokens_BT[cut],
            self.targets_BT[cut],
            self.positions_BT[cut],
            self.documents_BT[cut],
            None if self.prefix_BT is None else self.prefix_BT[cut],
        )

    def cut(self, row_tokens: int) -> "Batch":
        """The same tokens in shorter rows, where positions count from the cut. Targets stay. Not with a source."""
        assert self.source is None, "rows with a source are read as a whole"

        def shorter(array: NDArray[Any]) -> NDArray[Any]:
            return array.reshape(-1, row_tokens)

        positions, documents = shorter(self.positions_BT), shorter(self.documents_BT)
        is_first = np.logical_and.accumulate(documents == documents[:, :1], axis=1)
        return Batch(
            shorter(self.tokens_BT),
            shorter(self.targets_BT),
            positions - positions[:, :1] * is_first,
            documents,
            None if self.prefix_BT is None else shorter(self.prefix_BT),
        )
