"""How rotary positions are stretched for contexts longer than those of training (needs no torch)."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from headrace.config import Config


class RotaryScaling(Config):
    """A rule that slows the rotation of channel pairs down, so that far positions turn no further than known ones."""

    kind: Literal["linear", "ntk", "yarn", "llama3"]
    """`linear` slows all pairs (Chen et al. 2023, arXiv 2306.15595); `ntk` raises the base, so slow pairs slow down
    most; `yarn` slows only pairs that turn seldom within the old context (Peng et al. 2023, arXiv 2309.00071); `llama3`
    does so by wavelength, as Llama 3.1 does."""
    factor: float = Field(ge=1)
    """New context over old."""
    original_positions: PositiveInt | None = None
    """Longest context of training, in tokens; `yarn` and `llama3` need it."""
    low_frequency_factor: float = Field(default=1.0, gt=0)
    """Of `llama3`: pairs that turn fewer times than this within the old context are slowed in full."""
    high_frequency_factor: float = Field(default=4.0, gt=0)
    """Of `llama3`: pairs that turn more often than this stay as they are."""
    beta_fast: float = Field(default=32.0, gt=0)
    """Of `yarn`: pairs that turn more often than this within the old context stay as they are."""
    beta_slow: float = Field(default=1.0, gt=0)
    """Of `yarn`: pairs that turn less often are slowed in full."""
    truncate: bool = True
    """Of `yarn`: rounds the bounds between those pairs outwards."""
    attention_factor: float | None = Field(default=None, gt=0)
    """Of `yarn`: factor of sine and cosine. None: 0.1 ln(factor) + 1."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind in ("yarn", "llama3") and self.original_positions is None:
            raise ValueError(f"rope_scaling of kind {self.kind} needs original_positions, the context of training")
        if self.high_frequency_factor <= self.low_frequency_factor:
            raise ValueError("rope_scaling.high_frequency_factor must be above low_frequency_factor")
        return self
