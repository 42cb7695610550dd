"""One block: branches around a residual stream, put together as the config says.

Shape letters: B batch, T time, D width.
"""

from collections.abc import Callable

from torch import Tensor, nn

from headrace.models.attention import AttentionRule
from headrace.models.cache import KeyValueCache
from headrace.models.config import ModelConfig
from headrace.models.dropout import drop
from headrace.models.feed_forward import build_feed_forward
from headrace.models.norms import build_norm
from headrace.models.recompute import Recomputed, recompute
from headrace.models.self_attention import CrossAttention, NewPlaces, Row, SelfAttention


class Block(nn.Module):
    """Attention, attention to a source if there is one, then feed-forward; each is added back to the stream."""

    def __init__(self, config: ModelConfig, index: int, *, causal: bool, has_source: bool = False) -> None:
        super().__init__()
        self.config = config
        depth = config.depth if causal else config.encoder_depth
        self.skipped = config.stochastic_depth * index / max(1, depth - 1)
        """Probability with which a training step leaves out a branch for a row."""
        rule = AttentionRule(causal=causal, window=config.window_of(index), scale=config.query_key_scale)
        self.attention_norm = build_norm(config)
        self.attention = SelfAttention(config, rule)
        if has_source:
            self.source_norm = build_norm(config)
            self.source_attention = CrossAttention(config)
        self.feed_forward_norm = build_norm(config)
        self.feed_forward = build_feed_forward(config)
        self.recomputed: Recomputed = "nothing"
        """Halves are told apart in plain blocks only: what a compiled one keeps is its compiler's choice."""
        self.used: Callable[[], None] | None = None
        """Told when the block has been computed on the way forward."""

    def run(self, x_BTD: Tensor, row: Row) -> Tensor:
        """The stream after this block, with or without what its gradient needs."""
        result: Tensor = recompute(self, x_BTD, row) if self.recomputed == "block" else self(x_BTD, row)
        if self.used is not None:
            self.used()
        return result

    def forward(self, x_BTD: Tensor, row: Row) -> Tensor:
        """The stream after this block."""
        if self.recomputed == "attention":
            return self.transform(recompute(self.attend, x_BTD, row))
        x_BTD = self.attend(x_BTD, row)
        if self.recomputed == "feed_forward":
            return recompute(self.transform, x_BTD)
        return self.transform(x_BTD)

    def attend(self, x_BTD: Tensor, row: Row) -> Tensor:
        """The first half of a block: what looks at other tokens."""
        branch = self.attention(self._entering(x_BTD, self.attention_norm), row)
        x_BTD = self._joined(x_BTD, branch, self.attention_norm)
        if row.source is not None:
            branch = self.source_attention(self._entering(x_BTD, self.source_norm), row.source)
            x_BTD = self._joined(x_BTD, branch, self.source_norm)
        return x_BTD

    def step(self, x_BTD: Tensor, place: NewPlaces, cache: KeyValueCache) -> Tensor:
        """The same for new positions, earlier ones and the source coming from the cache."""
        branch = self.attention.step(self._entering(x_BTD, self.attention_norm), place, cache)
        x_BTD = self._joined(x_BTD, branch, self.attention_norm)
        if cache.sources:
            entering = self._entering(x_BTD, self.source_norm)
            branch = self.source_attention.step(entering, *cache.sources[place.block], cache.source_seen)
            x_BTD = self._joined(x_BTD, branch, self.source_norm)
        return self.transform(x_BTD)

    def transform(self, x_BTD: Tensor) -> Tensor:
        """The second half: what looks at one token alone."""
        branch = self.feed_forward(self._entering(x_BTD, self.feed_forward_norm))
        return self._joined(x_BTD, branch, self.feed_forward_norm)

    def _entering(self, x_BTD: Tensor, norm: nn.Module) -> Tensor:
        return norm(x_BTD) if self.config.norm_place == "pre" else x_BTD

    def _joined(self, x_BTD: Tensor, branch_BTD: Tensor, norm: nn.Module) -> Tensor:
        if self.training:
            branch_BTD = self._thinned(branch_BTD)
        x_BTD = x_BTD + branch_BTD
        return norm(x_BTD) if self.config.norm_place == "post" else x_BTD

    def _thinned(self, branch_BTD: Tensor) -> Tensor:
        """With dropout and stochastic depth; what stays is scaled up, so that the mean does not move."""
        if self.config.dropout:
            branch_BTD = drop(branch_BTD, self.config.dropout)
        if self.skipped:
            whole_B11 = branch_BTD.new_ones(len(branch_BTD), 1, 1)
            branch_BTD = branch_BTD * drop(whole_B11, self.skipped)
        return branch_BTD
