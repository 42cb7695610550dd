"""Steps far out of line are left out, and no more of them than was allowed."""

import math
from pathlib import Path

import pytest
from small_models import STEP_TOKENS, small_stage, train_and_listen
from small_road import Road

from headrace.errors import DivergenceError
from headrace.train.progress import Progress
from headrace.train.schedule_config import SpikeConfig
from headrace.train.spikes import after_refusal, after_update, refusal

CONFIG = SpikeConfig(window=8, deviations=3.0, most_in_a_row=2, most=3)
CALM = Progress(step=8, recent=tuple((2.0 + 0.1 * (n % 2), 1.0 + 0.1 * (n % 2)) for n in range(8)))


@pytest.mark.parametrize(
    ("loss", "norm", "reason"),
    [
        (2.1, 1.1, None),
        (2.2, 1.2, None),
        (2.3, 1.0, "loss 2.3, above 2.21"),
        (1.0, 0.1, None),  # far below is no harm
        (2.0, 1.3, "gradient norm 1.3, above 1.21"),
        (math.nan, 1.0, "loss nan, gradient norm 1.0"),
        (2.0, math.inf, "loss 2.0, gradient norm inf"),
    ],
)
def test_a_step_is_refused_above_so_many_deviations(loss: float, norm: float, reason: str | None) -> None:
    """Mean 2.05 (1.05), sample deviation 0.0535."""
    assert refusal(CONFIG, CALM, loss=loss, norm=norm) == reason
    assert refusal(None, CALM, loss=loss, norm=norm) is None


def test_nothing_is_judged_before_half_the_window_is_there() -> None:
    young = CALM.model_copy(update={"recent": CALM.recent[:3]})

    assert refusal(CONFIG, young, loss=100.0, norm=1.0) is None
    assert refusal(CONFIG, young, loss=math.nan, norm=1.0) is not None


def test_no_more_are_refused_than_allowed_and_those_taken_become_the_new_line() -> None:
    """A loss that jumps and stays is a new level: after two refusals a step is taken, three are refused in all."""
    progress, refused = CALM, []
    for _ in range(8):
        if refusal(CONFIG, progress, loss=5.0, norm=1.0):
            progress = after_refusal(progress)
            refused.append(progress.step)
        else:
            progress = after_update(CONFIG, progress, loss=5.0, norm=1.0)

    assert refused == [9, 10]  # the third, taken, widens the window: 5.0 is no longer 3 deviations above
    assert progress.num_updates == progress.step - 2 == 14
    assert len(progress.recent) == CONFIG.window
    used_up = CALM.model_copy(update={"num_skipped": 3})
    assert refusal(CONFIG, used_up, loss=math.nan, norm=1.0) is None


def test_a_stage_leaves_out_what_spikes_and_says_so(road: Road, tmp_path: Path) -> None:
    """Every step whose loss is above the mean of the two before is a spike here; the optimiser has not seen those."""
    spikes = SpikeConfig(window=2, deviations=0.0, most=3, most_in_a_row=1)
    stage = small_stage(road, tmp_path, tokens=12 * STEP_TOKENS, skip_spikes=spikes)

    summary, told = train_and_listen(stage)

    skipped = [record["step"] for record in told if record["name"] == "skip_metrics"]
    taken = [record["step"] for record in told if record["name"] == "train_metrics"]
    assert 1 <= summary["skipped_steps"] == len(skipped) <= 3
    assert sorted([*skipped, *taken]) == list(range(1, 13))
    assert summary["steps"] == 12


def test_what_is_not_finite_is_left_out_within_the_bounds_and_then_ends_the_stage(road: Road, tmp_path: Path) -> None:
    stage = small_stage(road, tmp_path, learning_rate=1e37, warm_up=0.0, skip_spikes=SpikeConfig(most_in_a_row=2))

    with pytest.raises(DivergenceError, match=r"step (\d+): the loss is"):
        train_and_listen(stage)
