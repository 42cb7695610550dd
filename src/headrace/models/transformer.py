"""What the three shapes share: embedding, a stack of blocks, final norm, head.

Shape letters: B batch, T time, D width, V vocabulary.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from headrace.models.block import Block
from headrace.models.cache import KeyValueCache
from headrace.models.cached_attention import seen_positions
from headrace.models.config import ModelConfig
from headrace.models.embedding import TokenEmbedding
from headrace.models.norms import build_norm
from headrace.models.packed import PackedLinear, can_pack, pack_parts
from headrace.models.positions import Rotation, rotary_factors
from headrace.models.relative import RelativeBias
from headrace.models.rows import Rows
from headrace.models.segments import EarlierSegments
from headrace.models.self_attention import NewPlaces, Row, Source


class Stack(nn.Module):
    """Blocks over one kind of rows, and the norm behind them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.prompt: nn.Module | None = None
        """Learnt vectors in place of the first tokens of a document, where an adapter has put some."""
        self.first_position = 0
        """Where a document's tokens begin to count: behind the keys and values that an adapter has put before them."""

    def add_blocks(self, *, causal: bool, has_source: bool = False) -> None:
        """Makes the blocks; the order in which a model's parts are made is the order of its parameters."""
        config = self.config
        depth = config.depth if causal else config.encoder_depth
        self.blocks = nn.ModuleList(
            Block(config, index, causal=causal, has_source=has_source) for index in range(depth)
        )
        if config.positions == "relative":
            self.relative = RelativeBias(config, causal=causal)
        self.norm = build_norm(config) if config.norm_place == "pre" else nn.Identity()

    def run(
        self,
        x_BTD: Tensor,
        position_BT: Tensor,
        document_BT: Tensor,
        *,
        prefix_BT: Tensor | None = None,
        source: Source | None = None,
        earlier: EarlierSegments | None = None,
    ) -> Tensor:
        """The stream behind the last block, normalised."""
        row = Row(
            document_BT=document_BT,
            rotation=self.rotation(position_BT),
            bias_HTT=self.bias(0, position_BT.shape[1]),
            prefix_BT=prefix_BT,
            source=source,
            earlier=earlier,
        )
        for block in self.typed_blocks:
            x_BTD = block.run(x_BTD, row)
        return self.norm(x_BTD)

    def rotation(self, position_BT: Tensor) -> Rotation | None:
        """How queries and keys at these positions turn."""
        if self.config.positions != "rotary":
            return None
        return rotary_factors(self.config, position_BT + self.first_position if self.first_position else position_BT)

    def bias(self, start: int, end: int) -> Tensor | None:
        """The bias of queries from place `start` on and keys from 0 on, both to `end`."""
        if self.config.positions != "relative":
            return None
        place_S = torch.arange(end, device=self.relative.weight.device)
        return self.relative(place_S[start:], place_S)

    @property
    def typed_blocks(self) -> Iterable[Block]:
        for block in self.blocks:
            assert isinstance(block, Block), "a stack's blocks are Blocks"
            yield block


class Transformer(Stack):
    """A stack with an embedding before it and a head behind it.

    The residual stream has the dtype of `compute_dtype`; with bf16 the caller also enters autocast for the products.
    """

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__(config)
        self.vocabulary_size = vocabulary_size
        self.compute_dtype = torch.float32
        self.embedding = TokenEmbedding(config, vocabulary_size)
        self.packed_head: PackedLinear | None = None
        """The head in the form that a model which only reads may have."""

    def add_head(self) -> None:
        """Makes what turns hidden states into logits."""
        if not self.config.tied:
            self.head = nn.Linear(self.config.width, self.vocabulary_size, bias=False)
        if self.config.head_bias:
            self.head_bias: nn.Parameter | None = nn.Parameter(torch.zeros(self.vocabulary_size))
        else:
            self.head_bias = None

    @property
    def head_weight(self) -> Tensor:
        """(V, D): rows that hidden states are compared with to give logits."""
        return self.embedding.weight if self.config.tied else self.head.weight

    def embed(self, token_BT: Tensor, position_BT: Tensor, token_type_BT: Tensor | None = None) -> Tensor:
        """The stream before the first block."""
        return self.embedded(self, token_BT, position_BT, token_type_BT)

    def embedded(
        self, stack: Stack, token_BT: Tensor, position_BT: Tensor, token_type_BT: Tensor | None = None
    ) -> Tensor:
        """The stream before the first block of one of the model's stacks."""
        if stack.first_position:
            position_BT = position_BT + stack.first_position
        x_BTD = self.embedding.embed(token_BT, position_BT, token_type_BT, prompt=stack.prompt)
        return x_BTD.to(self.compute_dtype)

    def scaled(self, hidden_BTD: Tensor) -> Tensor:
        """Hidden states whose product with `head_weight` is logits at the config's scale."""
        scale = self.config.logit_scale
        if self.config.base_width is not None:
            scale *= self.config.base_width / self.config.width
        return hidden_BTD if scale == 1.0 else hidden_BTD * scale

    def next_logits(self, token_BT: Tensor, cache: KeyValueCache) -> Tensor:
        """Logits (B, V) after the last of some new tokens of a decoder; the cache grows by them."""
        return self.logits_behind(self.extend(token_BT, cache)[:, -1])

    def extend(self, token_BT: Tensor, cache: KeyValueCache) -> Tensor:
        """The stream (B, T, D) behind the last block for new tokens of a decoder; the cache grows by them."""
        start, end = cache.length, cache.length + token_BT.shape[1]
        position_BT = cache.positions(token_BT.shape[1])
        bias_HTS, dtype = self.bias(start, end), self.compute_dtype
        # Blocks differ in nothing but their window, and most models have one at most.
        seen = {
            window: seen_positions(start, end, dtype=dtype, window=window, first_B=cache.first_B, bias_HTS=bias_HTS)
            for window in {self.config.window_of(index) for index in range(self.config.depth)}
        }
        rotation = self.rotation(position_BT)
        x_BTD = self.embed(token_BT, position_BT)
        for index, block in enumerate(self.typed_blocks):
            place = NewPlaces(index, rotation, seen[self.config.window_of(index)])
            x_BTD = block.step(x_BTD, place, cache)
        cache.length = end
        return x_BTD

    def hidden_states(self, rows: Rows) -> Tensor:
        """Final hidden states (B, T, D) of packed rows."""
        raise NotImplementedError

    def predictions(self, hidden_BTD: Tensor) -> Tensor:
        """What is compared with `head_weight` to guess tokens: the hidden states, unless a shape has more to do."""
        return hidden_BTD

    @property
    def all_blocks(self) -> Iterable[Block]:
        """Of all stacks, in the order in which they run."""
        return self.typed_blocks

    def logits_behind(self, x_BTD: Tensor) -> Tensor:
        """Logits of the stream as `extend` gives it."""
        return self.compare(self.scaled(self.norm(x_BTD)))

    def compare(self, hidden_BTD: Tensor) -> Tensor:
        """Logits of hidden states as `forward` gives them."""
        if self.packed_head is not None:
            return self.packed_head(hidden_BTD)
        return functional.linear(hidden_BTD, self.head_weight, self.head_bias)


def places_of(token_BT: Tensor) -> Tensor:
    """Positions (B, T) of rows that are one document each."""
    return torch.arange(token_BT.shape[1], device=token_BT.device).expand_as(token_BT)


@torch.no_grad()
def keep_for_reading(model: Transformer) -> None:
    """Turns a model into one that computes in bf16, reads fast, and can be neither trained nor saved any more."""
    model.eval()
    if can_pack():
        model.packed_head = PackedLinear(model.head_weight, model.head_bias)
        if not model.config.tied:
            del model.head
    pack_parts(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16()
    model.compute_dtype = torch.bfloat16
