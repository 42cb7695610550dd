"""A stage that begins with shorter rows than it ends with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.tokens import Batch
from headrace.train.length_config import LengthWarmUpConfig


@dataclass(frozen=True)
class CutRows:
    """Cuts the rows of a step to the length that it has."""

    lengths: tuple[int, ...]
    """Rising; the last one is that of whole rows."""
    num_steps: float
    """Steps after which rows are whole."""

    @classmethod
    def of(cls, config: LengthWarmUpConfig, *, row_tokens: int, num_steps: int) -> "CutRows":
        """Raises ValueError if rows cannot be cut in halves to that length."""
        lengths = [row_tokens]
        while lengths[0] % 2 == 0 and lengths[0] // 2 >= config.from_tokens:
            lengths.insert(0, lengths[0] // 2)
        if len(lengths) == 1:
            raise ValueError(
                f"length_warm_up.from_tokens {config.from_tokens:,}: no half of row_tokens {row_tokens:,} is as long; "
                f"write at most {row_tokens // 2:,}, and a row_tokens that can be halved"
            )
        return cls(tuple(lengths), config.share * num_steps)

    def length(self, step: int) -> int:
        """Tokens of a row of that step, counted from 0."""
        return self.lengths[min(len(self.lengths) - 1, int((len(self.lengths) - 1) * step / self.num_steps))]

    def __call__(self, batch: Batch, step: int, _: NDArray[np.int64]) -> Batch:
        length = self.length(step)
        return batch if length == self.lengths[-1] else batch.cut(length)
