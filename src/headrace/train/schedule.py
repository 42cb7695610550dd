"""Learning rate and weight decay as functions of how much of the stage's tokens has been seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from headrace.train.config import StageConfig
from headrace.train.progress import Progress

# What is left of the rate, from 1 to 0, with x going from 0 to 1 over the fall.
FALLS: dict[str, Callable[[float], float]] = {
    "one_minus_sqrt": lambda x: 1.0 - x**0.5,
    "linear": lambda x: 1.0 - x,
    "cosine": lambda x: 0.5 * (1.0 + math.cos(math.pi * x)),
}


class RateOfStep(Protocol):
    """What the loop asks before each step."""

    def rate(self, progress: Progress) -> float:
        """The learning rate of the step that comes next."""
        ...

    def decay_factor(self, progress: Progress) -> float:
        """What its weight decay is multiplied by, besides that rate."""
        ...

    def after_measurement(self, progress: Progress, loss: float) -> Progress:
        """What a new held-out loss makes of the progress."""
        ...


@dataclass(frozen=True)
class StageSchedule:
    """The schedule of a stage of so many steps, each of one base batch; a step that takes more is as many of them."""

    config: StageConfig
    num_steps: int

    def rate(self, progress: Progress) -> float:
        """The learning rate of the next step, as of its middle; a pure function of the progress."""
        middle = progress.step + 0.5 * progress.batch_factor
        tokens = middle * self.config.batch_units
        if 1 < self.config.warm_up > tokens:  # of tokens alone, so that a longer stage rises by the same bits
            return self.config.learning_rate * tokens / self.config.warm_up
        return self.rate_at(middle / self.num_steps, factor=progress.rate_factor)

    def decay_factor(self, progress: Progress) -> float:
        kind = self.config.schedule.weight_decay
        if kind == "independent":
            return self.config.learning_rate / self.rate(progress)
        middle = progress.step + 0.5 * progress.batch_factor
        return 1.0 - middle / self.num_steps if kind == "linear" else 1.0

    def after_measurement(self, progress: Progress, loss: float) -> Progress:
        """Progress with the rate lowered, if it is to be where the held-out loss stops falling and that has happened.

        Source: torch's ReduceLROnPlateau.
        """
        config, lowest = self.config.schedule.plateau, progress.plateau_loss
        if self.config.schedule.shape != "plateau":
            return progress
        if lowest is None or loss < lowest * (1.0 - config.least_fall):
            return progress.model_copy(update={"plateau_loss": loss, "num_level": 0})
        if progress.num_level < config.patience:
            return progress.model_copy(update={"num_level": progress.num_level + 1})
        factor = max(config.least_factor, progress.rate_factor * config.factor)
        return progress.model_copy(update={"rate_factor": factor, "num_level": 0})

    def rate_at(self, share: float, *, factor: float = 1.0) -> float:
        """The rate at `share` in [0, 1] of the stage's tokens.

        Linear from zero in the warm-up; then what the shape says, times what is left in the cool-down. factor: what
        a plateau has left of the rate.
        """
        schedule, peak = self.config.schedule, self.config.learning_rate
        if share < self.warm_up:
            return peak * share / self.warm_up
        if schedule.shape in ("cosine", "linear"):
            x = (share - self.warm_up) / (1.0 - self.warm_up) if share < 1.0 else 1.0
            return peak * self._fallen(FALLS[schedule.shape](x))
        level = peak * factor if schedule.shape == "plateau" else peak
        if schedule.shape == "inverse_sqrt":
            level *= math.sqrt(self.warm_up / share)
        left = 1.0 - share
        if left < self.cool_down:
            return level * self._fallen(FALLS[schedule.cool_down_shape](1.0 - left / self.cool_down))
        return level

    def _fallen(self, left: float) -> float:
        final = self.config.schedule.final
        return final + (1.0 - final) * left

    @property
    def warm_up(self) -> float:
        """Share of the stage in which the rate rises."""
        return self._share(self.config.warm_up)

    @property
    def cool_down(self) -> float:
        """Share of the stage in which it falls at last."""
        return self._share(self.config.cool_down) if self.config.schedule.is_cooled_down else 0.0

    @property
    def last_level_step(self) -> int:
        """Steps done when the cool-down begins: up to there, a longer stage does the same."""
        return next(
            (step for step in range(self.num_steps) if 1.0 - (step + 0.5) / self.num_steps < self.cool_down),
            self.num_steps,
        )

    def steps_alike(self, other: "StageSchedule") -> float:
        """Steps in which another stage, equal but for its length and its end, does the same to the bit."""
        same_end = self.config.schedule == other.config.schedule and self.config.cool_down == other.config.cool_down
        if same_end and self._total_tokens == other._total_tokens:
            return math.inf
        most = min(self.last_level_step, other.last_level_step)
        for step in range(most):
            progress = Progress(step=step)
            if self.rate(progress) != other.rate(progress) or (
                self.decay_factor(progress) != other.decay_factor(progress)
            ):
                return step
        return most

    def _share(self, written: float) -> float:
        return min(1.0, written / self._total_tokens) if written > 1 else written

    @property
    def _total_tokens(self) -> int:
        return self.num_steps * self.config.batch_units
