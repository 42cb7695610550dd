"""The learning rate over a stage: up, level, down, without a jump."""

import math
import random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headrace.train.config import StageConfig
from headrace.train.progress import Progress
from headrace.train.schedule import StageSchedule
from headrace.train.schedule_config import PlateauConfig, ScheduleConfig


def learning_rate(config: StageConfig, share: float, *, num_steps: int = 1_000) -> float:
    return StageSchedule(config, num_steps).rate_at(share)


SHARES = st.floats(0, 1)
CONFIGS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(
    lambda pair: StageConfig(learning_rate=3e-3, warm_up=pair[0] * 0.9, cool_down=(1 - pair[0]) * pair[1])
)


def config_of(warm_up: float = 0.2, cool_down: float = 0.3) -> StageConfig:
    return StageConfig(learning_rate=0.01, warm_up=warm_up, cool_down=cool_down)


@given(config=CONFIGS, share=SHARES)
def test_the_rate_is_never_negative_and_never_above_its_peak(config: StageConfig, share: float) -> None:
    assert 0 <= learning_rate(config, share) <= config.learning_rate


@given(config=CONFIGS, share=SHARES, step=st.floats(1e-9, 1e-3))
def test_the_rate_has_no_jump(config: StageConfig, share: float, step: float) -> None:
    """A linear rise moves by step / warm_up at most, a fall of 1 - sqrt by sqrt(step / cool_down)."""
    before, after = learning_rate(config, share), learning_rate(config, min(1.0, share + step))
    rise = step / config.warm_up if config.warm_up else 0.0
    fall = (step / config.cool_down) ** 0.5 if config.cool_down else 0.0

    assert -fall * 1.001 - 1e-6 <= (after - before) / config.learning_rate <= rise * 1.001 + 1e-6


@given(low=SHARES, high=SHARES)
def test_the_rate_rises_before_it_is_level_and_falls_after(low: float, high: float) -> None:
    low, high = sorted((low, high))
    config = config_of()

    if high <= 0.2:
        assert learning_rate(config, low) <= learning_rate(config, high)
    elif low >= 0.7:
        assert learning_rate(config, low) >= learning_rate(config, high)
    elif low >= 0.2 and high <= 0.7:
        assert learning_rate(config, low) == learning_rate(config, high) == 0.01


def test_the_shape_is_the_one_of_the_paper() -> None:
    config = config_of()

    assert [learning_rate(config, share) for share in (0.0, 0.1, 0.2, 0.5)] == pytest.approx([0, 0.005, 0.01, 0.01])
    assert learning_rate(config, 0.7 + 0.3 / 4) == pytest.approx(0.01 * (1 - 0.25**0.5))
    assert learning_rate(config, 1.0) == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_without_warm_up_and_cool_down_the_rate_is_constant(share: float) -> None:
    assert learning_rate(config_of(warm_up=0, cool_down=0), share) == 0.01


def schedule_of(shape: str, *, warm_up: float = 0.1, num_steps: int = 1_000, **given: Any) -> StageSchedule:
    schedule = ScheduleConfig(shape=shape, **given)
    return StageSchedule(StageConfig(learning_rate=0.01, warm_up=warm_up, schedule=schedule), num_steps)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ("wsd", [1, 1, 1, 1 - (2 / 3) ** 0.5, 0]),
        ("cosine", [1, 0.5, (1 + math.cos(math.pi * 2 / 3)) / 2, (1 + math.cos(math.pi * 8 / 9)) / 2, 0]),
        ("linear", [1, 0.5, 1 / 3, 1 / 9, 0]),
        ("inverse_sqrt", [1, (0.1 / 0.55) ** 0.5, (1 / 7) ** 0.5, (1 / 9) ** 0.5 * (1 - (2 / 3) ** 0.5), 0]),
        ("constant", [1, 1, 1, 1, 1]),
        ("plateau", [1, 1, 1, 1 - (2 / 3) ** 0.5, 0]),
    ],
)
@pytest.mark.parametrize("final", [0.0, 0.1])
def test_each_shape_goes_through_its_points(shape: str, wanted: list[float], final: float) -> None:
    if shape == "constant":
        final = 0.0
    schedule = schedule_of(shape, final=final)

    rates = [schedule.rate_at(share) / 0.01 for share in (0.1, 0.55, 0.7, 0.9, 1.0)]

    assert schedule.rate_at(0.05) == pytest.approx(0.005)
    level = [(0.1 / share) ** 0.5 if shape == "inverse_sqrt" else 1.0 for share in (0.1, 0.55, 0.7, 0.9, 1.0)]
    falls = {"cosine": 5, "linear": 5}.get(shape, 2)  # how many of the last points lie where it falls to `final`
    ends = [
        point if number < 5 - falls else final * high + (1 - final) * point
        for number, (point, high) in enumerate(zip(wanted, level, strict=True))
    ]
    assert rates == pytest.approx(ends)


def test_a_warm_up_in_tokens_has_the_same_bits_in_a_longer_stage() -> None:
    short, long = (
        schedule_of("wsd", warm_up=163_840.0, num_steps=num_steps) for num_steps in (100, 317)
    )  # ten steps of 16,384

    for step in range(60):
        assert short.rate(Progress(step=step)) == long.rate(Progress(step=step))
    assert short.rate(Progress(step=4)) == pytest.approx(0.0045)
    assert short.rate(Progress(step=10)) == long.rate(Progress(step=10)) == 0.01
    assert short.last_level_step == short.steps_alike(long) == long.steps_alike(short) == 70
    assert short.steps_alike(short) == math.inf
    assert short.steps_alike(schedule_of("wsd", num_steps=317)) == 0
    assert schedule_of("cosine").last_level_step == 1_000


def test_a_plateau_lowers_the_rate_when_torch_does() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, threshold=0.01, min_lr=0.02)
    ours = schedule_of("plateau", plateau=PlateauConfig(factor=0.5, patience=2, least_fall=0.01, least_factor=0.02))
    generator = random.Random(3)
    progress, factors = Progress(), set()
    for number in range(120):
        loss = 3.0 * 0.99 ** min(number, 40) + generator.uniform(-0.05, 0.05)
        theirs.step(loss)
        progress = ours.after_measurement(Progress.model_validate_json(progress.model_dump_json()), loss)
        assert progress.rate_factor == optimizer.param_groups[0]["lr"]
        factors.add(progress.rate_factor)

    assert len(factors) > 4
    assert ours.rate(progress.model_copy(update={"step": 500})) == 0.01 * 0.02
    assert schedule_of("wsd").after_measurement(Progress(), 1.0) == Progress()


@pytest.mark.parametrize("step", [3, 200, 600, 950])
def test_weight_decay_follows_its_own_schedule(step: int) -> None:
    progress = Progress(step=step)

    constant, independent, linear = (
        schedule_of("wsd", weight_decay=kind) for kind in ("constant", "independent", "linear")
    )

    assert constant.decay_factor(progress) == 1.0
    assert independent.decay_factor(progress) * independent.rate(progress) == pytest.approx(0.01)
    assert linear.decay_factor(progress) == pytest.approx(1 - (step + 0.5) / 1_000)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"schedule": "cosine", "cool_down": 0.2}, "the schedule cosine has none"),
        ({"schedule": "inverse_sqrt", "warm_up": 0.0}, "warm_up must be above 0"),
        ({"schedule": {"shape": "constant", "final": 0.1}}, "a constant rate has no `final`"),
        ({"schedule": {"shape": "linear", "cool_down_shape": "cosine"}}, "no `cool_down_shape` either"),
        ({"schedule": {"plateau": {"patience": 5}}}, "`plateau` belongs to the shape plateau"),
        ({"schedule": "cosinus"}, "schedule"),
        ({"publish": "average"}, "needs an `average`"),
        ({"schedule": "linear", "keep_before_cool_down": True}, "has no cool-down"),
        ({"average": {"kind": "ema"}}, "half_life_tokens"),
        ({"warm_up": 0.6, "cool_down": 0.5}, "at most 1 together"),
        ({"epochs": 1.0, "tokens": 5}, "write one of them"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"clip": 1.0}, "clip"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        StageConfig(**given)


@given(rows=st.integers(1, 64), share=st.integers(1, 64), row_tokens=st.sampled_from([32, 256]))
def test_micro_batches_are_whole_shares_within_the_limit(rows: int, share: int, row_tokens: int) -> None:
    config = StageConfig(micro_batch_tokens=rows * row_tokens + 5)

    micro = config.micro_batch_rows(row_tokens, share)

    assert share % micro == 0
    assert micro <= max(1, rows)
    assert not any(share % more == 0 for more in range(micro + 1, min(rows, share) + 1))


def test_a_batch_that_is_no_multiple_of_the_row_is_refused_with_one_that_is() -> None:
    with pytest.raises(ValueError, match="1,000 is no multiple of row_tokens 256; try 1,024"):
        StageConfig(global_batch_tokens=1_000).batch_rows(256)
