"""The encoder-decoder: a decoder whose blocks also attend to what an encoder made of a source.

Shape letters: B batch, T target time, S source time, D width, V vocabulary.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from headrace.models.block import Block
from headrace.models.cache import KeyValueCache
from headrace.models.cached_attention import Seen, hiding
from headrace.models.config import ModelConfig
from headrace.models.rows import Rows, SourceRows
from headrace.models.self_attention import Source
from headrace.models.transformer import Stack, Transformer, places_of


class EncoderDecoder(Transformer):
    """Source and target ids in, final hidden states of the target out; `head_weight` turns those into logits.

    Both sides share embedding and positions.
    """

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__(config, vocabulary_size)
        self.source = Stack(config)
        self.source.add_blocks(causal=False)
        self.add_blocks(causal=True, has_source=True)
        self.add_head()

    def forward(self, token_BT: Tensor, position_BT: Tensor, document_BT: Tensor, *, source: SourceRows) -> Tensor:
        """Final hidden states (B, T, D) of packed target rows, each beside the source row of the same number."""
        visible_BTS = document_BT[:, :, None] == source.document_BS[:, None, :]
        read = Source(self.read(source), visible_BTS)
        return self.scaled(self.run(self.embed(token_BT, position_BT), position_BT, document_BT, source=read))

    def hidden_states(self, rows: Rows) -> Tensor:
        """Final hidden states (B, T, D) of target rows beside their sources."""
        assert rows.source is not None, "an encoder-decoder reads a source"
        return self(rows.token_BT, rows.position_BT, rows.document_BT, source=rows.source)

    @property
    def all_blocks(self) -> Iterable[Block]:
        yield from self.source.typed_blocks
        yield from self.typed_blocks

    def read(self, source: SourceRows) -> Tensor:
        """Hidden states (B, S, D) of the encoder."""
        x_BSD = self.embedded(self.source, source.token_BS, source.position_BS)
        return self.source.run(x_BSD, source.position_BS, source.document_BS)

    def logits(self, source_BS: Tensor, token_BT: Tensor) -> Tensor:
        """Logits (B, T, V) of whole target rows, each beside one whole source row."""
        source = SourceRows(source_BS, places_of(source_BS), torch.zeros_like(source_BS))
        return self.compare(self(token_BT, places_of(token_BT), torch.zeros_like(token_BT), source=source))

    def begin(
        self, source_BS: Tensor, *, max_positions: int, visible_BS: Tensor | None = None, copies: int = 1
    ) -> KeyValueCache:
        """A cache that holds sources and nothing of their targets; `visible_BS` is False where a source is padded.

        copies: rows in the cache for each source, side by side.
        """
        rows = copies * len(source_BS)
        cache = KeyValueCache(self.config, batch=rows, max_positions=max_positions, dtype=self.compute_dtype)
        document_BS = torch.zeros_like(source_BS) if visible_BS is None else visible_BS.long() - 1
        hidden_BSD = self.read(SourceRows(source_BS, places_of(source_BS), document_BS))
        projected = (block.source_attention.project_source(hidden_BSD) for block in self.typed_blocks)
        cache.sources = [
            (key.repeat_interleave(copies, dim=0), value.repeat_interleave(copies, dim=0)) for key, value in projected
        ]
        if visible_BS is not None:
            hidden_BTS = ~visible_BS.repeat_interleave(copies, dim=0)[:, None]
            cache.source_seen = Seen(hiding(hidden_BTS, self.compute_dtype))
        return cache
