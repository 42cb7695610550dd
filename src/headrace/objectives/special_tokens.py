"""Special tokens that objectives on rows need (needs no kernels, which take half a second to load)."""

from headrace.objectives.config import (
    CausalAndMaskedConfig,
    FullDenoisingConfig,
    MaskedConfig,
    RowObjectiveConfig,
    SpanDenoisingConfig,
)

MASK = "<|mask|>"
SENTINEL = "<extra_id_{}>"
"""What T5 calls the tokens that stand for gaps."""


def special_tokens_for(config: RowObjectiveConfig, row_tokens: int) -> tuple[str, ...]:
    """Tokens that a vocabulary must have for an objective on rows of so many tokens; sentinels from the last one on."""
    if isinstance(config, SpanDenoisingConfig):
        return tuple(SENTINEL.format(number) for number in reversed(range(num_sentinels(config, row_tokens))))
    needs_mask = isinstance(config, MaskedConfig | CausalAndMaskedConfig)
    needs_mask |= isinstance(config, FullDenoisingConfig) and not config.edits
    return (MASK,) if needs_mask else ()


def num_sentinels(config: SpanDenoisingConfig, row_tokens: int) -> int:
    """Gaps of a row of so many tokens, and one more."""
    return max(1, round(round(row_tokens * config.rate) / config.mean_span) + 1)
