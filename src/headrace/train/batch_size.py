"""How many base batches a step takes, and what that makes of its learning rate.

A step takes consecutive base batches of the stream, which stays a function of the base step alone. What decides is in
the progress, which a checkpoint holds, and is equal in every process: a resumed stage decides alike.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headrace.train.batch_config import AdaptiveConfig, BatchConfig, SeesawConfig, WarmUpConfig
from headrace.train.noise_scale import NoiseAndSignal, NoiseScale
from headrace.train.optimizer_config import SGDConfig
from headrace.train.progress import Progress
from headrace.train.schedule import StageSchedule

Wanted = tuple[int, str]
"""Base batches of a step, and why, in words."""
RISING = "the rate still rises"


@dataclass(frozen=True)
class BatchSize:
    """The rule of a stage."""

    schedule: StageSchedule

    def before_step(self, progress: Progress) -> tuple[Progress, str | None]:
        """Progress that knows the size of the step which comes next, and why that is another; None if it is not."""
        wanted, reason = self._rule(progress)
        if wanted > (left := self.schedule.num_steps - progress.step):
            wanted, reason = left, "no more is left of the stage"
        if wanted == progress.batch_factor:
            return progress, None
        # Losses and norms of steps of another size are no measure of what is in line.
        noise = progress.noise and progress.noise.model_copy(update={"num_measured": 0})
        return progress.model_copy(update={"batch_factor": wanted, "recent": (), "noise": noise}), reason

    def after_update(self, progress: Progress, measured: NoiseAndSignal | None) -> Progress:
        """Progress that knows what a step, which was taken, told of the noise."""
        if (adaptive := self.config.adaptive) is None or measured is None:
            return progress
        noise = (progress.noise or NoiseScale()).after(measured, half_life=adaptive.half_life)
        return progress.model_copy(update={"noise": noise})

    def rate_scale(self, progress: Progress) -> float:
        """What the rate of the base batch is multiplied by."""
        return float(progress.batch_factor**self._exponent)

    def describe(self, progress: Progress) -> dict[str, Any]:
        """What a step's record says of its batch, in the stage's unit; nothing where it never changes."""
        stage = self.schedule.config
        if self.config.is_fixed:
            return {}
        told: dict[str, Any] = {f"step_{stage.unit}": progress.batch_factor * stage.batch_units}
        if self.config.adaptive is not None and (noise := progress.noise) is not None:
            scale = noise.base_batches * stage.batch_units
            told |= {"noise_scale": scale if math.isfinite(scale) else None}
            told |= {"noise": noise.noise, "signal": noise.signal}
        return told

    @property
    def config(self) -> BatchConfig:
        """Its settings."""
        return self.schedule.config.batch

    @property
    def is_adaptive(self) -> bool:
        """Whether noise is measured."""
        return self.config.adaptive is not None

    @cached_property
    def _exponent(self) -> float:
        is_linear = isinstance(self.schedule.config.optimizer, SGDConfig)
        default = 1.0 if is_linear else 0.5
        return default if self.config.rate_exponent is None else self.config.rate_exponent

    @cached_property
    def _rule(self) -> Callable[[Progress], Wanted]:
        config, schedule = self.config, self.schedule
        if config.warm_up is not None:
            return _Doubled(config.warm_up, schedule)
        if config.seesaw is not None:
            return _Seesaw(config.seesaw, schedule)
        return _one if config.adaptive is None else _Adapted(config.adaptive, schedule)


def _one(_: Progress) -> Wanted:
    return 1, "the batch is fixed"


@dataclass(frozen=True)
class _Doubled:
    config: WarmUpConfig
    schedule: StageSchedule

    def __call__(self, progress: Progress) -> Wanted:
        passed = sum(progress.step >= place for place in self._places)
        return 2**passed, f"{passed} of {len(self._places)} places to double at are passed"

    @cached_property
    def _places(self) -> list[float]:
        units, num_steps = self.schedule.config.batch_units, self.schedule.num_steps
        return [place / units if place > 1 else place * num_steps for place in self.config.double_at]


@dataclass(frozen=True)
class _Seesaw:
    config: SeesawConfig
    schedule: StageSchedule

    def __call__(self, progress: Progress) -> Wanted:
        share = (progress.step + 0.5) / self.schedule.num_steps
        if share < self.schedule.warm_up:
            return 1, RISING
        left = self.schedule.rate_at(share, factor=progress.rate_factor) / self.schedule.config.learning_rate
        factor = 1
        while 2 * factor <= self.config.most and 2 * factor * left <= 1.0:
            factor *= 2
        return factor, f"the schedule has come to {left:.4g} of the peak rate"


@dataclass(frozen=True)
class _Adapted:
    """Doubles at twice, halves at half of the batch that is wanted: once doubled, it stays until the noise halves.

    Nothing is decided while the rate rises: on fresh weights the noise scale is high and falls at once (from 4,000 to
    some hundred tokens in a model of 1 M parameters), and a rate that is raised further there does harm.
    """

    config: AdaptiveConfig
    schedule: StageSchedule

    def __call__(self, progress: Progress) -> Wanted:
        config, noise = self.config, progress.noise
        now = max(config.least, progress.batch_factor)
        if progress.step < self.schedule.warm_up * self.schedule.num_steps:
            return now, RISING
        if noise is None or noise.num_measured < config.wait:
            return now, "as it begins"
        wanted = config.target * noise.base_batches
        reason = f"noise scale x target is {wanted / now:.3g} times the batch"
        if wanted >= 2 * now and 2 * now <= config.most:
            return 2 * now, reason
        if wanted <= now / 2 and now // 2 >= config.least:
            return now // 2, reason
        return now, reason
