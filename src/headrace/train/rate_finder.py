"""A learning rate for a stage, found by raising it from step to step until the loss no longer falls.

Source: Smith 2017, arXiv 1506.01186, section 3.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from headrace.errors import DivergenceError, InputError
from headrace.parallel import Group
from headrace.store import write_file
from headrace.trace import progress
from headrace.train.batch_config import BatchConfig
from headrace.train.given import Stage
from headrace.train.progress import Progress
from headrace.train.stage import set_up
from headrace.train.sweep_config import SweepConfig

SMOOTHED_STEPS = 10
DIVERGED = 1.5
"""Times the lowest loss at which the sweep ends."""
FEWEST_STEPS = 10
TABLE = "rates.json"


@dataclass(frozen=True)
class Tried:
    """A step of the sweep: its rate, the loss before its update, and that loss smoothed over the steps so far."""

    step: int
    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class Sweep:
    """A rate that is multiplied by the same factor in each step."""

    config: SweepConfig

    def rate(self, progress: Progress) -> float:
        lowest, highest = self.config.lowest, self.config.highest
        return lowest * (highest / lowest) ** (progress.step / (self.config.steps - 1))

    def decay_factor(self, progress: Progress) -> float:
        return 1.0

    def after_measurement(self, progress: Progress, loss: float) -> Progress:
        return progress


def find_rate(stage: Stage, config: SweepConfig) -> dict[str, Any]:
    """Trains from the stage's first weights under a rising rate; writes the table and returns the suggestion.

    A function of stage, sweep and numerics: it repeats to the bit. Raises InputError if nothing can be suggested.
    """
    if stage.config.learns_from_examples:
        raise InputError(
            "the rate of a stage that learns from examples cannot be searched for; try 2e-5 to 1e-4 for a given model, "
            "1e-3 from scratch."
        )
    given: dict[str, Any] = {
        "epochs": None,
        "tokens": config.steps * stage.config.global_batch_tokens,
        "compile": "off",
    }
    given |= {"average": None, "publish": "best", "skip_spikes": None, "keep_before_cool_down": False}
    given |= {"batch": BatchConfig()}
    loop, state = set_up(replace(stage, config=stage.config.model_copy(update=given)), Group(), schedule=Sweep(config))
    state.model.train()
    tried: list[Tried] = []
    try:
        for number, batch in enumerate(map(loop.feed.stream.batch, range(config.steps))):
            outcome = loop.step(state, [batch])
            tried.append(_next(tried, outcome.rate, outcome.loss))
            progress("find_rate", number + 1, config.steps, unit="steps", loss=outcome.loss)
            if tried[-1].smoothed > DIVERGED * min(each.smoothed for each in tried):
                break
    except DivergenceError:
        pass  # a rate at which it diverges is what the sweep looks for
    finally:
        loop.close()
    suggestion = suggest(tried)
    table = {"rates": [vars(each) for each in tried], **suggestion}
    write_file(stage.workspace.output / TABLE, orjson.dumps(table, option=orjson.OPT_INDENT_2))
    return suggestion


def suggest(tried: Sequence[Tried]) -> dict[str, float]:
    """The rate at which the smoothed loss was lowest, that at which it fell fastest, and one between them to use.

    The last is their geometric mean: at the lowest loss training is about to break, and where it fell fastest it has
    room left. Raises InputError if the loss never fell.
    """
    lowest = min(range(len(tried)), key=lambda number: tried[number].smoothed, default=0)
    if lowest < FEWEST_STEPS:
        raise InputError(
            f"the loss has been rising since step {lowest} of the sweep: begin with a lower rate (--lowest), "
            "or take smaller steps between rates (--steps)."
        )
    slopes = [
        (tried[number].smoothed - tried[number - SMOOTHED_STEPS // 2].smoothed, number)
        for number in range(FEWEST_STEPS, lowest + 1)
    ]
    steepest = min(slopes)[1]
    rates = {"lowest_loss_rate": tried[lowest].rate, "steepest_rate": tried[steepest].rate}
    return {**rates, "suggested_rate": _two_digits(math.sqrt(math.prod(rates.values())))}


def _next(tried: Sequence[Tried], rate: float, loss: float) -> Tried:
    """Smoothed as Adam's moments are: an exponential mean, corrected for its start."""
    kept = 1.0 - 1.0 / SMOOTHED_STEPS
    number = len(tried)
    before = tried[-1].smoothed * (1.0 - kept**number) if tried else 0.0
    smoothed = (kept * before + (1.0 - kept) * loss) / (1.0 - kept ** (number + 1))
    return Tried(number + 1, rate, loss, smoothed)


def _two_digits(number: float) -> float:
    return float(f"{number:.1e}")
