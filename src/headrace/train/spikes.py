"""Steps that are refused because their loss or gradient is far out of line.

Everything that decides is in the progress, which a checkpoint holds: a resumed stage decides alike. Loss and norm are
equal bits in every process, and so are decisions.
"""

import math
import statistics
from collections.abc import Sequence

from headrace.train.progress import Progress
from headrace.train.schedule_config import SpikeConfig


def refusal(config: SpikeConfig | None, progress: Progress, *, loss: float, norm: float) -> str | None:
    """Why a step must not be taken, in words; None if it may be, or has to be because enough were refused.

    Source: OLMo-core's SkipStepOptimizer, whose window also holds what it refused, and which knows no bounds.
    """
    if config is None or not has_room(config, progress):
        return None
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


def has_room(config: SpikeConfig, progress: Progress) -> bool:
    """Whether one more step may be refused."""
    return progress.num_skipped < config.most and progress.num_skipped_in_a_row < config.most_in_a_row


def after_refusal(progress: Progress) -> Progress:
    """Progress past a batch that changed nothing."""
    return _past_step(progress).model_copy(
        update={
            "num_skipped": progress.num_skipped + 1,
            "num_skipped_in_a_row": progress.num_skipped_in_a_row + 1,
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
