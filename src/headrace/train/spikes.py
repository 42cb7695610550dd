"""Steps that are refused, or undone, because their loss or gradient is far out of line.

Everything that decides is in the progress, which a checkpoint holds: a resumed stage decides alike. Loss and norm are
equal bits in every process, and so are decisions.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple

from headrace.train.progress import Progress
from headrace.train.schedule_config import SpikeConfig


class Verdict(NamedTuple):
    """What becomes of a step, and what is wrong with it, in words."""

    action: Literal["take", "refuse", "go_back"]
    reason: str = ""


TAKE = Verdict("take")


def judge(config: SpikeConfig | None, progress: Progress, *, loss: float, norm: float) -> Verdict:
    """Whether a step is taken. One that is out of line is, too, where no more may be refused or undone."""
    if config is None or not (reason := _out_of_line(config, progress, loss=loss, norm=norm)):
        return TAKE
    if _has_room(config, progress):
        return Verdict("refuse", reason)
    return Verdict("go_back", reason) if _may_go_back(config, progress) else TAKE


def may_be_refused(config: SpikeConfig | None, progress: Progress) -> bool:
    """Whether the next step need not be taken, whatever it is."""
    return config is not None and (_has_room(config, progress) or _may_go_back(config, progress))


def _out_of_line(config: SpikeConfig, progress: Progress, *, loss: float, norm: float) -> str | None:
    """Source: OLMo-core's SkipStepOptimizer, whose window also holds what it refused, and which knows no bounds."""
    if not (math.isfinite(loss) and math.isfinite(norm)):
        return f"loss {loss}, gradient norm {norm}"
    if len(progress.recent) < max(2, config.window // 2):
        return None
    losses, norms = zip(*progress.recent, strict=True)
    for name, value, before in (("loss", loss, losses), ("gradient norm", norm, norms)):
        limit = _limit(before, config.deviations)
        if value > limit:
            return f"{name} {value:.4g}, above {limit:.4g}"
    return None


def _has_room(config: SpikeConfig, progress: Progress) -> bool:
    """Whether one more step may be refused."""
    return progress.num_skipped < config.most and progress.num_skipped_in_a_row < config.most_in_a_row


def _may_go_back(config: SpikeConfig, progress: Progress) -> bool:
    """Whether there are better weights to go back to, and it has not been done too often."""
    return progress.best_step is not None and progress.num_roll_backs < (config.roll_backs or 0)


def after_refusal(progress: Progress) -> Progress:
    """Progress past a batch that changed nothing."""
    return _past_step(progress).model_copy(
        update={
            "num_skipped": progress.num_skipped + 1,
            "num_skipped_in_a_row": progress.num_skipped_in_a_row + 1,
        }
    )


def after_going_back(progress: Progress, best: Progress) -> Progress:
    """Progress past a batch that changed nothing, with an earlier step's weights. What is to come stays as it is."""
    past = after_refusal(progress)
    return past.model_copy(
        update={
            "num_roll_backs": past.num_roll_backs + 1,
            "num_undone": past.num_global_steps - past.num_skipped - best.num_updates,
            "num_skipped_in_a_row": 0,
            "recent": best.recent,
            "noise": best.noise,
        }
    )


def after_update(config: SpikeConfig | None, progress: Progress, *, loss: float, norm: float) -> Progress:
    """Progress past a step that was taken."""
    recent = () if config is None else (*progress.recent, (loss, norm))[-config.window :]
    return _past_step(progress).model_copy(update={"num_skipped_in_a_row": 0, "recent": recent})


def _past_step(progress: Progress) -> Progress:
    size = progress.batch_factor
    return progress.model_copy(update={"step": progress.step + size, "num_joined": progress.num_joined + size - 1})


def _limit(values: Sequence[float], deviations: float) -> float:
    return statistics.fmean(values) + deviations * statistics.stdev(values)
