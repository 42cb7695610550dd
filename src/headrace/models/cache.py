"""What generation keeps of the tokens that were read.

Shape letters: B batch, T new time, S source time, K key-value heads, C head width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from headrace.models.cached_attention import EVERYTHING, Seen
from headrace.models.config import ModelConfig


class KeyValueCache:
    """Keys and values of the positions seen so far, one pair per block, in buffers of a fixed length.

    Rows of several lengths end together: the shorter ones begin later, behind padding.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        batch: int,
        max_positions: int,
        dtype: torch.dtype,
        first_B: Tensor | None = None,
    ) -> None:
        """first_B: place of the first position of each row that is no padding. None: 0 in all."""
        shape = (config.depth, batch, config.kv_heads, max_positions, config.head_width)
        self._keys, self._values = torch.empty(shape, dtype=dtype), torch.empty(shape, dtype=dtype)
        self.length = 0
        self.max_positions = max_positions
        self.first_B = first_B
        self.sources: list[tuple[Tensor, Tensor]] = []
        """Keys and values (B, K, S, C) of the source, a pair per block; empty in a decoder."""
        self.source_seen: Seen = EVERYTHING
        """Which tokens of the source are any, and not padding."""

    def extend(self, block: int, key_BKTC: Tensor, value_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        """Stores new positions of one block; returns everything it holds for that block, the new ones included."""
        end = self.length + key_BKTC.shape[2]
        self._keys[block, :, :, self.length : end] = key_BKTC
        self._values[block, :, :, self.length : end] = value_BKTC
        return self._keys[block, :, :, :end], self._values[block, :, :, :end]

    def positions(self, num_new: int) -> Tensor:
        """Positions (B or 1, T) of the next tokens, counted from the first of their row."""
        place_1T = torch.arange(self.length, self.length + num_new)[None]
        return place_1T if self.first_B is None else (place_1T - self.first_B[:, None]).clamp(min=0)

    def choose_rows(self, rows: Sequence[int], *, same_sources: bool = False) -> None:
        """Makes row i what row `rows[i]` was.

        same_sources: the rows that change places read the same source, which therefore may stay.
        """
        row_B = torch.tensor(rows)
        self._keys, self._values = (self._chosen(buffer, row_B) for buffer in (self._keys, self._values))
        if self.first_B is not None:
            self.first_B = self.first_B[row_B]
        if not same_sources and self.sources:
            self.sources = [(key[row_B], value[row_B]) for key, value in self.sources]
            bias = self.source_seen.bias
            self.source_seen = EVERYTHING if bias is None else Seen(bias[row_B])

    def _chosen(self, buffer: Tensor, row_B: Tensor) -> Tensor:
        used = buffer[:, row_B, :, : self.length]
        depth, batch, *rest = buffer.shape
        if len(row_B) > batch:
            buffer = buffer.new_empty(depth, len(row_B), *rest)
        buffer[:, : len(row_B), :, : self.length] = used
        return buffer[:, : len(row_B)]
