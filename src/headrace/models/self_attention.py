"""The parts of a block that look at other tokens: of the same row, or of a source.

Shape letters: B batch, T time, S source time, D width, H heads, K key-value heads, C head width.
"""

from typing import NamedTuple

from torch import Tensor, nn

from headrace.models.attention import AttentionRule, cross_attention, packed_attention, segment_attention
from headrace.models.cache import KeyValueCache
from headrace.models.cached_attention import Seen, behind_prefix, cached_attention
from headrace.models.config import ModelConfig
from headrace.models.norms import RMSNorm
from headrace.models.positions import Rotation, rotate
from headrace.models.segments import EarlierSegments


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
    earlier: EarlierSegments | None = None


class NewPlaces(NamedTuple):
    """What a block needs to know of positions that are new to a cache."""

    block: int
    rotation: Rotation | None
    seen: Seen


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
        if row.earlier is not None:
            earlier, document_BT = row.earlier.join(self, key, value), row.earlier.documents(key.shape[2])
            return self._merge(segment_attention(query, key, value, earlier, document_BT, rule=self.rule))
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

    def step(self, x_BTD: Tensor, place: NewPlaces, cache: KeyValueCache) -> Tensor:
        """The same for new positions, earlier ones coming from the cache."""
        query, key, value = self._project_new(x_BTD, place.rotation)
        keys, values = cache.extend(place.block, key, value)
        seen = place.seen
        if self.prefix is not None:
            num_new, num_seen = query.shape[2], keys.shape[2]
            keys, values = self.prefix(keys, values)
            seen = behind_prefix(
                seen, num_prefix=keys.shape[2] - num_seen, num_new=num_new, num_seen=num_seen, dtype=query.dtype
            )
        return self._merge(cached_attention(query, keys, values, seen, scale=self.rule.scale))

    def _project(self, x_BTD: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, C), keys and values (B, K, T, C), positions applied."""
        query, key, value = self._joined(x_BTD).split(self._heads, dim=1)
        if self.config.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        return query, key, value

    def _project_new(self, x_BTD: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """The same numbers in half as many operations, which are what a step of few tokens costs."""
        if self.config.qk_norm or rotation is None:
            return self._project(x_BTD, rotation)
        heads, kv_heads, _ = self._heads
        turned, value = self._joined(x_BTD).split((heads + kv_heads, kv_heads), dim=1)
        query, key = rotate(turned, rotation).split((heads, kv_heads), dim=1)
        return query, key, value

    @property
    def _heads(self) -> tuple[int, int, int]:
        return self.config.heads, self.config.kv_heads, self.config.kv_heads

    def _joined(self, x_BTD: Tensor) -> Tensor:
        """Queries, keys and values (B, H + 2 K, T, C)."""
        joined_BTX = self.query_key_value(x_BTD)
        return joined_BTX.unflatten(-1, (sum(self._heads), self.config.head_width)).transpose(1, 2)

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
        mixed_BHTC = cross_attention(
            self._queries(x_BTD),
            key_BKSC,
            value_BKSC,
            visible_BTS,
            scale=self.config.query_key_scale,
            dropout=self.config.attention_dropout if self.training else 0.0,
        )
        return self.output(mixed_BHTC.transpose(1, 2).flatten(2))

    def step(self, x_BTD: Tensor, key_BKSC: Tensor, value_BKSC: Tensor, seen: Seen) -> Tensor:
        """The same where a cache says which of the source's tokens are seen, by all alike."""
        scale = self.config.query_key_scale
        mixed_BHTC = cached_attention(self._queries(x_BTD), key_BKSC, value_BKSC, seen, scale=scale)
        return self.output(mixed_BHTC.transpose(1, 2).flatten(2))

    def _queries(self, x_BTD: Tensor) -> Tensor:
        query_BHTC = self.query(x_BTD).unflatten(-1, (self.config.heads, self.config.head_width)).transpose(1, 2)
        return self.query_norm(query_BHTC) if self.config.qk_norm else query_BHTC
