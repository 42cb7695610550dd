"""What a model reads: packed rows of tokens.

Shape letters: B batch, T time, S source time.
"""

from typing import NamedTuple

from torch import Tensor

from headrace.models.segments import EarlierSegments


class SourceRows(NamedTuple):
    """Packed rows that are read before others are written. A document has the same id in source and target rows."""

    token_BS: Tensor
    position_BS: Tensor
    document_BS: Tensor


class Rows(NamedTuple):
    """Packed rows, and what else there is to know of them."""

    token_BT: Tensor
    position_BT: Tensor
    """Count from 0 in each document."""
    document_BT: Tensor
    """Equal within a document, different for neighbours in a row."""
    prefix_BT: Tensor | None = None
    """Bool, for decoders: tokens that all of their document may see."""
    source: SourceRows | None = None
    """For encoder-decoders."""
    token_type_BT: Tensor | None = None
    """For encoders that tell kinds of tokens apart."""
    earlier: EarlierSegments | None = None
    """For decoders: the rows are segments of longer ones, and see what came before."""
