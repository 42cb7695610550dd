"""The settings of how many tokens a step takes, and how that changes within a stage."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from headrace.config import Alternatives, Config

WORDS = ("fixed", "seesaw", "adaptive")


class WarmUpConfig(Config):
    """A batch that doubles at given places: at first there is little noise to average out, and small batches do.

    Source: Merrill et al. 2025, arXiv 2505.23971.
    """

    double_at: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)]
    """Where the batch doubles: shares of the stage's tokens; above 1, tokens. Rising."""

    @model_validator(mode="after")
    def _check_rising(self) -> Self:
        if list(self.double_at) != sorted(set(self.double_at)):
            raise ValueError(f"double_at {list(self.double_at)}: write rising places, each once")
        return self


class SeesawConfig(Config):
    """A batch that doubles wherever the schedule has halved the rate, which then falls by sqrt(2) alone.

    Source: Meterez et al. 2025, arXiv 2510.14717, with a factor of 2. Between two doublings the rate goes
    on as the schedule does, where theirs is level.
    """

    most: PositiveInt = 8
    """Base batches that a step takes at most; from there on the rate falls by itself."""


class AdaptiveConfig(Config):
    """A batch that follows the gradient noise scale: doubled where it is small against that, halved where it is large.

    The noise scale is the batch at which half of a step's squared gradient is noise (McCandlish et al. 2018, arXiv
    1812.06162, section 2.2).
    """

    least: PositiveInt = 1
    """Base batches of a step at least, and at first."""
    most: PositiveInt = 8
    """Base batches of a step at most."""
    target: PositiveFloat = 0.125
    """The batch that is wanted, as a share of the noise scale; it takes about that share more tokens to the same loss
    than small batches do (arXiv 1812.06162). At 1, twice the tokens and twice the fewest updates."""
    half_life: PositiveInt = 64
    """Steps after which a measurement of noise and gradient counts for half."""
    wait: PositiveInt = 64
    """Steps from a change, and from the start, to the next decision; and none is taken while the rate rises."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.most < 2 * self.least:
            raise ValueError(f"most {self.most} leaves no room to double least {self.least}; write {2 * self.least}")
        return self


class BatchConfig(Alternatives):
    """What a step takes, in base batches of `global_batch_tokens` (or `global_batch_examples`): one, or by one rule."""

    warm_up: WarmUpConfig | None = None
    """It doubles at given places."""
    seesaw: SeesawConfig | None = None
    """It doubles where the schedule has halved the rate."""
    adaptive: AdaptiveConfig | None = None
    """It follows the gradient noise scale."""
    rate_exponent: float | None = Field(default=None, ge=0, le=1)
    """The learning rate is that of the base batch, times the step's base batches to this power. None: 1 for SGD, 1/2
    for the others, whose updates do not grow with the gradient."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [name for name in ("warm_up", "seesaw", "adaptive") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"a batch changes by one rule, and {' and '.join(given)} are written")
        if not given and self.rate_exponent is not None:
            raise ValueError(
                "rate_exponent belongs to a batch that changes; write warm_up, seesaw or adaptive beside it"
            )
        return self

    @property
    def is_fixed(self) -> bool:
        """Whether every step takes one base batch."""
        return self.warm_up is None and self.seesaw is None and self.adaptive is None


def _named(given: Any) -> Any:
    if isinstance(given, str) and given not in WORDS:
        raise ValueError(f"{given!r} is no rule; write {', '.join(WORDS)}, or {{warm_up: {{double_at: [0.1, 0.3]}}}}")
    return ({} if given == "fixed" else {given: {}}) if isinstance(given, str) else given


Batch = Annotated[
    BatchConfig,
    BeforeValidator(_named, json_schema_input_type=Literal["fixed", "seesaw", "adaptive"] | BatchConfig),
]
"""A word alone stands for a rule with its defaults."""
