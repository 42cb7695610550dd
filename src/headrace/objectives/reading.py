"""Batches as models read them."""

import torch
from torch import Tensor

from headrace.models.rows import Rows, SourceRows
from headrace.tokens import Batch


def as_rows(batch: Batch) -> Rows:
    """A batch as models read it, sharing its memory."""
    source = None
    if batch.source is not None:
        source = SourceRows(*_tensors(batch.source))
    prefix_BT = None if batch.prefix_BT is None else torch.from_numpy(batch.prefix_BT)
    return Rows(*_tensors(batch), prefix_BT=prefix_BT, source=source)


def _tensors(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(batch.tokens_BT), torch.from_numpy(batch.positions_BT), torch.from_numpy(batch.documents_BT)
