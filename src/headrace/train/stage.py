"""One stage from its inputs to a published model: what the loop needs is put together here."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from headrace.parallel import Group
from headrace.store import write_file
from headrace.trace import event, span
from headrace.train.averaging import Average, weights_in_place
from headrace.train.batch_size import BatchSize
from headrace.train.calibration import remember_compiling
from headrace.train.checkpoint import Checkpoints
from headrace.train.compiled import compile_checked
from headrace.train.feed import Feed
from headrace.train.feeds import build_feed
from headrace.train.first_model import Begun, first_model, set_dtype, with_reference
from headrace.train.given import NUMERICS, Stage
from headrace.train.loop import Loop
from headrace.train.memory.by_block import ByBlock
from headrace.train.memory.ceiling import Ceiling
from headrace.train.memory.settle import Home, apply_plan, find_home, kept_plan, settle_plan, with_rows
from headrace.train.memory.tensor_file import Writing
from headrace.train.metrics import MetricLog
from headrace.train.numerics import Numerics, choose_numerics
from headrace.train.optimizer import Placing, build_optimizer
from headrace.train.outcome import publish
from headrace.train.schedule import RateOfStep, StageSchedule
from headrace.train.state import TrainState
from headrace.train.validation import Validation


def train_stage(stage: Stage, group: Group) -> dict[str, Any]:
    """Trains, from the newest checkpoint if there is one, and writes the model folder; returns the summary.

    To be called in every process of the group; only the leading one writes.
    """
    loop, state = set_up(stage, group)
    try:
        with span("train", resumed_step=state.progress.step):
            loop.run(state)
            average_loss = _measure_average(loop, state)
    finally:
        loop.close()
    if not group.leads:
        return {}
    state.optimizer.forget()  # publishing copies the weights, and may have this room for it
    plan = kept_plan(stage)
    assert plan is not None, "a stage that has run has one"
    facts = {"forecast_memory_bytes": plan.forecast_bytes * group.size, "memory_plan": plan.as_json()}
    return {**publish(stage, state, loop, average_loss=average_loss), **facts}


def set_up(stage: Stage, group: Group, *, schedule: RateOfStep | None = None) -> tuple[Loop, TrainState]:
    """The loop of a stage, and the state it goes on from: the newest checkpoint's, or a fresh one.

    schedule: in place of the stage's own. The loop must be closed.
    """
    home, feed = find_home(stage, group), build_feed(stage, group)
    own = StageSchedule(stage.config, feed.num_steps)
    kept_step = own.last_level_step or None if stage.config.keep_before_cool_down else None
    numerics = _settle_numerics(stage, feed, group)
    numerics.apply()
    feed = _suited(feed, numerics)
    begun = _begin(stage, feed, home, dtype=numerics.dtype)
    model, adapters = begun
    feed = with_reference(feed, stage, adapters, dtype=numerics.dtype)
    plan = settle_plan(stage, model, feed, how=numerics, group=group, home=home)
    if (fitted := with_rows(stage, feed, plan)) is not stage:
        stage = fitted
        feed = with_reference(_suited(build_feed(stage, group), numerics), stage, adapters, dtype=numerics.dtype)
    apply_plan(plan, model)
    checkpoints = Checkpoints(
        stage.workspace.kept / "checkpoints",
        stage.config.checkpoint,
        always_kept=kept_step,
        writing=Writing(plan.copied_checkpoints, home.shelf),
    )
    if group.leads:
        checkpoints.clean()
    by_block = stage.config.updates == "by_block"
    placing = home.placing(model, state=plan.state, by_block=by_block)
    state = _restore(stage, feed, checkpoints, group, begun=begun, placing=placing)
    home.furnish(state.model)
    metrics_path = stage.workspace.kept / "metrics.jsonl"
    metrics = MetricLog(metrics_path, resumed_step=state.progress.step) if group.leads else None
    parts = LoopParts(numerics, schedule or own, BatchSize(own), kept_step, checkpoints, metrics)
    loop = replace(_build_loop(stage, group, feed=feed, parts=parts), ceiling=Ceiling(plan.forecast_bytes))
    if by_block:
        clip = stage.config.clip_gradient
        loop = replace(loop, by_block=ByBlock(model, state.optimizer, largest_norm=clip, shelf=home.shelf))
    if numerics.compiled:
        with span("compile") as compiling:
            loop = replace(loop, numerics=_compile(state.model, loop))
        if group.leads:
            remember_compiling(compiling.seconds, num_threads=stage.num_threads)
            write_file(stage.workspace.kept / NUMERICS, loop.numerics.model_dump_json().encode())
    event("numerics", **loop.numerics.as_json())
    return loop, state


def _suited(feed: Feed, numerics: Numerics) -> Feed:
    """The feed, in batches of one shape where kernels are compiled."""
    return feed.for_compiled() if numerics.compiled and feed.for_compiled is not None else feed


def _begin(stage: Stage, feed: Feed, home: Home, *, dtype: torch.dtype) -> Begun:
    with home.building():
        begun = first_model(stage, feed)
    home.furnish(begun.model)
    set_dtype(begun.model, dtype)
    return begun


def _compile(model: nn.Module, loop: Loop) -> Numerics:
    feed = loop.feed
    part = next(feed.objective.parts(feed.stream.batch(0), feed.micro_batch_rows))
    event("compiling_model")
    return compile_checked(model, part, objective=feed.objective, numerics=loop.numerics, group=loop.group)


def _settle_numerics(stage: Stage, feed: Feed, group: Group) -> Numerics:
    """What an earlier session of this stage chose, or a fresh choice; the leader's, in every process."""
    path = stage.workspace.kept / NUMERICS
    if group.leads and not path.exists():
        num_tokens = feed.num_steps * feed.step_tokens
        flops = stage.model.flops_per_token(stage.vocabulary_size, feed.row_tokens) * num_tokens
        chosen = choose_numerics(
            stage.config,
            stage.model,
            vocabulary_size=stage.vocabulary_size,
            stage_flops=flops / group.size,
            num_threads=stage.num_threads,
        )
        write_file(path, chosen.model_dump_json().encode())
    group.agree(0)  # nobody reads before the leader has written
    return Numerics.model_validate_json(path.read_bytes())


def _measure_average(loop: Loop, state: TrainState) -> float | None:
    """The held-out loss of the averaged weights, where there are any; to be called in every process."""
    if state.average is None:
        return None
    with weights_in_place(state.model, state.average.weights):
        return loop.validation.measure(state.model, loop.numerics, loop.group)[0]


def _restore(
    stage: Stage, feed: Feed, checkpoints: Checkpoints, group: Group, *, begun: Begun, placing: Placing
) -> TrainState:
    config, (model, adapters) = stage.config, begun
    average = Average(config.average, feed.num_steps, config.batch_units) if config.average else None
    optimizer = build_optimizer(config.optimizer, model, placing=placing)
    state = TrainState(model, optimizer, average=average, adapters=adapters)
    step = group.agree(checkpoints.newest() if group.leads else 0)
    if step:
        state.restore(*checkpoints.load(step))
        event("resumed", step=step)
    return state


@dataclass(frozen=True)
class LoopParts:
    """What a loop is put together from, besides what the stage says."""

    numerics: Numerics
    schedule: RateOfStep
    batch_size: BatchSize
    kept_step: int | None
    checkpoints: Checkpoints
    metrics: MetricLog | None


def _build_loop(stage: Stage, group: Group, *, feed: Feed, parts: LoopParts) -> Loop:
    config = stage.config
    return Loop(
        config=config,
        numerics=parts.numerics,
        group=group,
        seed=stage.seed,
        feed=feed,
        validation=Validation(feed, every_steps=max(1, round(feed.steps_per_epoch / config.validation.per_epoch))),
        checkpoints=parts.checkpoints,
        metrics=parts.metrics,
        schedule=parts.schedule,
        batch_size=parts.batch_size,
        num_steps=feed.num_steps,
        kept_step=parts.kept_step,
        flops_per_token=stage.model.flops_per_token(stage.vocabulary_size, feed.row_tokens),
    )
