"""How this machine computes best, measured once per stage and then kept, because a resumed run must round alike."""

import logging
import os
import shutil
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Self

import torch

from headrace.config import Config
from headrace.models.machine import use_machine_well
from headrace.train.config import StageConfig

logger = logging.getLogger("headrace")

PRODUCT_SHAPE = (2048, 1024, 1024)  # rows, inner, columns: the size of a small model's products
TIMED_PRODUCTS, FEW_PRODUCTS = 30, 4
SHORT_STAGE_FLOPS = 1e12  # a second or two: it shall not take as long to see how fast the machine is
COMPILED_STAGE_FLOPS = 5e13  # compiling takes 20 s of two cores and saves a quarter of each step: it pays after 90 s

COMPILED_EXAMPLES_FLOPS = (
    3e14  # in batches of one shape there is more padding, and a model with dropout is compiled twice
)


class Numerics(Config):
    """The choices that decide how results round."""

    precision: Literal["fp32", "bf16"]
    compiled: bool
    compile_for: str | None = None
    """The processor that kernels are compiled for, as the compiler calls it; None: this one."""
    num_threads: int
    peak_gflops: float
    """Measured speed of large matrix products in this precision, in GFLOP/s."""

    @classmethod
    def choose(cls, config: StageConfig, *, stage_flops: float, num_threads: int) -> Self:
        """Measures this machine and settles what the config leaves open."""
        torch.set_num_threads(num_threads)
        use_machine_well()
        count = TIMED_PRODUCTS if stage_flops > SHORT_STAGE_FLOPS else FEW_PRODUCTS
        speeds = {"fp32": matrix_gflops(torch.float32, count), "bf16": matrix_gflops(torch.bfloat16, count)}
        faster: Literal["fp32", "bf16"] = "bf16" if speeds["bf16"] > 1.2 * speeds["fp32"] else "fp32"
        precision = faster if config.precision == "auto" else config.precision
        least = COMPILED_EXAMPLES_FLOPS if config.learns_from_examples else COMPILED_STAGE_FLOPS
        wanted = config.compile == "on" or (config.compile == "auto" and stage_flops > least)
        compiled = wanted and compiler_found()
        return cls(
            precision=precision, compiled=compiled, num_threads=num_threads, peak_gflops=round(speeds[precision], 1)
        )

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def apply(self) -> None:
        """Makes this process compute in the chosen way."""
        torch.set_num_threads(self.num_threads)
        use_machine_well()

    def autocast(self) -> AbstractContextManager[object]:
        """Where products run in the chosen precision."""
        return torch.autocast("cpu", torch.bfloat16) if self.precision == "bf16" else nullcontext()


def matrix_gflops(dtype: torch.dtype, count: int = TIMED_PRODUCTS) -> float:
    """Billions of operations a second in large matrix products, the best of so many."""
    rows, inner, columns = PRODUCT_SHAPE
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype)
    out = torch.empty(rows, columns, dtype=dtype)
    torch.mm(left, right, out=out)
    best_seconds = float("inf")
    for _ in range(count):
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        best_seconds = min(best_seconds, time.perf_counter() - start)
    return 2.0 * rows * inner * columns / best_seconds / 1e9


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
