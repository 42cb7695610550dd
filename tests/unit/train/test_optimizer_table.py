"""What every optimiser must do, one property after the other over all of them."""

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load, save
from small_models import rough_decoder, small_config
from torch import Tensor, nn
from torch._dynamo.utils import counters

from headrace.models.decoder import Decoder
from headrace.train.optimizer import Optimizer, build_optimizer
from headrace.train.optimizer_config import (
    AdafactorConfig,
    AdamWConfig,
    AnyOptimizerConfig,
    LionConfig,
    MuonConfig,
    SGDConfig,
)
from headrace.train.progress import Progress
from headrace.train.state import TrainState

CONFIGS: dict[str, AnyOptimizerConfig] = {
    "adamw": AdamWConfig(),
    "muon": MuonConfig(),
    "muon per head": MuonConfig(per_head=True, scale="original", nesterov=False),
    "adafactor": AdafactorConfig(),
    "sgd": SGDConfig(),
    "sgd without momentum": SGDConfig(momentum=0.0),
    "lion": LionConfig(),
    "adamw bf16": AdamWConfig(state_precision="bf16"),
    "muon bf16": MuonConfig(state_precision="bf16", rest=AdamWConfig(state_precision="bf16")),
    "adafactor bf16": AdafactorConfig(state_precision="bf16"),
    "sgd bf16": SGDConfig(state_precision="bf16"),
    "adamw int8": AdamWConfig(state_precision="int8"),
    "lion bf16": LionConfig(state_precision="bf16"),
}
BOWL_RATES = {"adamw": 0.1, "muon": 0.4, "adafactor": 0.1, "sgd": 0.01, "lion": 0.05}
VALLEY_RATES = {"adamw": 0.02, "muon": 0.1, "adafactor": 0.1, "sgd": 0.002, "lion": 0.02}

every_optimizer = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def small_decoder(seed: int = 1) -> Decoder:
    return rough_decoder(small_config(depth=1, qk_norm=True), vocabulary_size=60, seed=seed)


def give_gradients(model: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def take_steps(model: nn.Module, optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        give_gradients(model, step)
        optimizer.set_rate(0.01 / (1 + step))
        optimizer.step()
        optimizer.zero_grad()


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def descend(
    config: AnyOptimizerConfig, start: Tensor, loss_of: Callable[[Tensor], Tensor], *, rate: float, steps: int
) -> Tensor:
    """Where a matrix ends up that begins at `start`, under a rate that falls to zero."""
    weight = nn.Parameter(start.clone())
    optimizer = Optimizer(config, {"weight": weight}, {"weight": [slice(0, len(start))]})
    for step in range(steps):
        optimizer.set_rate(rate * (1 - step / steps), decay_factor=0.0)
        loss_of(weight).backward()
        optimizer.step()
        optimizer.zero_grad()
    return weight.detach()


@every_optimizer
def test_the_minimum_of_a_bowl_is_found(config: AnyOptimizerConfig) -> None:
    """Ten times as steep in one direction as in another."""
    generator = torch.Generator().manual_seed(3)
    wanted = torch.randn(4, 6, generator=generator)
    steepness = torch.logspace(0, 1, 6)

    def bowl(weight: Tensor) -> Tensor:
        return 5 * (steepness * (weight - wanted) ** 2).sum()

    found = descend(config, torch.ones(4, 6), bowl, rate=BOWL_RATES[config.name], steps=300)

    assert float((found - wanted).abs().max()) < 0.03


@every_optimizer
def test_the_end_of_a_curved_valley_is_found(config: AnyOptimizerConfig) -> None:
    """Rosenbrock's function, once for each of three rows; along whose floor it hardly falls."""
    start = torch.tensor([[-0.5, 1.0], [0.3, 0.8], [1.5, 2.0]])

    def valley(weight: Tensor) -> Tensor:
        x, y = weight[:, 0], weight[:, 1]
        return ((1 - x) ** 2 + 20 * (y - x**2) ** 2).sum()

    found = descend(config, start, valley, rate=VALLEY_RATES[config.name], steps=1_000)

    assert float(valley(found)) < 0.03 * float(valley(start))


@every_optimizer
def test_weights_stay_float32_and_state_has_the_precision_asked_for(config: AnyOptimizerConfig) -> None:
    model = small_decoder()
    optimizer = build_optimizer(config, model)

    take_steps(model, optimizer, range(2))

    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    wanted = {"fp32": {torch.float32}, "bf16": {torch.bfloat16}, "int8": {torch.float32, torch.int8, torch.uint8}}
    assert {moment.dtype for moment in optimizer.state().values()} <= wanted[config.state_precision]
    assert all(torch.isfinite(moment).all() for moment in optimizer.state().values())


@every_optimizer
def test_a_state_that_was_written_down_goes_on_to_the_same_bits(config: AnyOptimizerConfig) -> None:
    model = small_decoder()
    whole = TrainState(model, build_optimizer(config, model))
    take_steps(model, whole.optimizer, range(3))
    written, progress = save(whole.tensors()), Progress(step=3)
    take_steps(model, whole.optimizer, range(3, 6))

    other = small_decoder(seed=2)
    resumed = TrainState(other, build_optimizer(config, other))
    resumed.restore(load(written), progress)
    take_steps(other, resumed.optimizer, range(3, 6))

    one, two = whole.tensors(), resumed.tensors()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@every_optimizer
def test_steps_repeat_to_the_bit(config: AnyOptimizerConfig) -> None:
    """So do those of every process of a group, which are given the same gradients."""
    models = [small_decoder(), small_decoder()]
    for model in models:
        take_steps(model, build_optimizer(config, model), range(3))

    one, two = map(weights_of, models)
    assert all(torch.equal(one[name], two[name]) for name in one)


@every_optimizer
def test_every_parameter_moves_and_none_without_a_gradient(config: AnyOptimizerConfig) -> None:
    model = small_decoder()
    before = weights_of(model)
    optimizer = build_optimizer(config, model)

    optimizer.set_rate(0.1)
    optimizer.step()
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())

    take_steps(model, optimizer, range(1))
    assert not any(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())


@every_optimizer
def test_matrices_decay_by_rate_times_decay_and_vectors_do_not(config: AnyOptimizerConfig) -> None:
    """What a step with decay leaves is what one without it leaves, less that share of what was there before."""
    config = config.model_copy(update={"weight_decay": 0.5})
    if isinstance(config, MuonConfig):
        config = config.model_copy(update={"rest": config.rest.model_copy(update={"weight_decay": 0.5})})
    ends = []
    for factor in (1.0, 0.0):
        model = small_decoder()
        before = weights_of(model)
        optimizer = build_optimizer(config, model)
        give_gradients(model, 0)
        optimizer.set_rate(0.01, decay_factor=factor)
        optimizer.step()
        ends.append(weights_of(model))

    for name, start in before.items():
        decay = 0.01 * 0.5 * start if start.dim() == 2 else torch.zeros_like(start)
        torch.testing.assert_close(ends[0][name], ends[1][name] - decay, rtol=1e-5, atol=1e-6, msg=name)


@every_optimizer
def test_no_step_compiles_anything(config: AnyOptimizerConfig) -> None:
    counters.clear()
    model = small_decoder()

    take_steps(model, build_optimizer(config, model), range(3))

    assert not counters["stats"]
