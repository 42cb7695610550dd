"""How large steps are, and their rate: places to double at, halved schedules, noise."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import ValidationError
from small_models import STEP_TOKENS, small_stage, train_and_listen
from small_road import ROW_TOKENS, Road

from headrace.errors import InputError
from headrace.train.batch_size import BatchSize
from headrace.train.config import StageConfig, ValidationConfig
from headrace.train.metrics import read_metrics
from headrace.train.noise_scale import NoiseScale
from headrace.train.progress import Progress
from headrace.train.schedule import StageSchedule
from headrace.train.spikes import after_update
from headrace.train.validation import Validation

if TYPE_CHECKING:
    from headrace.train.feed import Feed

PEAK = 0.01


def rule_of(batch: Any, *, num_steps: int = 100, **given: Any) -> BatchSize:
    settings = {"learning_rate": PEAK, "global_batch_tokens": 1000, "warm_up": 0.0, "schedule": "cosine", **given}
    return BatchSize(StageSchedule(StageConfig.model_validate({"batch": batch, **settings}), num_steps))


def walk(rule: BatchSize) -> list[tuple[int, int, float]]:
    """Base batches done before each step of a stage, base batches in it, and its rate."""
    progress, steps = Progress(), []
    while progress.step < rule.schedule.num_steps:
        progress, _ = rule.before_step(progress)
        rate = rule.schedule.rate(progress) * rule.rate_scale(progress)
        steps.append((progress.step, progress.batch_factor, rate))
        progress = after_update(None, progress, loss=1.0, norm=1.0)
    assert progress.num_updates == progress.num_global_steps == len(steps)
    assert sum(size for _, size, _ in steps) == progress.step == rule.schedule.num_steps
    return steps


def test_a_fixed_batch_is_one_base_batch_at_the_rate_of_the_schedule() -> None:
    rule = rule_of("fixed")

    for step, size, rate in walk(rule):
        assert (size, rate) == (1, rule.schedule.rate(Progress(step=step)))
    assert rule.describe(Progress()) == {}


def test_a_warmed_batch_doubles_at_its_places_and_its_rate_by_the_root_of_two() -> None:
    """Places are shares, or above 1 tokens: 41,000 tokens are 41 base batches."""
    steps = walk(rule_of({"warm_up": {"double_at": [0.1, 41_000]}}, schedule="constant"))

    assert [size for _, size, _ in steps] == [1] * 10 + [2] * 16 + [4] * 14 + [2]  # the last takes what is left
    for _, size, rate in steps:
        assert rate == pytest.approx(PEAK * size**0.5)


def test_seesaw_doubles_the_batch_where_the_schedule_has_halved_the_rate() -> None:
    rule = rule_of({"seesaw": {"most": 4}}, num_steps=1000, warm_up=0.1)
    steps = walk(rule)

    sizes = [size for _, size, _ in steps]
    assert sizes[:-1] == sorted(sizes[:-1])
    assert set(sizes[:-1]) == {1, 2, 4}
    for step, size, rate in steps[:-1]:
        left = rule.schedule.rate(Progress(step=step)) / PEAK
        assert size == (1 if step < 100 or left > 0.5 else 2 if left > 0.25 else 4)
        assert rate == pytest.approx(size**0.5 * rule.schedule.rate(Progress(step=step, batch_factor=size)))
    doubled = next(rate for _, size, rate in steps if size == 2)
    assert doubled == pytest.approx(PEAK / 2**0.5, rel=0.01)


def test_under_sgd_seesaw_keeps_rate_times_noise_by_the_batch_alone() -> None:
    """Half the rate is twice the batch at the same rate (Smith et al. 2018, arXiv 1711.00489)."""
    rule = rule_of({"seesaw": {}}, num_steps=1000, optimizer={"name": "sgd"})

    doubled = next(rate for _, size, rate in walk(rule) if size == 2)
    assert doubled == pytest.approx(PEAK, rel=0.01)


def adapt(rule: BatchSize, factor: int, base_batches: float, *, num_measured: int, step: int = 10) -> int:
    noise = NoiseScale(noise_sum=base_batches, signal_sum=1.0, num_measured=num_measured)
    after, reason = rule.before_step(Progress(step=step, batch_factor=factor, noise=noise))
    assert (reason is None) == (after.batch_factor == factor)
    assert after.noise is not None
    assert after.noise.num_measured == (num_measured if reason is None else 0)
    return after.batch_factor


def test_an_adaptive_batch_follows_the_noise_in_doublings_within_bounds() -> None:
    rule = rule_of({"adaptive": {"least": 2, "most": 8, "wait": 5, "target": 1.0}})

    assert [adapt(rule, 2, noise, num_measured=5) for noise in (0.1, 3.9, 4.0, 400.0)] == [2, 2, 4, 4]
    assert [adapt(rule, 4, noise, num_measured=5) for noise in (0.0, 2.0, 2.1, 7.9, 8.0)] == [2, 2, 4, 4, 8]
    assert [adapt(rule, 8, noise, num_measured=5) for noise in (4.0, 4.1, 1e9)] == [4, 8, 8]
    assert [adapt(rule, 4, noise, num_measured=4) for noise in (0.0, 1e9)] == [4, 4]
    assert rule.before_step(Progress())[0].batch_factor == 2
    rising = rule_of(
        {"adaptive": {"least": 2, "most": 8, "wait": 5, "target": 1.0}}, warm_up=0.2
    )  # of 100 base batches
    assert [adapt(rising, 2, 400.0, num_measured=5, step=step) for step in (10, 19, 20)] == [2, 2, 4]
    halved = rule_of({"adaptive": {"most": 8, "wait": 1, "target": 0.5}})
    assert [adapt(halved, 2, noise, num_measured=1) for noise in (7.9, 8.0)] == [2, 4]


def test_a_noise_scale_that_wavers_by_less_than_four_times_leaves_the_batch_where_it_came_to() -> None:
    rule, progress, sizes = (
        rule_of({"adaptive": {"most": 16, "wait": 1, "target": 1.0}}, num_steps=10**6),
        Progress(step=1),
        [],
    )
    for step in range(50):
        wavering = 7.9 if step % 2 else 2.1
        progress = progress.model_copy(update={"noise": NoiseScale(noise_sum=wavering, signal_sum=1.0, num_measured=1)})
        progress, _ = rule.before_step(progress)
        sizes.append(progress.batch_factor)

    assert sizes == [2] + [4] * 49


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch": "seesaw", "schedule": "constant"}, "`constant` never does"),
        ({"batch": {"seesaw": {}, "adaptive": {}}}, "by one rule"),
        ({"batch": {"rate_exponent": 1.0}}, "rate_exponent belongs"),
        ({"batch": {"warm_up": {"double_at": [0.3, 0.2]}}}, "rising"),
        ({"batch": {"adaptive": {"least": 4, "most": 4}}}, "write 8"),
        ({"batch": "adaptive", "objective": "classify"}, "sorted by length"),
        ({"batch": "adaptive", "keep_before_cool_down": True}, "take batch: fixed"),
        ({"batch": "adaptive", "adapter": {"adalora": {}}}, "counts optimiser steps"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StageConfig.model_validate(given)


def test_a_stage_that_leaves_its_batch_alone_keeps_its_address() -> None:
    assert "batch" not in StageConfig().as_json()
    assert StageConfig.model_validate({"batch": "fixed"}) == StageConfig()
    written = StageConfig.model_validate({"batch": "adaptive"}).as_json()
    assert StageConfig.model_validate(written, strict=False).batch.adaptive is not None


def test_a_rule_that_changes_nothing_gives_the_bits_of_a_fixed_batch(road: Road, tmp_path: Path) -> None:
    never = {"warm_up": {"double_at": [1e15]}}
    weights = []
    for name, batch in (("fixed", "fixed"), ("never", never)):
        given = StageConfig.model_validate({"batch": batch}).batch
        stage = small_stage(road, tmp_path / name, batch=given, tokens=4 * STEP_TOKENS)
        train_and_listen(stage)
        weights.append((stage.workspace.output / "model.safetensors").read_bytes())

    assert weights[0] == weights[1]


def test_tokens_updates_measurements_and_records_are_counted_right(road: Road, tmp_path: Path) -> None:
    """Sizes 1, 1, 1, 1, 2, 2, 2, 2, 1 over 13 base batches, measured after each."""
    batch = StageConfig.model_validate({"batch": {"warm_up": {"double_at": [0.3]}}}).batch
    validation = ValidationConfig(per_epoch=1_000)
    stage = small_stage(road, tmp_path, batch=batch, tokens=13 * STEP_TOKENS, validation=validation)

    summary, told = train_and_listen(stage)

    records = list(read_metrics(stage.workspace.output / "metrics.jsonl"))
    train = [record for record in records if record["kind"] == "train"]
    assert [record["step"] for record in train] == [1, 2, 3, 4, 6, 8, 10, 12, 13]
    assert [record["step_tokens"] // STEP_TOKENS for record in train] == [1, 1, 1, 1, 2, 2, 2, 2, 1]
    assert [record["tokens"] for record in train] == [record["step"] * STEP_TOKENS for record in train]
    assert (summary["steps"], summary["base_batches"], summary["tokens"]) == (9, 13, 13 * STEP_TOKENS)
    changes = [
        (record["step"], record["factor_before"], record["factor"]) for record in records if record["kind"] == "batch"
    ]
    assert changes == [(5, 1, 2), (13, 2, 1)]
    assert [record["reason"] for record in told if record["name"] == "batch_metrics"] == [
        "1 of 1 places to double at are passed",
        "no more is left of the stage",
    ]
    assert [record["step"] for record in records if record["kind"] == "validation"] == [r["step"] for r in train]


@pytest.mark.parametrize("every_steps", [1, 3, 7])
def test_it_is_measured_after_each_step_that_comes_to_or_past_a_multiple(every_steps: int) -> None:
    validation, step = Validation(cast("Feed", None), every_steps=every_steps), 0  # when is no matter of what
    for size in (1, 1, 2, 4, 4, 8, 3, 1, 1, 5):
        passed = any((step + each) % every_steps == 0 for each in range(1, size + 1))
        step += size
        assert validation.due(step, 10**6, size=size) == passed
    assert validation.due(step, step)


def test_a_step_of_a_single_micro_batch_is_cut_in_two_so_that_it_can_be_measured(road: Road, tmp_path: Path) -> None:
    adaptive = StageConfig.model_validate({"batch": "adaptive"}).batch
    given: dict[str, Any] = {"batch": adaptive, "micro_batch_tokens": STEP_TOKENS, "tokens": 2 * STEP_TOKENS}
    stage = small_stage(road, tmp_path, **given)

    _, told = train_and_listen(stage)

    records = [record for record in told if record["name"] == "train_metrics"]
    assert all({"noise_scale", "noise", "signal", "step_tokens"} <= record.keys() for record in records)
    with pytest.raises(InputError, match="at least two rows"):
        train_and_listen(small_stage(road, tmp_path / "row", **given, global_batch_tokens=ROW_TOKENS))
