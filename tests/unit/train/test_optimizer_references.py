"""Every optimiser goes the way of its reference: torch's, transformers', or the paper's equations in plain Python."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import rough_decoder, small_config
from torch import Tensor, nn

from headrace.train.hidden_matrices import hidden_matrices
from headrace.train.optimizer import Optimizer, build_optimizer
from headrace.train.optimizer_config import (
    AdafactorConfig,
    AdamWConfig,
    AnyOptimizerConfig,
    LionConfig,
    MuonConfig,
    SGDConfig,
)
from headrace.train.rounding import TABLE, round_to_bfloat16

RATE, DECAY, STEPS = 0.01, 0.1, 5
Matrix = list[list[float]]
seeds = st.integers(0, 2**31)


def random_tensors(seed: int) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Weights of a few shapes, and gradients of every step."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(4, 6), (5, 3), (7,)]
    weights = [torch.randn(shape, generator=generator) for shape in shapes]
    return weights, [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(STEPS)]


def run_ours(config: AnyOptimizerConfig, weights: Sequence[Tensor], gradients: Sequence[Sequence[Tensor]]) -> None:
    """Changes the weights in place."""
    parameters = {str(number): nn.Parameter(weight) for number, weight in enumerate(weights)}
    matrices = {name: [slice(0, len(weight))] for name, weight in parameters.items() if weight.dim() == 2}
    optimizer = Optimizer(config, parameters, matrices)
    for step in gradients:
        for parameter, gradient in zip(parameters.values(), step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.set_rate(RATE)
        optimizer.step()


def run_theirs(
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    weights: Sequence[Tensor],
    gradients: Sequence[Sequence[Tensor]],
) -> None:
    parameters = [nn.Parameter(weight) for weight in weights]
    optimizer = make(parameters)
    for step in gradients:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()


def transformers_adafactor(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    from transformers.optimization import Adafactor

    return Adafactor(
        parameters, lr=RATE, eps=(1e-30, 1e-3), clip_threshold=1.0, scale_parameter=True, relative_step=False
    )


@pytest.mark.parametrize(
    ("config", "reference"),
    [
        (
            AdamWConfig(weight_decay=0.0),
            lambda p: torch.optim.AdamW(p, lr=RATE, betas=(0.9, 0.95), weight_decay=0.0, foreach=False, fused=False),
        ),
        (
            SGDConfig(weight_decay=0.0),
            lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, nesterov=True, foreach=False, fused=False),
        ),
        (SGDConfig(weight_decay=0.0, momentum=0.0), lambda p: torch.optim.SGD(p, lr=RATE, foreach=False, fused=False)),
        (AdafactorConfig(weight_decay=0.0), transformers_adafactor),
    ],
    ids=["adamw", "sgd", "sgd without momentum", "adafactor of transformers"],
)
def test_the_trajectory_is_that_of_the_reference(
    config: AnyOptimizerConfig, reference: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
) -> None:
    ours, gradients = random_tensors(1)
    theirs = [weight.clone() for weight in ours]

    run_ours(config, ours, gradients)
    run_theirs(reference, theirs, gradients)

    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_lion_is_that_of_the_paper(seed: int) -> None:
    """Number by number, in Python's own floats."""
    weights, gradients = random_tensors(seed)
    wanted = [weight.clone().flatten().tolist() for weight in weights]
    momenta = [[0.0] * len(weight) for weight in wanted]
    for step in gradients:
        for which, weight in enumerate(wanted):
            decay = DECAY if weights[which].dim() == 2 else 0.0
            for place, gradient in enumerate(step[which].flatten().tolist()):
                towards = 0.9 * momenta[which][place] + 0.1 * gradient
                weight[place] -= RATE * (math.copysign(1.0, towards) + decay * weight[place])
                momenta[which][place] = 0.99 * momenta[which][place] + 0.01 * gradient

    run_ours(LionConfig(weight_decay=DECAY), weights, gradients)

    for ours, theirs in zip(weights, wanted, strict=True):
        torch.testing.assert_close(ours.flatten(), torch.tensor(theirs), rtol=1e-5, atol=1e-6)


def product(left: Matrix, right: Matrix) -> Matrix:
    return [[sum(map(float.__mul__, row, column)) for column in zip(*right, strict=True)] for row in left]


def mixed(*terms: tuple[float, Matrix]) -> Matrix:
    """The sum of factors times matrices."""
    rows, columns = len(terms[0][1]), len(terms[0][1][0])
    return [[sum(factor * matrix[i][j] for factor, matrix in terms) for j in range(columns)] for i in range(rows)]


def transposed(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def orthogonal(matrix: Matrix) -> Matrix:
    """Five Newton-Schulz iterations of the quintic 3.4445 x - 4.775 x^3 + 2.0315 x^5 on the singular values."""
    if len(matrix) > len(matrix[0]):
        return transposed(orthogonal(transposed(matrix)))
    norm = math.sqrt(sum(number * number for row in matrix for number in row))
    x = mixed((1 / norm, matrix))
    for _ in range(5):
        squared = product(x, transposed(x))
        x = mixed((3.4445, x), (1.0, product(mixed((-4.775, squared), (2.0315, product(squared, squared))), x)))
    return x


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_muon_is_that_of_its_authors(seed: int) -> None:
    """Its iterations run in bfloat16, whose rounding the quintic enlarges: a step agrees to 5 % of its size."""
    weights, gradients = random_tensors(seed)
    matrices, gradients = weights[:2], [step[:2] for step in gradients]
    wanted: list[Matrix] = [weight.tolist() for weight in matrices]
    momenta = [mixed((0.0, weight)) for weight in wanted]
    for step in gradients:
        for which, gradient in enumerate(map(Tensor.tolist, step)):
            momenta[which] = mixed((0.95, momenta[which]), (0.05, gradient))
            update = orthogonal(mixed((0.05, gradient), (0.95, momenta[which])))
            size = 0.2 * math.sqrt(max(matrices[which].shape))
            wanted[which] = mixed((1 - RATE * DECAY, wanted[which]), (-RATE * size, update))

    run_ours(MuonConfig(weight_decay=DECAY), matrices, gradients)

    for ours, theirs in zip(matrices, wanted, strict=True):
        rms = 0.2 * RATE * STEPS
        assert float((ours - torch.tensor(theirs)).square().mean().sqrt()) < 0.05 * rms


@pytest.mark.parametrize("per_head", [False, True])
def test_joined_matrices_are_made_orthogonal_one_by_one(per_head: bool) -> None:
    """As torch's Muon does with matrices that were never joined; all else goes AdamW's way."""
    model = rough_decoder(small_config(depth=1))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    generator = torch.Generator().manual_seed(5)
    gradients = {name: torch.randn(weight.shape, generator=generator) for name, weight in before.items()}
    optimizer = build_optimizer(MuonConfig(per_head=per_head, weight_decay=DECAY), model)
    for name, parameter in model.named_parameters():
        parameter.grad = gradients[name].clone()
    optimizer.set_rate(RATE)
    optimizer.step()

    heads = [8, 8, 8, 8, 8, 8, 8, 8] if per_head else [32, 16, 16]
    sizes = {"query_key_value": heads, "output": [32], "gate_up": [48, 48], "down": [32]}
    apart = {name: sizes.get(name.split(".")[-2], []) for name in before}
    assert sum(map(bool, apart.values())) == 4
    for name, parameter in model.named_parameters():
        if apart[name]:
            parts = [nn.Parameter(part.clone()) for part in before[name].split(apart[name])]
            reference: torch.optim.Optimizer = torch.optim.Muon(
                parts, lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"
            )
        else:
            parts = [nn.Parameter(before[name].clone())]
            decay = DECAY if parameter.dim() == 2 else 0.0
            reference = torch.optim.AdamW(parts, lr=RATE, betas=(0.9, 0.95), weight_decay=decay, fused=True)
        for part, gradient in zip(parts, gradients[name].split([len(part) for part in parts]), strict=True):
            part.grad = gradient
        reference.step()
        assert torch.equal(parameter.detach(), torch.cat([part.detach() for part in parts])), name


def test_embedding_and_head_are_no_hidden_matrices() -> None:
    model = rough_decoder(small_config(depth=1, tied=False))

    names = set(hidden_matrices(model))

    assert not any(name.startswith(("embedding", "head")) for name in names)
    assert names == {
        name for name, weight in model.named_parameters() if name.startswith("blocks") and weight.dim() > 1
    }


@pytest.mark.parametrize("shape", [(5,), (3, 7), (TABLE + 5,), (2, TABLE)])
def test_rounding_gives_a_neighbour_and_the_mean_is_the_number(shape: tuple[int, ...]) -> None:
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    exact = numbers.bfloat16().float()

    several = torch.stack([round_to_bfloat16(numbers, offset=977 * number).float() for number in range(64)])

    step = torch.maximum(numbers.abs(), torch.tensor(1e-30)).log2().floor().exp2() / 128
    assert ((several - numbers).abs() < step).all()
    assert torch.equal(round_to_bfloat16(exact, offset=3).float(), exact)
    error = float(((several.mean(0) - numbers) / step).abs().max())
    assert error < (0.4 if numbers.numel() > 100 else 0.25)


def test_changes_too_small_for_bfloat16_add_up() -> None:
    """A mean with a decay of 0.999 moves by less than half a rounding step, and would stand still."""
    mean, stuck = torch.ones(1_000).bfloat16(), torch.ones(1_000).bfloat16()
    for step in range(2_000):
        mean = round_to_bfloat16(mean.float().lerp(torch.full((1_000,), 2.0), 0.001), offset=7919 * step)
        stuck = stuck.float().lerp(torch.full((1_000,), 2.0), 0.001).bfloat16()

    assert float(stuck.float().mean()) == 1.0
    assert float(mean.float().mean()) == pytest.approx(2.0 - math.exp(-2.0), abs=0.01)
