"""What happens to a gradient before it changes a weight, and what a step does to weights."""

import pytest
import torch
from small_models import rough_decoder, small_config

from headrace.errors import DivergenceError
from headrace.models.decoder import Decoder
from headrace.train.gradient import finish_gradient, gradients_of
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig


@pytest.fixture
def model() -> Decoder:
    """A decoder with a gradient on every parameter."""
    model = rough_decoder(small_config(qk_norm=True))
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return model


def finish(model: Decoder, *, largest_norm: float = 1e9, loss: float = 1.0, num_targets: int = 4) -> float:
    return finish_gradient(model.parameters(), num_targets=num_targets, loss=loss, largest_norm=largest_norm, step=12)


def total_norm(model: Decoder) -> float:
    return float(torch.cat([gradient.flatten() for gradient in gradients_of(model.parameters())]).double().norm())


def test_matrices_decay_and_vectors_do_not(model: Decoder) -> None:
    optimizer = build_optimizer(AdamWConfig(weight_decay=0.5), model)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for group in optimizer.param_groups:
        group["lr"] = 0.1

    optimizer.step()

    for name, parameter in model.named_parameters():
        factor = 1.0 if parameter.dim() == 1 else 1 - 0.1 * 0.5
        torch.testing.assert_close(parameter.detach(), before[name] * factor, msg=name)


def test_every_parameter_is_in_one_group(model: Decoder) -> None:
    groups = build_optimizer(AdamWConfig(), model).param_groups

    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(map(id, model.parameters()))


def test_the_first_step_is_that_of_the_paper() -> None:
    """Moments are corrected for their start at zero, so a first step is the learning rate in the gradient's sign."""
    model = rough_decoder(small_config())
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = build_optimizer(AdamWConfig(weight_decay=0.0), model)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, -3.0)
    for group in optimizer.param_groups:
        group["lr"] = 0.01

    optimizer.step()

    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name] + 0.01, msg=name)


def test_sums_become_means_over_valid_tokens(model: Decoder) -> None:
    before = [gradient.clone() for gradient in gradients_of(model.parameters())]

    norm = finish(model, num_targets=4)

    assert norm == pytest.approx(total_norm(model), rel=1e-5)
    for gradient, sums in zip(gradients_of(model.parameters()), before, strict=True):
        torch.testing.assert_close(gradient, sums / 4)


def test_a_long_gradient_keeps_its_direction_and_gets_the_largest_norm(model: Decoder) -> None:
    before = [gradient.clone() for gradient in gradients_of(model.parameters())]

    norm = finish(model, num_targets=1, largest_norm=0.5)

    assert norm > 10
    assert total_norm(model) == pytest.approx(0.5, rel=1e-4)
    for gradient, sums in zip(gradients_of(model.parameters()), before, strict=True):
        torch.testing.assert_close(gradient, sums * (0.5 / norm), rtol=1e-4, atol=1e-7)


def test_a_parameter_that_the_step_did_not_reach_has_a_gradient_of_zero(model: Decoder) -> None:
    parameters = list(model.parameters())
    parameters[3].grad = None

    assert [gradient.shape for gradient in gradients_of(parameters)] == [parameter.shape for parameter in parameters]
    assert not gradients_of(parameters)[3].any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["loss", "first gradient", "last gradient"])
def test_what_is_not_finite_is_refused_before_anything_changes(bad: float, where: str, model: Decoder) -> None:
    before = [parameter.detach().clone() for parameter in model.parameters()]
    if where != "loss":
        gradients_of(model.parameters())[0 if where == "first gradient" else -1].view(-1)[-1] = bad

    with pytest.raises(DivergenceError, match=r"step 12: .*nothing was updated.*learning_rate"):
        finish(model, loss=bad if where == "loss" else 1.0)

    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), before, strict=True))
