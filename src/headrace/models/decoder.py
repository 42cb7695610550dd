"""The decoder: embedding, blocks of attention and SwiGLU around a residual stream, a final norm, a head.

Shape letters: B batch, T time, D width, H heads, K key-value heads, C head width, F feed-forward width, V vocabulary.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from headrace.models.attention import cached_attention, packed_attention
from headrace.models.config import ModelConfig

INITIAL_STANDARD_DEVIATION = 0.02  # of every matrix; those that write into the residual stream are scaled by its depth


class KeyValueCache:
    """Keys and values of the positions seen so far, one pair per block, in buffers of a fixed length."""

    def __init__(self, config: ModelConfig, *, batch: int, max_positions: int, dtype: torch.dtype) -> None:
        shape = (config.depth, batch, config.kv_heads, max_positions, config.head_width)
        self._keys, self._values = torch.empty(shape, dtype=dtype), torch.empty(shape, dtype=dtype)
        self.length = 0

    def extend(self, block: int, key_BKTC: Tensor, value_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        """Stores new positions of one block; returns everything it holds for that block, the new ones included."""
        end = self.length + key_BKTC.shape[2]
        self._keys[block, :, :, self.length : end] = key_BKTC
        self._values[block, :, :, self.length : end] = value_BKTC
        return self._keys[block, :, :, :end], self._values[block, :, :, :end]


class RMSNorm(nn.Module):
    """Scales each vector to root mean square 1, then by a learnt gain. Computed in float32, returned in the input's
    dtype.

    Source: Zhang & Sennrich 2019, arXiv 1910.07467; rounding order as in transformers' LlamaRMSNorm.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        x32 = x.float()
        x32 = x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + self.epsilon)
        return self.weight.to(x.dtype) * x32.to(x.dtype)


def rotary_factors(config: ModelConfig, position_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each float32 (B, 1, T, C / 2), of the angle that every pair of channels turns by at its
    position.

    In bf16 neighbouring positions would round to one: the validation loss after 80 k tokens was 6.36 instead of 6.20.

    Source: Su et al. 2021 (RoFormer), arXiv 2104.09864; channel c is paired with c + C / 2, as in transformers.
    """
    pair = torch.arange(0, config.head_width, 2, dtype=torch.float32, device=position_BT.device)
    frequency = 1.0 / (config.rope_theta ** (pair / config.head_width))
    angle = position_BT[:, None, :, None].float() * frequency
    return angle.cos(), angle.sin()


def rotate(x_BHTC: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turns channel pairs of queries or keys by their position's angle, in float32; returns their dtype."""
    left, right = x_BHTC.float().chunk(2, dim=-1)
    return torch.cat([left * cosine - right * sine, right * cosine + left * sine], dim=-1).to(x_BHTC.dtype)


class Attention(nn.Module):
    """Grouped-query self-attention with rotary positions. Source: Ainslie et al. 2023, arXiv 2305.13245."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.query_key_value = nn.Linear(config.width, config.projection_width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)
        if config.qk_norm:
            self.query_norm = RMSNorm(config.head_width, config.norm_epsilon)
            self.key_norm = RMSNorm(config.head_width, config.norm_epsilon)

    def project(self, x_BTD: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, C), keys and values (B, K, T, C), positions applied."""
        config = self.config
        heads = (config.heads, config.kv_heads, config.kv_heads)
        joined = self.query_key_value(x_BTD).unflatten(-1, (sum(heads), config.head_width)).transpose(1, 2)
        query, key, value = joined.split(heads, dim=1)
        if config.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        return rotate(query, cosine, sine), rotate(key, cosine, sine), value

    def merge(self, mixed_BHTC: Tensor) -> Tensor:
        return self.output(mixed_BHTC.transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """Gated feed-forward. Source: Shazeer 2020, arXiv 2002.05202."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.feed_forward, bias=False)
        self.down = nn.Linear(config.feed_forward, config.width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        gate_BTF, up_BTF = self.gate_up(x_BTD).chunk(2, dim=-1)
        return self.down(functional.silu(gate_BTF) * up_BTF)


class Block(nn.Module):
    """Attention, then feed-forward, each on a normalised copy of the residual stream and added back to it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_epsilon)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.width, config.norm_epsilon)
        self.feed_forward = SwiGLU(config)

    def forward(self, x_BTD: Tensor, cosine: Tensor, sine: Tensor, document_BT: Tensor) -> Tensor:
        query, key, value = self.attention.project(self.attention_norm(x_BTD), cosine, sine)
        x_BTD = x_BTD + self.attention.merge(packed_attention(query, key, value, document_BT))
        return x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))

    def step(self, x_BTD: Tensor, cosine: Tensor, sine: Tensor, cache: KeyValueCache, block: int) -> Tensor:
        """The same for new positions of one sequence, earlier ones coming from the cache."""
        query, key, value = self.attention.project(self.attention_norm(x_BTD), cosine, sine)
        x_BTD = x_BTD + self.attention.merge(cached_attention(query, *cache.extend(block, key, value)))
        return x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))


class Decoder(nn.Module):
    """Token ids in, final hidden states out; `head_weight` turns those into logits.

    The residual stream has the dtype of `compute_dtype`; with bf16 the caller also enters autocast for the products.
    """

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.compute_dtype = torch.float32
        self.embedding = nn.Embedding(vocabulary_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        if not config.tied:
            self.head = nn.Linear(config.width, vocabulary_size, bias=False)

    @property
    def head_weight(self) -> Tensor:
        """(V, D): rows that hidden states are compared with to give logits."""
        return self.embedding.weight if self.config.tied else self.head.weight

    def forward(self, token_BT: Tensor, position_BT: Tensor, document_BT: Tensor) -> Tensor:
        """Final hidden states (B, T, D) of packed rows."""
        cosine, sine = rotary_factors(self.config, position_BT)
        x_BTD = self.embedding(token_BT).to(self.compute_dtype)
        for block in self.blocks:
            x_BTD = block(x_BTD, cosine, sine, document_BT)
        return self.norm(x_BTD)

    def logits(self, token_BT: Tensor) -> Tensor:
        """Logits (B, T, V) of whole rows that are one document each."""
        position_BT = torch.arange(token_BT.shape[1], device=token_BT.device).expand_as(token_BT)
        hidden_BTD = self(token_BT, position_BT, torch.zeros_like(token_BT))
        return functional.linear(hidden_BTD, self.head_weight)

    def next_logits(self, token_BT: Tensor, cache: KeyValueCache) -> Tensor:
        """Logits (B, V) after the last of some new tokens; the cache grows by them."""
        position_T = torch.arange(cache.length, cache.length + token_BT.shape[1], device=token_BT.device)
        cosine, sine = rotary_factors(self.config, position_T[None])
        x_BTD = self.embedding(token_BT).to(self.compute_dtype)
        for index, block in enumerate(self._typed_blocks()):
            x_BTD = block.step(x_BTD, cosine, sine, cache, index)
        cache.length += token_BT.shape[1]
        return functional.linear(self.norm(x_BTD[:, -1]), self.head_weight)

    def _typed_blocks(self) -> Iterable[Block]:
        for block in self.blocks:
            assert isinstance(block, Block), "a decoder's blocks are Blocks"
            yield block


def build_decoder(config: ModelConfig, vocabulary_size: int, *, seed: int) -> Decoder:
    """A decoder with fresh weights that depend on nothing but the arguments."""
    decoder = Decoder(config, vocabulary_size)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if parameter.dim() < 2:
                continue  # norm gains start at one
            writes_residual = name.endswith(("attention.output.weight", "feed_forward.down.weight"))
            scale = (2 * config.depth) ** -0.5 if writes_residual else 1.0  # Radford et al. 2019 (GPT-2), section 2.3
            parameter.normal_(0.0, INITIAL_STANDARD_DEVIATION * scale, generator=generator)
    return decoder
