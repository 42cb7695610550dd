"""Settings of this machine that change how fast products and allocations are, and not what they give."""

import ctypes
import platform
from functools import cache
from typing import Literal

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
CHECKED_PRODUCT, FLOAT32_ERROR = 256, 1e-5
RETURNED_BYTES = 1 << 17

Float32Path = Literal["onednn", "mkl"]
"""Whose products in float32 are taken."""


def use_machine_well(float32_path: Float32Path | None = None) -> None:
    """Makes this process use the faster paths for float32 products and for large blocks of memory. Idempotent.

    float32_path: the one to take; None: oneDNN's where that is exact.
    """
    take_float32_path(float32_path or exact_float32_path())
    keep_large_blocks()


def take_float32_path(path: Float32Path) -> None:
    """Lets oneDNN multiply in float32, or MKL, which takes a slow path on AMD (92 against 480 GFLOP/s on 2 cores).

    torch's switch for that allows bf16 inside.
    """
    torch.set_float32_matmul_precision("medium" if path == "onednn" else "highest")


@cache
def exact_float32_path() -> Float32Path:
    """oneDNN's, where it really multiplies in float32: with AMX units it would take bf16."""
    take_float32_path("onednn")
    return "onednn" if multiplies_in_float32() else "mkl"


def multiplies_in_float32() -> bool:
    """Whether a product of float32 matrices has float32's error: bf16 has 300 times that, TF32 40 times."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.rand(CHECKED_PRODUCT, CHECKED_PRODUCT, generator=generator) for _ in range(2))
    exact = left.double() @ right.double()
    return bool(((left @ right).double() - exact).abs().max() <= FLOAT32_ERROR * exact.abs().max())


def keep_large_blocks() -> None:
    """Tells glibc to reuse freed memory instead of returning it, so large tensors are not page-faulted in at every
    step.

    Worth 12 % of a step at 9 M parameters (the head's product went from 435 to 700 GFLOP/s). A no-op elsewhere.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def return_large_blocks() -> None:
    """Tells glibc to give every freed tensor back at once, so that no gaps between them stay in memory.

    A step that keeps and frees tensors of many sizes in turn held 1.6 times what was alive (710 MB for 455); so it
    holds 461 MB. Undoes `keep_large_blocks`, and its gain.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, RETURNED_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, RETURNED_BYTES)
        libc.malloc_trim(0)


def give_back() -> None:
    """Returns to the system what glibc holds and nobody uses, gaps included."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
