"""Moments in 8 bits: near what was kept, and near the way that float32 goes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from headrace.train.eight_bit import BLOCK, quantise_mean, quantise_square, read_mean, read_square
from headrace.train.optimizer import Optimizer
from headrace.train.optimizer_config import AdamWConfig, LionConfig

floats = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


def slow_mean(numbers: list[float], noise: list[float]) -> list[float]:
    """A block's numbers as they are read again, one after the other."""
    scale = max(map(abs, numbers))
    if scale == 0.0:
        return [0.0] * len(numbers)
    levels = [min(127, math.floor(math.sqrt(abs(x) / scale) * 127 + r)) for x, r in zip(numbers, noise, strict=True)]
    return [math.copysign((level / 127) ** 2 * scale, x) for level, x in zip(levels, numbers, strict=True)]


def slow_square(numbers: list[float], noise: list[float]) -> list[float]:
    scale = max(numbers)
    if scale == 0.0:
        return [0.0] * len(numbers)
    levels = [min(255, math.floor((x / scale) ** 0.25 * 255 + r)) for x, r in zip(numbers, noise, strict=True)]
    return [(max(level, x > 0) / 255) ** 4 * scale for level, x in zip(levels, numbers, strict=True)]


@given(st.lists(floats, min_size=1, max_size=40), st.integers(0, 99))
def test_what_is_read_is_what_a_slow_reading_gives(few: list[float], seed: int) -> None:
    """Where a root lies so near a level that float32 and float64 part, it is the level beside."""
    numbers = torch.zeros(1, BLOCK)
    numbers[0, : len(few)] = torch.tensor(few)
    noise = torch.rand(1, BLOCK, generator=torch.Generator().manual_seed(seed))

    for given_numbers, quantise, read, slow, power, levels in (
        (numbers, quantise_mean, read_mean, slow_mean, 2, 127),
        (numbers.abs(), quantise_square, read_square, slow_square, 4, 255),
    ):
        found = read(*quantise(given_numbers, noise))[0]
        wanted = torch.tensor(slow(given_numbers[0].tolist(), noise[0].tolist()))
        scale = float(given_numbers.abs().max()) or 1.0
        one, other = ((tensor.abs() / scale) ** (1 / power) * levels for tensor in (found, wanted))
        assert float((one - other).abs().max()) < 1.01
        assert float(((one - other).abs() > 0.01).float().mean()) < 0.05
        assert torch.equal(found > 0, wanted > 0)


def test_rounding_is_right_in_the_mean_and_zero_stays_zero() -> None:
    numbers = torch.linspace(-1, 1, BLOCK)[None]
    draws = torch.rand(1_000, 1, BLOCK, generator=torch.Generator().manual_seed(1))

    mean = torch.stack([read_mean(*quantise_mean(numbers, noise)) for noise in draws]).mean(0)
    square = torch.stack([read_square(*quantise_square(numbers.abs(), noise)) for noise in draws]).mean(0)

    assert float((mean - numbers).abs().max()) < 2e-3
    assert float((square - numbers.abs()).abs().max()) < 2e-3
    nothing = torch.zeros(1, BLOCK)
    assert not read_mean(*quantise_mean(nothing, draws[0])).any()
    assert not read_square(*quantise_square(nothing, draws[0])).any()


def noisy_descent(config: AdamWConfig) -> list[Tensor]:
    """Weights on the way of a least-squares problem with noise in its gradients."""
    generator = torch.Generator().manual_seed(3)
    weight = nn.Parameter(torch.zeros(96, 128))
    wanted = torch.randn(96, 128, generator=generator)
    steepness = torch.logspace(-2, 0, 128)
    optimizer = Optimizer(config, {"weight": weight}, {})
    way = []
    for step in range(200):
        weight.grad = steepness * (weight.detach() - wanted) + 0.1 * torch.randn(96, 128, generator=generator)
        optimizer.set_rate(0.02 * min(1.0, 2 - step / 100), decay_factor=0.0)
        optimizer.step()
        way.append(weight.detach() - wanted)
    return way


@pytest.mark.parametrize("beta2", [0.95, 0.999])
def test_the_way_is_near_that_of_float32(beta2: float) -> None:
    """With a long memory too, whose steps are smaller than 8 bits tell apart."""
    exact = noisy_descent(AdamWConfig(beta2=beta2))
    found = noisy_descent(AdamWConfig(beta2=beta2, state_precision="int8"))

    apart = [float((one - other).norm() / one.norm()) for one, other in zip(exact, found, strict=True)]
    assert max(apart) < 0.1
    assert float(found[-1].norm()) < 1.03 * float(exact[-1].norm())


def test_the_state_takes_two_bytes_a_parameter() -> None:
    weight = nn.Parameter(torch.zeros(300, 256))
    weight.grad = torch.ones(300, 256)
    optimizer = Optimizer(AdamWConfig(state_precision="int8"), {"weight": weight}, {})
    optimizer.step()

    assert sum(moment.nbytes for moment in optimizer.state().values()) == 2 * (300 * 256 + 4 * 300)


def test_other_rules_refuse_it() -> None:
    with pytest.raises(ValueError, match="int8 is for adamw, not for lion"):
        LionConfig(state_precision="int8")
