"""The settings of a search for a learning rate."""

from typing import Self

from pydantic import Field, PositiveInt, model_validator

from headrace.config import Config


class SweepConfig(Config):
    """Rates from the lowest to the highest, evenly spaced on a logarithmic scale, one for each step."""

    lowest: float = Field(default=1e-5, gt=0)
    """Rate of the first step."""
    highest: float = Field(default=1.0, gt=0)
    """Rate of the last step, if the loss has not gone up before."""
    steps: PositiveInt = Field(default=150, ge=20)
    """Steps from one to the other, each on a global batch of the stage."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError(f"lowest {self.lowest:g} must be below highest {self.highest:g}")
        return self
