"""What a machine can do is measured once, kept whole or not at all, and decides how a stage computes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headrace.models import ModelConfig
from headrace.models.machine import exact_float32_path, multiplies_in_float32, take_float32_path
from headrace.train import calibration, numerics
from headrace.train.calibration import Calibration, Shape, calibrate, kept_calibration, remember_compiling
from headrace.train.config import StageConfig
from headrace.train.numerics import Numerics, choose_numerics, compiler_found, product_shapes

LARGE = Shape(128, 64, 96)
SHAPES = [Shape(64, 32, 48), Shape(64, 48, 32)]
MODEL = ModelConfig(depth=2, width=32, heads=4, kv_heads=2, feed_forward=48)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own, on a machine that is ours; the process computes afterwards as before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(calibration, "OTHERS", 10.0)
    monkeypatch.setattr(calibration, "COPIED_NUMBERS", 1 << 16)
    monkeypatch.setattr(calibration, "LARGE", LARGE)
    monkeypatch.setattr(numerics, "LARGE", LARGE)
    yield tmp_path / "headrace"
    take_float32_path(exact_float32_path())


def choose(stage_flops: float, **settings: Any) -> Numerics:
    config = StageConfig(micro_batch_tokens=64, **settings)
    return choose_numerics(config, MODEL, vocabulary_size=100, stage_flops=stage_flops, num_threads=1)


def known(**figures: float) -> Calibration:
    """A machine with all its figures: those given for large products, and the same for a model's."""
    shapes = [LARGE, *product_shapes(MODEL, 64, 100)]
    names = {f"{precision} {shape.rows}x{shape.inner}x{shape.columns}" for precision in figures for shape in shapes}
    gflops = {name: figures[name.split()[0]] for name in names}
    machine = kept_calibration(1).machine
    return Calibration(machine=machine, num_threads=1, gflops=gflops, copied_gigabytes=10.0)


def test_figures_are_measured_once(cache: Path) -> None:
    first = calibrate(SHAPES, num_threads=1)
    (path,) = cache.iterdir()
    written = path.read_bytes()

    assert calibrate(SHAPES, num_threads=1) == first == kept_calibration(1)
    assert path.read_bytes() == written
    assert len(first.gflops) == 6  # in both precisions, the large one included
    assert all(speed > 0 for speed in first.gflops.values())
    assert first.num_threads == torch.get_num_threads() == 1


def test_another_models_shapes_are_added(cache: Path) -> None:
    first = calibrate(SHAPES[:1], num_threads=1)
    both = calibrate(SHAPES, num_threads=1)

    assert both.gflops.items() > first.gflops.items()


@given(cut=st.integers(0, 10_000), bit=st.integers(0, 7), whole=st.booleans())
def test_a_damaged_file_is_as_none(cut: int, bit: int, whole: bool) -> None:
    found = known(fp32=100.0, bf16=300.0)
    found.keep()
    path = calibration._kept_path(found.machine)
    data = bytearray(path.read_bytes())
    if whole:
        data[cut % len(data)] ^= 1 << bit
    path.write_bytes(data if whole else data[: cut % len(data)])

    assert kept_calibration(1) == Calibration(machine=found.machine)


def test_a_damaged_file_is_measured_anew(cache: Path) -> None:
    first = calibrate(SHAPES, num_threads=1)
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:-9])

    again = calibrate(SHAPES, num_threads=1)

    assert again.gflops.keys() == first.gflops.keys()
    assert kept_calibration(1) == again


def test_what_was_measured_beside_another_process_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "OTHERS", -10.0)
    calibrate(SHAPES, num_threads=1)

    assert not cache.exists()


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(cache: Path) -> None:
    cache.write_text("a file in the folder's place")

    assert calibrate(SHAPES, num_threads=1).peak("fp32") > 0


def test_bf16_is_taken_where_the_models_products_are_clearly_faster_in_it() -> None:
    for figures, wanted in (({"fp32": 100.0, "bf16": 115.0}, "fp32"), ({"fp32": 100.0, "bf16": 300.0}, "bf16")):
        known(**figures).keep()
        chosen = choose(1e13, compile="off")
        assert chosen.precision == wanted
        assert chosen.peak_gflops == figures[wanted]
        assert chosen.why.startswith(f"{wanted}: products of the model's shapes run at {figures['bf16']:.0f} GFLOP/s")
    assert choose(1e13, compile="off", precision="fp32").precision == "fp32"


@pytest.mark.skipif(not compiler_found(), reason="no C++ compiler")
def test_compiling_pays_in_stages_long_enough_for_what_it_takes_here() -> None:
    known(fp32=1000.0, bf16=3000.0).keep()
    seconds = 1e9 * 3000.0 * 0.35  # operations in a second of uncompiled steps

    assert not choose(70 * seconds).compiled  # saves 17 s, takes 20
    assert choose(90 * seconds).compiled
    assert "compiled, which saves about 22 s of 90 and takes 20" in choose(90 * seconds).why
    remember_compiling(60.0, num_threads=1)
    assert not choose(90 * seconds).compiled
    assert choose(90 * seconds, compile="on").compiled
    for _ in range(5):  # the long one is forgotten
        remember_compiling(10.0, num_threads=1)
    assert choose(90 * seconds).compiled


def test_a_short_stage_looks_at_no_file(cache: Path) -> None:
    chosen = choose(1e10)

    assert not cache.exists()
    assert not chosen.compiled
    assert chosen.peak_gflops > 0


def test_float32_products_are_float32_on_the_path_that_is_taken() -> None:
    path = exact_float32_path()
    take_float32_path(path)
    assert multiplies_in_float32()

    if path == "mkl":  # a machine whose units for bf16 would take over
        take_float32_path("onednn")
        assert not multiplies_in_float32()


def test_products_in_bf16_are_not_taken_for_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = torch.Tensor.__matmul__

    def rounded(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.float64:
            return exact(left, right)
        return exact(left.bfloat16(), right.bfloat16()).float()

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    assert not multiplies_in_float32()
