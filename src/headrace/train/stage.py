"""One stage from its inputs to a published model: what the loop needs is put together here."""

import math
import shutil
import statistics
from dataclasses import dataclass
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
from headrace.train.checkpoint import Checkpoints
from headrace.train.config import StageConfig
from headrace.train.data import corruption, describe_sources, order_rows
from headrace.train.loop import Loop
from headrace.train.metrics import MetricLog, read_metrics
from headrace.train.numerics import Numerics, matrix_gflops
from headrace.train.optimizer import build_optimizer
from headrace.train.publish import write_model_folder
from headrace.train.state import TrainState
from headrace.train.validation import Validation


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
    store = stage.split("train")
    checkpoints = Checkpoints(stage.workspace.kept / "checkpoints", stage.config.checkpoint)
    if group.leads:
        checkpoints.clean()
    numerics = _settle_numerics(stage, store, group)
    numerics.apply()
    state = _restore(stage, checkpoints, group)
    resumed_step = state.progress.step
    state.model.compute_dtype = numerics.dtype
    if numerics.compiled:
        for block in state.model.blocks:
            block.compile(dynamic=False)
    metrics = MetricLog(stage.workspace.kept / "metrics.jsonl", resumed_step=resumed_step) if group.leads else None
    loop = _build_loop(stage, store, numerics, group, checkpoints=checkpoints, metrics=metrics)
    try:
        with span("train", resumed_step=resumed_step):
            loop.run(state)
    finally:
        if metrics:
            metrics.close()
        checkpoints.close()
    return _publish(stage, state, loop) if group.leads else {}


def _settle_numerics(stage: Stage, store: TokenStore, group: Group) -> Numerics:
    """What an earlier session of this stage chose, or a fresh choice; the leader's, in every process."""
    path = stage.workspace.kept / "numerics.json"
    if group.leads and not path.exists():
        row_tokens = store.row_tokens
        num_tokens = stage.config.num_steps(store.plan.num_rows, row_tokens) * stage.config.global_batch_tokens
        flops = stage.model.flops_per_token(stage.vocabulary_size, row_tokens) * num_tokens
        chosen = Numerics.choose(stage.config, stage_flops=flops, num_threads=stage.num_threads)
        write_file(path, chosen.model_dump_json().encode())
    group.agree(0)  # nobody reads before the leader has written
    numerics = Numerics.model_validate_json(path.read_bytes())
    event("numerics", **numerics.as_json())
    return numerics


def _restore(stage: Stage, checkpoints: Checkpoints, group: Group) -> TrainState:
    model = _initial_model(stage)
    state = TrainState(model, build_optimizer(stage.config.optimizer, model))
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


def _build_loop(
    stage: Stage,
    store: TokenStore,
    numerics: Numerics,
    group: Group,
    *,
    checkpoints: Checkpoints,
    metrics: MetricLog | None,
) -> Loop:
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
        numerics=numerics,
        group=group,
        seed=stage.seed,
        stream=stream,
        validation=_build_validation(stage, end, store=store, group=group),
        checkpoints=checkpoints,
        metrics=metrics,
        num_steps=config.num_steps(store.plan.num_rows, row_tokens),
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


def _publish(stage: Stage, state: TrainState, loop: Loop) -> dict[str, Any]:
    """Writes the folder with the weights of the best validation loss; returns what the manifest tells of the stage."""
    progress = state.progress
    if progress.best_step not in (None, progress.step):
        state.restore_model(loop.checkpoints.load(progress.best_step)[0])
    metrics_path = stage.workspace.kept / "metrics.jsonl"
    write_model_folder(
        state.model, stage.workspace.output, tokenizer_path=stage.tokenizer_path, row_tokens=loop.row_tokens
    )
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
