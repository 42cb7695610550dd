"""Averages of weights are those of their definitions, whatever steps they have seen."""

from pathlib import Path

import pytest
import torch
from small_models import STEP_TOKENS, small_stage, train_and_listen
from small_road import Road
from torch import Tensor, nn

from headrace.models.hugging_face import load_decoder
from headrace.parallel import Group
from headrace.train.averaging import Average, weights_in_place
from headrace.train.schedule_config import EMAConfig, TailConfig
from headrace.train.stage import train_stage

NUM_STEPS, BATCH_TOKENS = 20, 100


def averaged(config: EMAConfig | TailConfig) -> tuple[Tensor, list[Tensor]]:
    """The average after all steps of a wandering weight, and the weight after each step, in float64."""
    model = nn.Linear(3, 2, bias=False)
    average = Average(config, NUM_STEPS, BATCH_TOKENS)
    seen = []
    generator = torch.Generator().manual_seed(1)
    for step in range(1, NUM_STEPS + 1):
        with torch.no_grad():
            model.weight.copy_(torch.randn(2, 3, generator=generator))
        average.update(model, step)
        seen.append(model.weight.detach().double().clone())
    return average.weights["weight"].double(), seen


def test_an_ema_halves_a_step_after_its_half_life() -> None:
    """Weights 2^(-age / 5), divided by their sum."""
    average, seen = averaged(EMAConfig(half_life_tokens=5 * BATCH_TOKENS))

    shares = torch.tensor([2.0 ** (-(NUM_STEPS - step) / 5) for step in range(1, NUM_STEPS + 1)], dtype=torch.float64)
    wanted = sum(share * weight for share, weight in zip(shares / shares.sum(), seen, strict=True))
    torch.testing.assert_close(average, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("share", "samples", "steps"),
    [(0.5, 5, [12, 14, 16, 18, 20]), (0.2, 10, [17, 18, 19, 20]), (1.0, 2, [10, 20]), (0.01, 1, [20])],
)
def test_a_tail_is_the_mean_of_evenly_spread_steps(share: float, samples: int, steps: list[int]) -> None:
    average, seen = averaged(TailConfig(share=share, samples=samples))

    wanted = torch.stack([seen[step - 1] for step in steps]).mean(0)
    torch.testing.assert_close(average, wanted, rtol=1e-5, atol=1e-6)


def test_other_weights_are_in_place_only_for_a_while() -> None:
    model = nn.Linear(3, 2)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    other = {name: weight + 1 for name, weight in before.items()}

    with weights_in_place(model, other):
        assert all(torch.equal(parameter, other[name]) for name, parameter in model.named_parameters())

    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


@pytest.mark.parametrize("publish", ["last", "average"])
def test_the_weights_asked_for_are_published(publish: str, road: Road, tmp_path: Path) -> None:
    settings = {"tokens": 6 * STEP_TOKENS, "average": TailConfig(share=1.0, samples=6), "warm_up": 0.0}
    plain = small_stage(road, tmp_path / "plain", tokens=6 * STEP_TOKENS, warm_up=0.0, publish="last")
    train_stage(plain, Group())
    stage = small_stage(road, tmp_path / publish, publish=publish, **settings)

    summary, told = train_and_listen(stage)

    ours, last = (dict(load_decoder(each.workspace.output).named_parameters()) for each in (stage, plain))
    same = all(torch.equal(ours[name], last[name]) for name in last)
    assert same == (publish == "last")
    watched = [record["loss"] for record in told if record["name"] == "validation_metrics"]
    assert summary["average_validation_loss"] != watched[-1]
    assert summary["published"] == publish
