"""What comes of a stage: the folder with the weights that were asked for, and what its manifest tells."""

import math
import os
import shutil
import statistics
from typing import Any

from headrace.models.adapters.config import AdapterConfig
from headrace.objectives.config import ExampleFields, InstructConfig
from headrace.train.adapter_outcome import publish_adapter
from headrace.train.averaging import put_weights
from headrace.train.calibration import FEW_PRODUCTS, TIMED_PRODUCTS, product_gflops
from headrace.train.config import BEFORE_COOL_DOWN
from headrace.train.data import describe_sources
from headrace.train.given import NUMERICS, Stage
from headrace.train.loop import Loop
from headrace.train.metrics import read_metrics
from headrace.train.publish import Publication, write_model_folder
from headrace.train.state import TrainState
from headrace.train.trainable import trainable

SHORT_SECONDS = 10.0


def publish(stage: Stage, state: TrainState, loop: Loop, *, average_loss: float | None) -> dict[str, Any]:
    """Writes the folder with the weights that were asked for; returns what the manifest tells of the stage."""
    progress, wanted = state.progress, stage.config.publish
    num_trained = sum(parameter.numel() for parameter in trainable(state.model).values())
    if wanted == "average":
        assert state.average is not None, "the config was checked"
        put_weights(state.model, state.average.weights)
    elif wanted == "best" and progress.best_step not in (None, progress.step):
        state.restore_model(loop.checkpoints.load(progress.best_step)[0])
    metrics_path = stage.workspace.kept / "metrics.jsonl"
    adapter = publish_adapter(stage, state, loop) if state.adapters is not None else {}
    beside = stage.config.adapter if adapter and not adapter["merged"] else None
    write_model_folder(state.model, stage.workspace.output, _publication(stage, loop, beside=beside))
    for step in loop.checkpoints.always_kept():
        path = loop.checkpoints.path_of(step)
        shutil.copytree(path, stage.workspace.output / BEFORE_COOL_DOWN / path.name, copy_function=os.link)
    if (stage.workspace.output / BEFORE_COOL_DOWN).exists():
        shutil.copyfile(stage.workspace.kept / NUMERICS, stage.workspace.output / BEFORE_COOL_DOWN / NUMERICS)
    shutil.copyfile(metrics_path, stage.workspace.output / "metrics.jsonl")
    steps = [record for record in read_metrics(metrics_path) if record["kind"] == "train"]
    return {
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
        "trained_parameters": num_trained,
        "steps": progress.num_global_steps,
        **({"base_batches": progress.step} if progress.num_joined else {}),
        stage.config.unit: progress.step * stage.config.batch_units,
        "stopped_early": progress.step < loop.num_steps,
        "best_step": progress.best_step,
        "best_validation_loss": progress.best_loss,
        "final_loss": steps[-1]["loss"],
        "published": wanted,
        **({"average_validation_loss": average_loss} if average_loss is not None else {}),
        **({"skipped_steps": progress.num_skipped} if progress.num_skipped else {}),
        **({"roll_backs": progress.num_roll_backs} if progress.num_roll_backs else {}),
        "numerics": loop.numerics.as_json(),
        **_speed(steps, loop),
        **describe_sources(loop.feed.stream, progress.step),
        **loop.feed.facts,
        **adapter,
        "step_seconds": math.fsum(record["seconds"] for record in steps),
        "step_cpu_seconds": math.fsum(record.get("cpu_seconds", 0.0) for record in steps),
        "wait_seconds": math.fsum(record["wait_seconds"] for record in steps),
    }


def _publication(stage: Stage, loop: Loop, *, beside: AdapterConfig | None) -> Publication:
    """beside: an adapter that is no part of the weights."""
    head, ours, objective = loop.feed.head, dict[str, Any](), stage.config.objective
    if stage.config.learns_from_examples:
        ours["objective"] = stage.config.objective.as_json()
    if beside is not None:
        ours["adapter"] = beside.as_json()
    return Publication(
        stage.tokenizer_path,
        stage.end_token,
        _longest_context(stage, loop),
        origin=stage.initial.path if stage.initial else None,
        task=head.task if head else None,
        labels=head.labels if head else (),
        ours=ours,
        chat_template=stage.model_vocabulary.template_source if isinstance(objective, InstructConfig) else None,
    )


def _longest_context(stage: Stage, loop: Loop) -> int:
    """Tokens of a row; or those that an example may have, also where none of the training had as many."""
    objective = stage.config.objective
    return objective.max_tokens if isinstance(objective, ExampleFields) else loop.feed.row_tokens


def _speed(steps: list[dict[str, Any]], loop: Loop) -> dict[str, float]:
    """Tokens over time, compiling included; the same of the median step; and their shares of the machine's peak.

    The peak is measured again, because a machine that was busy when the stage began showed too low a one.
    """
    numerics, seconds = loop.numerics, [record["seconds"] for record in steps]
    count = TIMED_PRODUCTS if math.fsum(seconds) > SHORT_SECONDS else FEW_PRODUCTS
    peak_flops = 1e9 * loop.group.size * max(numerics.peak_gflops, product_gflops(numerics.dtype, count=count))
    overall = math.fsum(record["tokens_per_second"] * record["seconds"] for record in steps) / math.fsum(seconds)
    median = statistics.median(record["tokens_per_second"] for record in steps)
    return {
        "peak_gflops": peak_flops / 1e9,
        "tokens_per_second": overall,
        "share_of_peak": overall * loop.flops_per_token / peak_flops,
        "median_tokens_per_second": median,
        "median_share_of_peak": median * loop.flops_per_token / peak_flops,
    }
