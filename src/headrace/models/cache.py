"""What generation keeps of the tokens that were read.

Shape letters: B batch, T new time, S source time, K key-value heads, C head width.
"""

import torch
from torch import Tensor

from headrace.models.config import ModelConfig


class KeyValueCache:
    """Keys and values of the positions seen so far, one pair per block, in buffers of a fixed length."""

    def __init__(self, config: ModelConfig, *, batch: int, max_positions: int, dtype: torch.dtype) -> None:
        shape = (config.depth, batch, config.kv_heads, max_positions, config.head_width)
        self._keys, self._values = torch.empty(shape, dtype=dtype), torch.empty(shape, dtype=dtype)
        self.length = 0
        self.sources: list[tuple[Tensor, Tensor]] = []
        """Keys and values (B, K, S, C) of the source, a pair per block; empty in a decoder."""
        self.visible_BS: Tensor | None = None
        """Which tokens of the source are any, and not padding."""

    def extend(self, block: int, key_BKTC: Tensor, value_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        """Stores new positions of one block; returns everything it holds for that block, the new ones included."""
        end = self.length + key_BKTC.shape[2]
        self._keys[block, :, :, self.length : end] = key_BKTC
        self._values[block, :, :, self.length : end] = value_BKTC
        return self._keys[block, :, :, :end], self._values[block, :, :, :end]
