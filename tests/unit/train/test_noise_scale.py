"""Noise and gradient are told apart on a problem whose noise is known."""

import math

import pytest
import torch
from torch import nn

from headrace.parallel import Group
from headrace.train.gradient import finish_gradient
from headrace.train.noise_scale import NoiseScale
from headrace.train.step_sums import StepSums

BASE_ROWS, WIDTH, HALF_LIFE = 16, 300, 200
DEVIATIONS = torch.linspace(0.1, 2.0, WIDTH)
"""Of the samples, dimension by dimension: the noise is no sphere."""


class Quadratic:
    """|weights - sample|^2 / 2 over normal samples around zero: the gradient is the weights, its covariance theirs."""

    def __init__(self, *, noise_scale: float) -> None:
        """noise_scale: in base batches."""
        self.trace = float((DEVIATIONS**2).sum())
        length = math.sqrt(self.trace / (noise_scale * BASE_ROWS))
        direction = torch.randn(WIDTH, generator=torch.Generator().manual_seed(1))
        self.weights = nn.Parameter(direction * length / direction.norm())
        self._generator = torch.Generator().manual_seed(2)

    def add_gradient(self, num_rows: int) -> None:
        """Accumulates the summed gradient of some samples, through autograd."""
        samples = torch.randn(num_rows, WIDTH, generator=self._generator) * DEVIATIONS
        ((self.weights - samples) ** 2).sum().div(2).backward()  # type: ignore[no-untyped-call]

    def step_sums(self, *, size: int, part_rows: int, num_processes: int) -> tuple[StepSums, float]:
        """What the loop makes of a step, and its norm; each process has an equal share."""
        total, gradient = StepSums(), torch.zeros(WIDTH)
        for _ in range(num_processes):
            sums, share = StepSums(), size * BASE_ROWS // num_processes
            for _ in range(0, share, part_rows):
                self.add_gradient(part_rows)
                if not sums.num_parts:
                    sums.look_at_part([self.weights], part_rows)
            sums.num_targets = share
            total = StepSums(*(one + two for one, two in zip(vars(total).values(), vars(sums).values(), strict=True)))
            assert self.weights.grad is not None
            gradient += self.weights.grad
            self.weights.grad = None
        self.weights.grad = gradient
        norm = finish_gradient([self.weights], num_targets=total.num_targets, loss=1.0, largest_norm=1e9, step=1)
        self.weights.grad = None
        return total, norm


@pytest.mark.parametrize(
    ("noise_scale", "size", "part_rows", "num_processes"),
    [(0.3, 1, 8, 1), (0.3, 4, 16, 1), (2.0, 1, 4, 1), (2.0, 4, 8, 2), (2.0, 1, 8, 2), (8.0, 8, 16, 4)],
)
def test_the_noise_scale_of_a_quadratic_is_found_however_a_step_is_cut(
    noise_scale: float, size: int, part_rows: int, num_processes: int
) -> None:
    problem, found = Quadratic(noise_scale=noise_scale), NoiseScale()
    for _ in range(400):
        sums, norm = problem.step_sums(size=size, part_rows=part_rows, num_processes=num_processes)
        measured = sums.noise_and_signal(norm=norm, size=size)
        assert measured is not None
        found = found.after(measured, half_life=HALF_LIFE)

    assert found.num_measured == 400
    assert found.base_batches == pytest.approx(noise_scale, rel=0.12)
    assert found.noise == pytest.approx(problem.trace / BASE_ROWS, rel=0.03)


def test_a_step_of_a_single_part_tells_nothing() -> None:
    problem = Quadratic(noise_scale=1.0)
    sums, norm = problem.step_sums(size=1, part_rows=BASE_ROWS, num_processes=1)

    assert sums.noise_and_signal(norm=norm, size=1) is None
    assert StepSums(num_targets=8.0).noise_and_signal(norm=1.0, size=1) is None


def test_a_gradient_that_is_clipped_counts_as_it_is_taken() -> None:
    sums = StepSums(num_targets=8.0, part_norms=1200.0, part_inverses=0.25, num_parts=1.0)

    noise, signal = sums.noise_and_signal(norm=20.0, size=1) or (0.0, 0.0)
    assert (noise, signal) == (800.0, -400.0)
    assert sums.noise_and_signal(norm=20.0, size=1, largest_norm=1.0) == pytest.approx((2.0, -1.0))
    assert sums.noise_and_signal(norm=20.0, size=1, largest_norm=30.0) == (noise, signal)


def test_a_part_without_targets_is_not_looked_at() -> None:
    weights = nn.Parameter(torch.ones(3))
    weights.grad = torch.ones(3)
    sums = StepSums()

    sums.look_at_part([weights], 0)
    assert sums.num_parts == 0
    sums.look_at_part([weights, nn.Parameter(torch.ones(2))], 2)
    assert (sums.part_norms, sums.part_inverses) == (pytest.approx(0.75), 0.5)
    assert sums.over_all(Group(), []) is sums


def test_where_no_gradient_shows_the_noise_scale_is_without_bound() -> None:
    assert NoiseScale(noise_sum=1.0, signal_sum=-0.1).base_batches == math.inf
    assert NoiseScale(noise_sum=-1.0, signal_sum=-0.1).base_batches == 0.0
    assert NoiseScale().base_batches == 0.0


def test_a_measurement_counts_for_half_after_its_half_life() -> None:
    found = NoiseScale().after((3.0, 1.0), half_life=1).after((6.0, 1.0), half_life=1)

    assert (found.noise, found.signal, found.base_batches) == (5.0, 1.0, 5.0)
