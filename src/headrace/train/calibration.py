"""What this machine can do, measured once and kept in the user's cache folder.

A figure is kept only if the machine was ours while it was taken: another process on the same cores makes products look
slow, and such a figure would stay.
"""

import contextlib
import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import psutil
import torch
from pydantic import ValidationError

from headrace.config import Config
from headrace.corpus.arrays import user_cache_folder
from headrace.models.machine import Float32Path, exact_float32_path, take_float32_path, use_machine_well
from headrace.store import write_file

Precision = Literal["fp32", "bf16"]
DTYPES: Mapping[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

TIMED_PRODUCTS, FEW_PRODUCTS = 30, 4
COPIED_NUMBERS, COPIES = 1 << 25, 5
OTHERS = 0.15
"""Largest share of this process's cores that others may have had during a measurement, for its figures to be kept."""
CLEARLY = 1.15
"""How much faster fewer threads, or MKL, must be to be taken: less is chance, and either changes how sums round."""
COMPILE_SECONDS = 20.0
"""To compile a model, where no stage has measured it yet."""
KEPT_COMPILATIONS = 5


class Shape(NamedTuple):
    """A product of (rows, inner) by (inner, columns)."""

    rows: int
    inner: int
    columns: int

    @property
    def operations(self) -> float:
        return 2.0 * self.rows * self.inner * self.columns


LARGE = Shape(2048, 1024, 1024)
"""What the peak is measured with: as large as the products of a small model."""


class Calibration(Config):
    """What has been measured of one machine, by one installation of torch."""

    machine: str
    """Processor, cores, threads allowed and torch: what the figures are of."""
    num_threads: int = 0
    """The best number of them; 0: not measured."""
    float32_path: Float32Path = "mkl"
    """Whose float32 products are taken: oneDNN's, unless they are not exact here, or MKL's are clearly faster."""
    gflops: dict[str, float] = {}
    """Speed of products by precision and shape, such as `bf16 2048x320x960`, in billions of operations a second."""
    copied_gigabytes: float = 0.0
    """Bytes read and written in copying a large block, in GB a second."""
    compile_seconds: tuple[float, ...] = ()
    """What compiling took in the latest stages."""

    def keep(self) -> None:
        """Writes it down for later stages; a folder that cannot be written costs time and nothing else."""
        path = _kept_path(self.machine)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            figures = self.model_dump_json(indent=1).encode()
            write_file(path, _seal(figures) + figures)

    def peak(self, precision: Precision) -> float:
        """Speed of large products, in GFLOP/s."""
        return self.gflops[_name(precision, LARGE)]

    def speed(self, precision: Precision, shapes: Sequence[Shape]) -> float:
        """Speed of one product of each shape after the other, in GFLOP/s."""
        seconds = sum(shape.operations / self.gflops[_name(precision, shape)] for shape in shapes)
        return sum(shape.operations for shape in shapes) / seconds

    @property
    def seconds_to_compile(self) -> float:
        """What compiling is counted with: the longest of late, for kernels that were compiled before take no time."""
        return max(self.compile_seconds, default=COMPILE_SECONDS)


def calibrate(shapes: Sequence[Shape], *, num_threads: int) -> Calibration:
    """This machine's figures for large products and for those of some shapes, in as many threads as are best.

    What is not known yet is measured now, within seconds, and kept. The process then has that number of threads.
    """
    known = kept_calibration(num_threads)
    use_machine_well()
    with _Ownership() as ownership:
        threads = known.num_threads or best_num_threads(num_threads)
        torch.set_num_threads(threads)
        path = known.float32_path if known.num_threads else best_float32_path()
        take_float32_path(path)
        gflops = dict(known.gflops)
        for precision, dtype in DTYPES.items():
            for shape in (LARGE, *shapes):
                if (name := _name(precision, shape)) not in gflops:
                    gflops[name] = round(product_gflops(dtype, shape), 1)
    copied = known.copied_gigabytes or round(copied_gigabytes(), 1)
    found = known.model_copy(
        update={"num_threads": threads, "float32_path": path, "gflops": gflops, "copied_gigabytes": copied}
    )
    if found != known and ownership.was_ours:
        found.keep()
    return found


def glance(num_threads: int, *, count: int = FEW_PRODUCTS) -> Calibration:
    """What a short stage knows of this machine: the speed of few large products, measured in an instant."""
    use_machine_well()
    torch.set_num_threads(num_threads)
    gflops = {_name(name, LARGE): round(product_gflops(dtype, count=count), 1) for name, dtype in DTYPES.items()}
    path = exact_float32_path()
    return Calibration(machine="", num_threads=num_threads, float32_path=path, gflops=gflops)


def remember_compiling(seconds: float, *, num_threads: int) -> None:
    """Keeps what compiling took, for stages that ask whether it pays; nothing, beside no other figures."""
    known = kept_calibration(num_threads)
    if known.num_threads:
        latest = (*known.compile_seconds, round(seconds, 1))[-KEPT_COMPILATIONS:]
        known.model_copy(update={"compile_seconds": latest}).keep()


def kept_calibration(num_threads: int) -> Calibration:
    """What earlier stages have kept; nothing yet where there is no file, a damaged one, or another machine's."""
    machine = describe_machine(num_threads)
    with contextlib.suppress(OSError, ValidationError):
        seal, _, figures = _kept_path(machine).read_bytes().partition(b"\n")
        if seal + b"\n" == _seal(figures) and (found := Calibration.model_validate_json(figures)).machine == machine:
            return found
    return Calibration(machine=machine)


def describe_machine(num_threads: int) -> str:
    """Processor, cores, threads allowed and torch, in a line."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        flags = next(line.partition(":")[2] for line in lines if line.startswith("flags"))
        # Virtual machines hide names: two processors that are called alike may have other units.
        name += f" ({hashlib.sha256(flags.encode()).hexdigest()[:8]})"
    return f"{name}, {psutil.cpu_count()} cores, {num_threads} threads, torch {torch.__version__}"


def best_num_threads(most: int) -> int:
    """All that are allowed, unless one for each core proper is clearly faster where cores run two threads each."""
    cores, logical = psutil.cpu_count(logical=False) or 1, psutil.cpu_count() or 1
    fewer = max(1, most * cores // logical)
    if fewer >= most:
        return most
    speeds = {}
    for count in (most, fewer):
        torch.set_num_threads(count)
        speeds[count] = product_gflops(torch.bfloat16)
    return fewer if speeds[fewer] > CLEARLY * speeds[most] else most


def best_float32_path() -> Float32Path:
    """oneDNN's where that is exact, unless MKL's is clearly faster."""
    if exact_float32_path() == "mkl":
        return "mkl"
    speeds: dict[Float32Path, float] = {}
    for path in ("onednn", "mkl"):
        take_float32_path(path)
        speeds[path] = product_gflops(torch.float32)
    return "mkl" if speeds["mkl"] > CLEARLY * speeds["onednn"] else "onednn"


def product_gflops(dtype: torch.dtype, shape: Shape = LARGE, *, count: int = TIMED_PRODUCTS) -> float:
    """Billions of operations a second in products of a shape, the best of so many."""
    rows, inner, columns = shape
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype)
    out = torch.empty(rows, columns, dtype=dtype)
    return shape.operations / _least_seconds(lambda: torch.mm(left, right, out=out), count) / 1e9


def copied_gigabytes() -> float:
    """Billions of bytes read and written a second in copying a block that no cache of a core holds."""
    source, target = torch.zeros(COPIED_NUMBERS), torch.zeros(COPIED_NUMBERS)
    return 2 * source.nbytes / _least_seconds(lambda: target.copy_(source), COPIES) / 1e9


class _Ownership:
    """Tells whether this process had its cores for itself within a block."""

    was_ours = False

    def __enter__(self) -> Self:
        self._wall, self._others = time.perf_counter(), _busy_seconds() - time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, others = time.perf_counter() - self._wall, _busy_seconds() - time.process_time() - self._others
        self.was_ours = others <= OTHERS * wall * len(_cores())


def _busy_seconds() -> float:
    """For how long this process's cores have been busy, with whatever; what a hypervisor takes counts as well."""
    times = psutil.cpu_times(percpu=True)
    kinds = ("user", "nice", "system", "irq", "softirq", "steal")
    return sum(getattr(times[core], kind, 0.0) for core in _cores() for kind in kinds)


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(psutil.cpu_count() or 1))


def _least_seconds(act: Callable[[], object], count: int) -> float:
    act()  # the first touches memory and chooses a kernel
    least = float("inf")
    for _ in range(count):
        start = time.perf_counter()
        act()
        least = min(least, time.perf_counter() - start)
    return least


def _name(precision: Precision, shape: Shape) -> str:
    return f"{precision} {shape.rows}x{shape.inner}x{shape.columns}"


def _seal(figures: bytes) -> bytes:
    return hashlib.sha256(figures).hexdigest().encode() + b"\n"


def _kept_path(machine: str) -> Path:
    return user_cache_folder() / f"machine-{hashlib.sha256(machine.encode()).hexdigest()[:16]}.json"
