"""The settings of what changes over a stage: learning rate and weight decay, and how weights are averaged."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from headrace.config import Alternatives, Config

Shape = Literal["wsd", "cosine", "linear", "inverse_sqrt", "constant", "plateau"]
COOLED_DOWN: frozenset[Shape] = frozenset({"wsd", "inverse_sqrt", "plateau"})
"""Shapes that do not come to an end by themselves: the stage's `cool_down` ends them."""


class PlateauConfig(Config):
    """When the rate is lowered because the held-out loss no longer falls; as torch's ReduceLROnPlateau decides."""

    factor: float = Field(default=0.5, gt=0, lt=1)
    """What the rate is multiplied by."""
    patience: NonNegativeInt = 2
    """Measurements in a row without a fall that are borne; the next one lowers the rate."""
    least_fall: float = Field(default=1e-3, ge=0, lt=1)
    """Share of the lowest loss so far by which a measurement must be below it to count as a fall."""
    least_factor: float = Field(default=0.01, ge=0, le=1)
    """Share of the peak that the rate is never lowered beyond."""


class ScheduleConfig(Config):
    """The learning rate after its warm-up, as a function of the tokens seen. A word alone stands for its `shape`."""

    shape: Shape = "wsd"
    """`wsd` (level, then the cool-down), `inverse_sqrt` (falls as 1 / sqrt(tokens), then the cool-down), `plateau`
    (lowered whenever the held-out loss stops falling, then the cool-down); `cosine` and `linear` fall all the way to
    the end; `constant` stays."""
    final: float = Field(default=0.0, ge=0, le=1)
    """What the rate falls to at the stage's end, as a share of what it falls from."""
    cool_down_shape: Literal["one_minus_sqrt", "linear", "cosine"] = "one_minus_sqrt"
    """How it falls in the cool-down; the first did best in Haegele et al. 2024, arXiv 2405.18392."""
    plateau: PlateauConfig = PlateauConfig()
    """For the shape `plateau`."""
    weight_decay: Literal["constant", "independent", "linear"] = "constant"
    """`constant`: a weight loses rate x decay of itself in a step. `independent`: peak rate x decay, whatever the rate
    is (Wortsman et al. 2023, arXiv 2309.14322). `linear`: as constant, times what is left of the stage."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.shape != "plateau" and self.plateau != PlateauConfig():
            raise ValueError(f"`plateau` belongs to the shape plateau, and the shape is {self.shape}")
        if self.shape == "constant" and self.final:
            raise ValueError("a constant rate has no `final`")
        if self.shape not in COOLED_DOWN and self.cool_down_shape != "one_minus_sqrt":
            raise ValueError(f"the shape {self.shape} has no cool-down, so no `cool_down_shape` either")
        return self

    @property
    def is_cooled_down(self) -> bool:
        """Whether the stage's `cool_down` applies."""
        return self.shape in COOLED_DOWN


class EMAConfig(Config):
    """An average in which a step counts for half after so many tokens."""

    kind: Literal["ema"] = "ema"
    """Exponential moving average of the weights after each step."""
    half_life_tokens: PositiveInt
    """Tokens after which a step's weights count for half as much; a hundredth to a tenth of the stage suits most."""


class TailConfig(Config):
    """The mean of weights that lie evenly spread over the stage's last part, its very last ones included."""

    kind: Literal["tail"] = "tail"
    """Equal shares (Izmailov et al. 2018, arXiv 1803.05407); wants a rate that does not fall to zero."""
    share: float = Field(default=0.2, gt=0, le=1)
    """Share of the stage's tokens, at its end."""
    samples: PositiveInt = 10
    """How many weights are averaged."""


class SpikeConfig(Alternatives):
    """Which steps are refused: those whose loss or gradient is far out of line. OLMo-core's rule, with bounds."""

    window: PositiveInt = Field(default=128, ge=2, le=4096)
    """Steps that were taken before, which tell what is in line; half of them must be there, and two at least."""
    deviations: float = Field(default=6.0, ge=0)
    """Standard deviations above their mean from which a loss or a gradient's norm is a spike."""
    most_in_a_row: PositiveInt = 3
    """Steps refused one after the other; the next is taken, for then the spike is no spike. One that is not finite
    ends the run instead."""
    most: PositiveInt = 50
    """Steps refused in the whole stage."""
    roll_backs: PositiveInt | None = None
    """Times that the stage goes back to the weights with the lowest held-out loss, once that was measured, and on with
    the batches to come, where a step is out of line and no more may be refused. Source: Chowdhery et al. 2022, arXiv
    2204.02311, section 5.1. None: never."""


def _shaped(given: Any) -> Any:
    return {"shape": given} if isinstance(given, str) else given


Schedule = Annotated[ScheduleConfig, BeforeValidator(_shaped, json_schema_input_type=Shape | ScheduleConfig)]
AverageConfig = Annotated[EMAConfig | TailConfig, Field(discriminator="kind")]
