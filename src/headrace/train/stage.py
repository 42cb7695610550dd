"""One stage from its inputs to a published model: what the loop needs is put together here."""

import math
import os
import shutil
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.errors import InputError
from headrace.models.config import ModelConfig
from headrace.models.decoder import Decoder, build_decoder
from headrace.models.hugging_face import load_decoder
from headrace.parallel import Group
from headrace.store import Artefact, Workspace, write_file
from headrace.tokens import BatchStream, TokenStore
from headrace.tokens.remote.source import RemoteSource
from headrace.trace import event, span
from headrace.train.averaging import Average, put_weights, weights_in_place
from headrace.train.checkpoint import Checkpoints
from headrace.train.compiled import compile_checked
from headrace.train.config import BEFORE_COOL_DOWN, StageConfig
from headrace.train.data import corruption, describe_sources, order_rows
from headrace.train.loop import Loop
from headrace.train.metrics import MetricLog, read_metrics
from headrace.train.numerics import Numerics, matrix_gflops
from headrace.train.optimizer import build_optimizer
from headrace.train.publish import write_model_folder
from headrace.train.schedule import RateOfStep, StageSchedule
from headrace.train.state import TrainState
from headrace.train.validation import Validation

NUMERICS = "numerics.json"


@dataclass(frozen=True)
class Stage:
    """What determines a stage, and where it works."""

    config: StageConfig
    model: ModelConfig
    seed: int
    tokens: Artefact
    vocabulary: Artefact
    initial: Artefact | None
    """A model to go on from; None begins with fresh weights."""
    workspace: Workspace
    num_threads: int
    """Threads of each process."""
    remote: RemoteSource | None = None
    """Where ids are fetched from, if they are not in `tokens`."""

    @property
    def vocabulary_size(self) -> int:
        return int(self.vocabulary.summary["tokens"])

    def split(self, name: str) -> TokenStore:
        """The documents to learn from, or those held out."""
        return TokenStore(self.tokens, name, remote=self.remote)

    @property
    def tokenizer_path(self) -> Path:
        return self.vocabulary.path / "tokenizer.json"


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
    return _publish(stage, state, loop, average_loss=average_loss) if group.leads else {}


def set_up(stage: Stage, group: Group, *, schedule: RateOfStep | None = None) -> tuple[Loop, TrainState]:
    """The loop of a stage, and the state it goes on from: the newest checkpoint's, or a fresh one.

    schedule: in place of the stage's own. The loop must be closed.
    """
    store = stage.split("train")
    own = StageSchedule(stage.config, stage.config.num_steps(store.plan.num_rows, store.row_tokens))
    kept_step = own.last_level_step or None if stage.config.keep_before_cool_down else None
    checkpoints = Checkpoints(stage.workspace.kept / "checkpoints", stage.config.checkpoint, always_kept=kept_step)
    if group.leads:
        checkpoints.clean()
    numerics = _settle_numerics(stage, store, group)
    numerics.apply()
    state = _restore(stage, checkpoints, group, num_steps=own.num_steps)
    state.model.compute_dtype = numerics.dtype
    metrics_path = stage.workspace.kept / "metrics.jsonl"
    metrics = MetricLog(metrics_path, resumed_step=state.progress.step) if group.leads else None
    parts = LoopParts(numerics, schedule or own, own.num_steps, kept_step, checkpoints, metrics)
    loop = _build_loop(stage, store, group, parts=parts)
    if numerics.compiled:
        with span("compile"):
            loop = replace(loop, numerics=_compile(state.model, loop))
        if group.leads:
            write_file(stage.workspace.kept / NUMERICS, loop.numerics.model_dump_json().encode())
    event("numerics", **loop.numerics.as_json())
    return loop, state


def _compile(model: Decoder, loop: Loop) -> Numerics:
    rows = loop.stream.batch(0).rows(0, loop.micro_batch_rows)
    event("compiling_model")
    return compile_checked(model, rows, numerics=loop.numerics, group=loop.group)


def _settle_numerics(stage: Stage, store: TokenStore, group: Group) -> Numerics:
    """What an earlier session of this stage chose, or a fresh choice; the leader's, in every process."""
    path = stage.workspace.kept / NUMERICS
    if group.leads and not path.exists():
        row_tokens = store.row_tokens
        num_tokens = stage.config.num_steps(store.plan.num_rows, row_tokens) * stage.config.global_batch_tokens
        flops = stage.model.flops_per_token(stage.vocabulary_size, row_tokens) * num_tokens
        chosen = Numerics.choose(stage.config, stage_flops=flops, num_threads=stage.num_threads)
        write_file(path, chosen.model_dump_json().encode())
    group.agree(0)  # nobody reads before the leader has written
    return Numerics.model_validate_json(path.read_bytes())


def _measure_average(loop: Loop, state: TrainState) -> float | None:
    """The held-out loss of the averaged weights, where there are any; to be called in every process."""
    if state.average is None:
        return None
    with weights_in_place(state.model, state.average.weights):
        return loop.validation.measure(state.model, loop.numerics, loop.group)


def _restore(stage: Stage, checkpoints: Checkpoints, group: Group, *, num_steps: int) -> TrainState:
    config, model = stage.config, _initial_model(stage)
    average = Average(config.average, num_steps, config.global_batch_tokens) if config.average else None
    state = TrainState(model, build_optimizer(config.optimizer, model), average=average)
    step = group.agree(checkpoints.newest() if group.leads else 0)
    if step:
        state.restore(*checkpoints.load(step))
        event("resumed", step=step)
    return state


def _initial_model(stage: Stage) -> Decoder:
    if stage.initial is None:
        return build_decoder(stage.model, stage.vocabulary_size, seed=stage.seed)
    model = load_decoder(stage.initial.path)
    if model.vocabulary_size != stage.vocabulary_size:
        raise InputError(
            f"{stage.initial.path}: a model of {model.vocabulary_size:,} tokens, "
            f"the vocabulary has {stage.vocabulary_size:,}."
        )
    return model


@dataclass(frozen=True)
class LoopParts:
    """What a loop is put together from, besides what the stage says."""

    numerics: Numerics
    schedule: RateOfStep
    num_steps: int
    kept_step: int | None
    checkpoints: Checkpoints
    metrics: MetricLog | None


def _build_loop(stage: Stage, store: TokenStore, group: Group, *, parts: LoopParts) -> Loop:
    config, row_tokens = stage.config, store.row_tokens
    end = int(stage.vocabulary.summary["end_of_document"])
    stream = BatchStream(
        store,
        end_token=end,
        seed=stage.seed,
        batch_rows=config.batch_rows(row_tokens),
        rank=group.rank,
        world_size=group.size,
        order=order_rows(config, store, seed=stage.seed, kept=stage.workspace.kept, group=group),
        attention_tokens=stage.model.attention_tokens(stage.vocabulary_size),
    )
    if config.corrupt_inputs is not None:
        noise = corruption(config.corrupt_inputs, seed=stage.seed, end_token=end, vocabulary_size=stage.vocabulary_size)
        stream = stream.transformed(noise)
    micro_batch_rows = config.micro_batch_rows(row_tokens, stream.share_rows)
    return Loop(
        config=config,
        numerics=parts.numerics,
        group=group,
        seed=stage.seed,
        stream=stream,
        validation=_build_validation(stage, end, store=store, group=group),
        checkpoints=parts.checkpoints,
        metrics=parts.metrics,
        schedule=parts.schedule,
        num_steps=parts.num_steps,
        kept_step=parts.kept_step,
        micro_batch_rows=micro_batch_rows,
        flops_per_token=stage.model.flops_per_token(stage.vocabulary_size, row_tokens),
    )


def _build_validation(stage: Stage, end: int, *, store: TokenStore, group: Group) -> Validation:
    config, held_out = stage.config, stage.split("validation")
    # The same in every process, however unequal their shares of a step are: they take turns at these batches.
    share = config.batch_rows(held_out.row_tokens) // group.size
    micro_batch_rows = config.micro_batch_rows(held_out.row_tokens, share)
    watched_rows = min(held_out.plan.num_rows, max(1, config.validation.tokens // held_out.row_tokens))
    batch_rows = min(micro_batch_rows, watched_rows)  # whole micro-batches of one shape, so nothing is compiled anew
    epoch_steps = store.plan.num_rows / config.batch_rows(store.row_tokens)
    return Validation(
        stream=BatchStream(held_out, end_token=end, seed=stage.seed, batch_rows=batch_rows),
        num_batches=watched_rows // batch_rows,
        every_steps=max(1, round(epoch_steps / config.validation.per_epoch)),
    )


def _publish(stage: Stage, state: TrainState, loop: Loop, *, average_loss: float | None) -> dict[str, Any]:
    """Writes the folder with the weights that were asked for; returns what the manifest tells of the stage."""
    progress, wanted = state.progress, stage.config.publish
    if wanted == "average":
        assert state.average is not None, "the config was checked"
        put_weights(state.model, state.average.weights)
    elif wanted == "best" and progress.best_step not in (None, progress.step):
        state.restore_model(loop.checkpoints.load(progress.best_step)[0])
    metrics_path = stage.workspace.kept / "metrics.jsonl"
    write_model_folder(
        state.model, stage.workspace.output, tokenizer_path=stage.tokenizer_path, row_tokens=loop.row_tokens
    )
    for step in loop.checkpoints.always_kept():
        path = loop.checkpoints.path_of(step)
        shutil.copytree(path, stage.workspace.output / BEFORE_COOL_DOWN / path.name, copy_function=os.link)
    if (stage.workspace.output / BEFORE_COOL_DOWN).exists():
        shutil.copyfile(stage.workspace.kept / NUMERICS, stage.workspace.output / BEFORE_COOL_DOWN / NUMERICS)
    shutil.copyfile(metrics_path, stage.workspace.output / "metrics.jsonl")
    steps = [record for record in read_metrics(metrics_path) if record["kind"] == "train"]
    return {
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
        "steps": progress.step,
        "tokens": progress.step * stage.config.global_batch_tokens,
        "stopped_early": progress.step < loop.num_steps,
        "best_step": progress.best_step,
        "best_validation_loss": progress.best_loss,
        "final_loss": steps[-1]["loss"],
        "published": wanted,
        **({"average_validation_loss": average_loss} if average_loss is not None else {}),
        **({"skipped_steps": progress.num_skipped} if progress.num_skipped else {}),
        "numerics": loop.numerics.as_json(),
        **_speed(steps, loop),
        **describe_sources(loop.stream, progress.step),
        "step_seconds": math.fsum(record["seconds"] for record in steps),
        "wait_seconds": math.fsum(record["wait_seconds"] for record in steps),
    }


def _speed(steps: list[dict[str, Any]], loop: Loop) -> dict[str, float]:
    """Tokens over time, compiling included; the same of the median step; and their shares of the machine's peak.

    The peak is measured again, because a machine that was busy when the stage began showed too low a one.
    """
    numerics, seconds = loop.numerics, [record["seconds"] for record in steps]
    peak_flops = 1e9 * loop.group.size * max(numerics.peak_gflops, matrix_gflops(numerics.dtype))
    batch_tokens = loop.config.global_batch_tokens
    overall, median = batch_tokens * len(steps) / math.fsum(seconds), batch_tokens / statistics.median(seconds)
    return {
        "peak_gflops": peak_flops / 1e9,
        "tokens_per_second": overall,
        "share_of_peak": overall * loop.flops_per_token / peak_flops,
        "median_tokens_per_second": median,
        "median_share_of_peak": median * loop.flops_per_token / peak_flops,
    }
