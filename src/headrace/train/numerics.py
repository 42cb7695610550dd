"""How a stage computes: chosen once, from what this machine can do, and then kept, because a resumed run must round
alike."""

import logging
import os
import shutil
from contextlib import AbstractContextManager, nullcontext

import torch

from headrace.config import Config
from headrace.models.foreign import AnyModelConfig, ForeignConfig
from headrace.models.machine import Float32Path, use_machine_well
from headrace.objectives.cross_entropy import tokens_at_once
from headrace.train.calibration import LARGE, Calibration, Precision, Shape, calibrate, glance
from headrace.train.config import StageConfig

logger = logging.getLogger("headrace")

CALIBRATED_STAGE_FLOPS = 1e13  # ten seconds or more: a shorter one shall not take as long to see what is fast
FASTER = 1.2
"""How much faster products in bf16 must be, for what it rounds away."""
UNCOMPILED_SHARE = 0.35
"""Of the speed of a model's products, what uncompiled steps reach."""
SAVED_BY_COMPILING = 0.25
"""Of the time of uncompiled steps, at least."""
EXAMPLES_FACTOR = 6
"""In batches of one shape there is more padding, and a model with dropout is compiled twice: then so many times longer
stages are compiled."""


class Numerics(Config):
    """The choices that decide how results round."""

    precision: Precision
    compiled: bool
    compile_for: str | None = None
    """The processor that kernels are compiled for, as the compiler calls it; None: this one."""
    num_threads: int
    float32_path: Float32Path | None = None
    """Whose float32 products are taken; None: oneDNN's where they are exact."""
    peak_gflops: float
    """Measured speed of large matrix products in this precision, in GFLOP/s."""
    why: str = ""
    """What spoke for these choices, in a line."""

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def apply(self) -> None:
        """Makes this process compute in the chosen way."""
        torch.set_num_threads(self.num_threads)
        use_machine_well(self.float32_path)

    def autocast(self) -> AbstractContextManager[object]:
        """Where products run in the chosen precision."""
        # A weight is used once in a pass, so torch's cache of those in bf16 would only hold all of them together.
        is_rounded = self.precision == "bf16"
        return torch.autocast("cpu", torch.bfloat16, cache_enabled=False) if is_rounded else nullcontext()


def choose_numerics(
    config: StageConfig, model: AnyModelConfig, *, vocabulary_size: int, stage_flops: float, num_threads: int
) -> Numerics:
    """What this machine does best in what a stage's settings leave open.

    stage_flops: those that this process computes.
    """
    if stage_flops < CALIBRATED_STAGE_FLOPS:
        machine, shapes = glance(num_threads), [LARGE]
    else:
        shapes = product_shapes(model, config.micro_batch_tokens, vocabulary_size)
        machine = calibrate(shapes, num_threads=num_threads)
    speeds: dict[Precision, float] = {"fp32": machine.speed("fp32", shapes), "bf16": machine.speed("bf16", shapes)}
    faster: Precision = "bf16" if speeds["bf16"] > FASTER * speeds["fp32"] else "fp32"
    precision = faster if config.precision == "auto" else config.precision
    seconds = stage_flops / (UNCOMPILED_SHARE * speeds[precision] * 1e9)
    compiled, why_compiled = _choose_compiling(config, model, seconds, machine.seconds_to_compile)
    return Numerics(
        precision=precision,
        compiled=compiled,
        num_threads=machine.num_threads,
        float32_path=machine.float32_path,
        peak_gflops=machine.peak(precision),
        why=f"{_precision_line(config, precision, speeds, machine)}; {why_compiled}; {_machine_line(machine)}",
    )


def product_shapes(model: AnyModelConfig, num_tokens: int, vocabulary_size: int) -> list[Shape]:
    """The products of a model's forward pass over so many tokens, once each."""
    if isinstance(model, ForeignConfig):
        return [Shape(num_tokens, model.width, model.width)]
    inner = model.feed_forward * (2 if model.gated else 1)
    return [
        Shape(num_tokens, model.width, model.projection_width),
        Shape(num_tokens, model.query_width, model.width),
        Shape(num_tokens, model.width, inner),
        Shape(num_tokens, model.feed_forward, model.width),
        Shape(min(num_tokens, tokens_at_once(vocabulary_size)), model.width, vocabulary_size),
    ]


def _choose_compiling(
    config: StageConfig, model: AnyModelConfig, seconds: float, seconds_to_compile: float
) -> tuple[bool, str]:
    """Whether a stage of so many seconds is compiled, and why."""
    if config.compile == "off" or isinstance(model, ForeignConfig):  # whose rows have another length each time
        return False, "not compiled, as " + ("the recipe says" if config.compile == "off" else "it is no model of ours")
    if config.segment_tokens is not None:
        return False, "not compiled, as rows are read in segments"
    saved = SAVED_BY_COMPILING * seconds / (EXAMPLES_FACTOR if config.learns_from_examples else 1)
    figures = f"which saves about {saved:,.0f} s of {seconds:,.0f} and takes {seconds_to_compile:,.0f}"
    if config.compile == "auto" and saved <= seconds_to_compile:
        return False, f"not compiled, {figures}"
    if not compiler_found():
        return False, "not compiled, for want of a C++ compiler"
    return True, f"compiled, {figures if config.compile == 'auto' else 'as the recipe says'}"


def _precision_line(
    config: StageConfig, precision: Precision, speeds: dict[Precision, float], machine: Calibration
) -> str:
    by = "oneDNN" if machine.float32_path == "onednn" else "MKL"
    figures = (
        f"products of the model's shapes run at {speeds['bf16']:,.0f} GFLOP/s in bf16, {speeds['fp32']:,.0f} in fp32"
    )
    return f"{precision}{'' if config.precision == 'auto' else ' as the recipe says'}: {figures} (by {by})"


def _machine_line(machine: Calibration) -> str:
    copies = f", copies at {machine.copied_gigabytes:,.0f} GB/s" if machine.copied_gigabytes else ""
    return f"{machine.num_threads} thread{'s' if machine.num_threads > 1 else ''}{copies}"


def compiler_found() -> bool:
    """Whether torch.compile can work here; warns once, with the remedy, where it cannot."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler):
        return True
    logger.warning(
        "no C++ compiler (%s) found: training runs uncompiled, at about half the speed. Install g++ to change that.",
        compiler,
    )
    return False
