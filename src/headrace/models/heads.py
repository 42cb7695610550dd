"""What tells classes from hidden states: a Transformer with a small head on it.

Shape letters: B batch, T time, N texts of a batch (or its tokens, end to end), D width, C classes.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from headrace.models.encoder import Encoder
from headrace.models.initial import STANDARD_DEVIATION
from headrace.models.rows import Rows
from headrace.models.transformer import Transformer

Pooling = Literal["pooler", "first", "mean", "last"]
"""Which state speaks for a text. `pooler`: that of its first token, through the encoder's own layer."""


class Places(NamedTuple):
    """Where the texts of packed rows lie, in the order of their numbers; places count over all rows, end to end."""

    first_N: Tensor
    last_N: Tensor


class Headed(nn.Module):
    """A Transformer and a linear layer that makes one logit per class from its states."""

    def __init__(self, body: Transformer, num_classes: int, *, bias: bool, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.head_dropout = nn.Dropout(dropout)
        self.score = nn.Linear(body.config.width, num_classes, bias=bias)

    def draw_head(self, seed: int) -> None:
        """First weights of the head, which depend on the seed alone."""
        with torch.no_grad():
            self.score.weight.normal_(0.0, STANDARD_DEVIATION, generator=torch.Generator().manual_seed(seed))
            if self.score.bias is not None:
                self.score.bias.zero_()


class Classifier(Headed):
    """Class logits of whole texts."""

    def __init__(self, body: Transformer, num_classes: int, *, pooling: Pooling, dropout: float) -> None:
        super().__init__(body, num_classes, bias=isinstance(body, Encoder), dropout=dropout)
        self.pooling = pooling

    def forward(self, rows: Rows, places: Places) -> Tensor:
        """Logits (N, C) of the texts in packed rows, numbered from 0 by `document_BT`."""
        hidden_ND = self.body.hidden_states(rows).flatten(0, 1)
        return self.score(self.head_dropout(self._pooled(hidden_ND, rows, places)))

    def _pooled(self, hidden_ND: Tensor, rows: Rows, places: Places) -> Tensor:
        if self.pooling == "last":
            return hidden_ND[places.last_N]
        if self.pooling == "mean":
            return _means(hidden_ND, rows.document_BT.flatten().long(), len(places.first_N))
        first_ND = hidden_ND[places.first_N]
        if self.pooling == "first":
            return first_ND
        assert isinstance(self.body, Encoder), "only an encoder has a pooler"
        return self.body.pooled(first_ND)


class Tagger(Headed):
    """Tag logits of every token."""

    def __init__(self, body: Transformer, num_classes: int, *, dropout: float) -> None:
        super().__init__(body, num_classes, bias=True, dropout=dropout)

    def forward(self, rows: Rows, place_N: Tensor) -> Tensor:
        """Logits (N, C) of the tokens at some places of packed rows."""
        # All places are scored: their number comes again, and a product is made anew for every number of rows.
        return self.score(self.head_dropout(self.body.hidden_states(rows).flatten(0, 1)))[place_N]


def pooling_of(body: Transformer, wanted: Literal["auto", "first", "mean", "last"]) -> Pooling:
    """How a Transformer's states speak for a text; `auto` is what transformers does with models of the kind."""
    if wanted == "auto":
        if not isinstance(body, Encoder):
            return "last"
        return "pooler" if body.config.pooler else "mean"
    return "pooler" if wanted == "first" and body.config.pooler else wanted


def _means(hidden_ND: Tensor, document_N: Tensor, num_texts: int) -> Tensor:
    """The mean state of each text; padding, whose number is -1, goes nowhere."""
    used = document_N >= 0
    sums = hidden_ND.new_zeros(num_texts, hidden_ND.shape[1], dtype=torch.float32)
    sums = sums.index_add(0, document_N[used], hidden_ND[used].float())
    counts = torch.bincount(document_N[used], minlength=num_texts)
    return (sums / counts[:, None]).to(hidden_ND.dtype)
