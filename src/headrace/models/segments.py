"""What the segments of long rows leave to those behind them.

Shape letters: B batch, T time in a segment, S time before it, K key-value heads, C head width.
"""

from torch import Tensor, nn


class EarlierSegments:
    """Keys and values that every block has made of rows so far, for the queries of later segments.

    No gradient goes into them. Writing a segment's again, as recomputation does, changes nothing. Source: Dai et al.
    2019, arXiv 1901.02860, section 3.2; here a segment sees all of its row that came before, not only the last segment.
    """

    def __init__(self, document_BT: Tensor) -> None:
        """document_BT: that of whole rows."""
        self._document_BT = document_BT
        self._kept: dict[nn.Module, Tensor] = {}
        self.start = 0
        """Place of the first token of the segment that is read."""

    def at(self, start: int) -> "EarlierSegments":
        """The same rows, read from there."""
        other = EarlierSegments(self._document_BT)
        other._kept, other.start = self._kept, start
        return other

    def documents(self, num_new: int) -> Tensor:
        """Document ids (B, S + T) of a segment's tokens and of those before it."""
        return self._document_BT[:, : self.start + num_new]

    def join(self, reader: nn.Module, key_BKTC: Tensor, value_BKTC: Tensor) -> Tensor:
        """Keys and values (2, B, K, S, C) that a block's attention has made of earlier segments; keeps these."""
        if reader not in self._kept:
            batch, heads, _, width = key_BKTC.shape
            self._kept[reader] = key_BKTC.new_empty(2, batch, heads, self._document_BT.shape[1], width)
        buffer, end = self._kept[reader], self.start + key_BKTC.shape[2]
        for kept, new in zip(buffer, (key_BKTC, value_BKTC), strict=True):
            kept[:, :, self.start : end] = new.detach()
        return buffer[:, :, :, : self.start]
