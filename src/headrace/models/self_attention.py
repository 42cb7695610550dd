"""The parts of a block that look at other tokens: of the same row, or of a source.

Shape letters: B batch, T time, S source time, D width, H heads, K key-value heads, C head width.
"""

from typing import NamedTuple

from torch import Tensor, nn

from headrace.models.attention import AttentionRule, cached_attention, cross_attention, packed_attention
from headrace.models.cache import KeyValueCache
from headrace.models.config import ModelConfig
from headrace.models.norms import RMSNorm
from headrace.models.positions import Rotation, rotate


class Source(NamedTuple):
    """What the blocks of a decoder read besides their own row."""

    hidden_BSD: Tensor
    visible_BTS: Tensor
    """Which tokens of the source a token of the row may see."""


class Row(NamedTuple):
    """What all blocks of a stack need to know of the rows they read."""

    document_BT: Tensor
    rotation: Rotation | None
    bias_HTT: Tensor | None
    prefix_BT: Tensor | None = None
    source: Source | None = None


class SelfAttention(nn.Module):
    """Grouped-query attention to tokens of the same row. Source: Ainslie et al. 2023, arXiv 2305.13245."""

    def __init__(self, config: ModelConfig, rule: AttentionRule) -> None:
        super().__init__()
        self.config, self.rule = config, rule
        self.prefix: nn.Module | None = None
        """Puts keys and values before those of the row, where an adapter has some."""
        self.query_key_value = nn.Linear(config.width, config.projection_width, bias=config.qkv_bias)
        self.output = nn.Linear(config.query_width, config.width, bias=config.output_bias)
        if config.qk_norm:
            self.query_norm = RMSNorm(config.head_width, config.norm_epsilon)
            self.key_norm = RMSNorm(config.head_width, config.norm_epsilon)

    def forward(self, x_BTD: Tensor, row: Row) -> Tensor:
        """What each token takes from the others."""
        query, key, value = self._project(x_BTD, row.rotation)
        if self.prefix is not None:
            key, value = self.prefix(key, value)
        mixed_BHTC = packed_attention(
            query,
            key,
            value,
            row.document_BT,
            rule=self.rule,
            prefix_BT=row.prefix_BT,
            bias_HTT=row.bias_HTT,
            dropout=self.config.attention_dropout if self.training else 0.0,
        )
        return self._merge(mixed_BHTC)

    def step(
        self, x_BTD: Tensor, rotation: Rotation | None, bias_HTS: Tensor | None, *, cache: KeyValueCache, block: int
    ) -> Tensor:
        """The same for new positions of one sequence, earlier ones coming from the cache."""
        query, key, value = self._project(x_BTD, rotation)
        keys, values = cache.extend(block, key, value)
        if self.prefix is not None:
            keys, values = self.prefix(keys, values)
        return self._merge(cached_attention(query, keys, values, rule=self.rule, bias_HTS=bias_HTS))

    def _project(self, x_BTD: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, C), keys and values (B, K, T, C), positions applied."""
        config = self.config
        heads = (config.heads, config.kv_heads, config.kv_heads)
        joined = self.query_key_value(x_BTD).unflatten(-1, (sum(heads), config.head_width)).transpose(1, 2)
        query, key, value = joined.split(heads, dim=1)
        if config.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        return query, key, value

    def _merge(self, mixed_BHTC: Tensor) -> Tensor:
        return self.output(mixed_BHTC.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Grouped-query attention to a source; positions play no part in it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.query = nn.Linear(config.width, config.query_width, bias=config.qkv_bias)
        self.key_value = nn.Linear(config.width, 2 * config.key_value_width, bias=config.qkv_bias)
        self.output = nn.Linear(config.query_width, config.width, bias=config.output_bias)
        if config.qk_norm:
            self.query_norm = RMSNorm(config.head_width, config.norm_epsilon)
            self.key_norm = RMSNorm(config.head_width, config.norm_epsilon)

    def forward(self, x_BTD: Tensor, source: Source) -> Tensor:
        """What each token takes from its source."""
        return self.mix(x_BTD, *self.project_source(source.hidden_BSD), source.visible_BTS)

    def project_source(self, hidden_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, K, S, C) of a source."""
        heads = (self.config.kv_heads, self.config.kv_heads)
        joined = self.key_value(hidden_BSD).unflatten(-1, (sum(heads), self.config.head_width)).transpose(1, 2)
        key, value = joined.split(heads, dim=1)
        return self.key_norm(key) if self.config.qk_norm else key, value

    def mix(self, x_BTD: Tensor, key_BKSC: Tensor, value_BKSC: Tensor, visible_BTS: Tensor) -> Tensor:
        """What each token takes from a source whose keys and values are known."""
        config = self.config
        query = self.query(x_BTD).unflatten(-1, (config.heads, config.head_width)).transpose(1, 2)
        mixed_BHTC = cross_attention(
            self.query_norm(query) if config.qk_norm else query,
            key_BKSC,
            value_BKSC,
            visible_BTS,
            scale=config.query_key_scale,
            dropout=config.attention_dropout if self.training else 0.0,
        )
        return self.output(mixed_BHTC.transpose(1, 2).flatten(2))
