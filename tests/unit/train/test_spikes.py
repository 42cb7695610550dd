"""Steps far out of line are left out, and no more of them than was allowed."""

import math
from pathlib import Path

import pytest
from small_models import STEP_TOKENS, small_stage, train_and_listen, train_until
from small_road import Road

from headrace.errors import DivergenceError
from headrace.parallel import Group
from headrace.train.config import ValidationConfig
from headrace.train.progress import Progress
from headrace.train.schedule_config import SpikeConfig
from headrace.train.spikes import TAKE, Verdict, after_going_back, after_refusal, after_update, judge
from headrace.train.stage import train_stage

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
    assert judge(CONFIG, CALM, loss=loss, norm=norm) == (Verdict("refuse", reason) if reason else TAKE)
    assert judge(None, CALM, loss=loss, norm=norm) is TAKE


def test_nothing_is_judged_before_half_the_window_is_there() -> None:
    young = CALM.model_copy(update={"recent": CALM.recent[:3]})

    assert judge(CONFIG, young, loss=100.0, norm=1.0) is TAKE
    assert judge(CONFIG, young, loss=math.nan, norm=1.0).action == "refuse"


def test_no_more_are_refused_than_allowed_and_those_taken_become_the_new_line() -> None:
    """A loss that jumps and stays is a new level: after two refusals a step is taken, three are refused in all."""
    progress, refused = CALM, []
    for _ in range(8):
        if judge(CONFIG, progress, loss=5.0, norm=1.0) is not TAKE:
            progress = after_refusal(progress)
            refused.append(progress.step)
        else:
            progress = after_update(CONFIG, progress, loss=5.0, norm=1.0)

    assert refused == [9, 10]  # the third, taken, widens the window: 5.0 is no longer 3 deviations above
    assert progress.num_updates == progress.step - 2 == 14
    assert len(progress.recent) == CONFIG.window
    used_up = CALM.model_copy(update={"num_skipped": 3})
    assert judge(CONFIG, used_up, loss=math.nan, norm=1.0) is TAKE


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


def test_where_no_more_is_refused_the_stage_goes_back_to_its_best_weights() -> None:
    config = CONFIG.model_copy(update={"roll_backs": 1})
    best = Progress(step=10, num_skipped=2)
    now = best.model_copy(update={"step": 20, "num_skipped": 3, "best_step": 10, "best_loss": 1.0})

    assert judge(config, now, loss=math.nan, norm=1.0).action == "go_back"
    gone = after_going_back(now, best)
    assert (gone.step, gone.best_step, gone.num_roll_backs, gone.num_updates) == (21, 10, 1, best.num_updates)
    assert judge(config, gone, loss=math.nan, norm=1.0) is TAKE


def test_a_stage_that_goes_back_goes_on_and_a_stopped_one_does_alike(road: Road, tmp_path: Path) -> None:
    """Every step above the mean of the two before counts as a spike: one is refused, and then its best is taken up."""
    spikes = SpikeConfig(window=2, deviations=0.0, most_in_a_row=1, most=2, roll_backs=1)
    given = {"tokens": 16 * STEP_TOKENS, "skip_spikes": spikes, "validation": ValidationConfig(per_epoch=1_000)}
    summary, told = train_and_listen(small_stage(road, tmp_path / "whole", **given))
    back = next(record for record in told if record["name"] == "roll_back_metrics")
    train_until(small_stage(road, tmp_path / "stopped", **given), step=back["step"] + 1)
    train_stage(small_stage(road, tmp_path / "stopped", **given), Group())
    weights = [(tmp_path / name / "output" / "model.safetensors").read_bytes() for name in ("whole", "stopped")]
    spiked = [record for record in told if record["name"] == "skip_metrics"]

    assert summary["roll_backs"] == 1
    assert back["to_step"] < back["step"]
    assert weights[0] == weights[1]
    assert all(record["documents"] for record in spiked)
