"""The coordinate test: what one learning rate does to models of any width.

After some steps of Adam, the size of activations must not depend on the width if `base_width` is set, and does if it is
not. Source of the test: Yang et al. 2022, arXiv 2203.03466, section D.1.
"""

import math

import pytest
import torch
from small_road import Road
from torch import Tensor

from headrace.models import ModelConfig
from headrace.models.build import build_model
from headrace.models.decoder import Decoder
from headrace.models.initial import is_inner, learning_rate_scale
from headrace.tokens import BatchStream, TokenStore
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig

WIDTHS = (128, 256, 512)
BASE_WIDTH = 64
STEPS, RATE = 8, 3e-3
SEEDS = (1, 2, 3)


def config_of(width: int, base_width: int | None) -> ModelConfig:
    heads = width // 16
    return ModelConfig(depth=2, width=width, heads=heads, kv_heads=heads, feed_forward=2 * width, base_width=base_width)


def sizes_after_training(road: Road, width: int, base_width: int | None) -> dict[str, float]:
    """Root mean square of what blocks add to the stream and of the change of the logits; geometric means over seeds."""
    found = [sizes_of_one(road, config_of(width, base_width), seed) for seed in SEEDS]
    return {name: math.prod(sizes[name] for sizes in found) ** (1 / len(SEEDS)) for name in found[0]}


def sizes_of_one(road: Road, config: ModelConfig, seed: int) -> dict[str, float]:
    store = TokenStore(road.tokens, "train")
    batch = BatchStream(store, end_token=0, seed=1, batch_rows=8).batch(0)
    inputs = tuple(torch.from_numpy(array) for array in (batch.tokens_BT, batch.positions_BT, batch.documents_BT))
    target = torch.from_numpy(batch.targets_BT).long().flatten()
    model = build_model(config, 400, seed=seed)
    assert isinstance(model, Decoder)
    optimizer = build_optimizer(AdamWConfig(), model)
    seen: dict[str, Tensor] = {}
    for number, block in enumerate(model.blocks):
        block.attention.register_forward_hook(lambda *given, n=number: seen.update({f"attention {n}": given[2]}))
        block.feed_forward.register_forward_hook(lambda *given, n=number: seen.update({f"feed-forward {n}": given[2]}))

    def logits() -> Tensor:
        seen["stream"] = model(*inputs)
        return model.compare(seen["stream"]).flatten(0, 1)

    before = logits().detach()
    for _ in range(STEPS):
        torch.nn.functional.cross_entropy(logits(), target).backward()
        optimizer.set_rate(RATE)
        optimizer.step()
        optimizer.zero_grad()
    seen["change of logits"] = logits() - before
    seen.pop("stream")
    return {name: float(tensor.detach().square().mean().sqrt()) for name, tensor in seen.items()}


def growth(road: Road, *, scaled: bool) -> dict[str, float]:
    """Exponent of the width by which each size grows, from the slope over all widths."""
    found = [sizes_after_training(road, width, BASE_WIDTH if scaled else None) for width in WIDTHS]
    x = torch.tensor([math.log(width) for width in WIDTHS])
    x = x - x.mean()
    return {
        name: float((x * torch.tensor([math.log(sizes[name]) for sizes in found])).sum() / x.square().sum())
        for name in found[0]
    }


@pytest.mark.slow
def test_activations_keep_their_size_at_any_width_and_would_not_without_scaling(road: Road) -> None:
    flat, steep = growth(road, scaled=True), growth(road, scaled=False)

    print(flat, steep, sep="\n")
    assert all(abs(exponent) < 0.2 for exponent in flat.values()), flat
    assert max(steep.values()) > 0.5, steep


def test_only_inner_matrices_learn_slower_and_begin_smaller() -> None:
    config = config_of(128, BASE_WIDTH)
    model = build_model(config, 400, seed=1)
    plain = build_model(config_of(128, None), 400, seed=1)

    for (name, one), two in zip(model.named_parameters(), plain.parameters(), strict=True):
        inner = ".weight" in name and "norm" not in name and name != "embedding.weight"
        assert is_inner(name) == inner, name
        assert learning_rate_scale(name, config) == (0.5 if inner else 1.0)
        torch.testing.assert_close(one, two * (0.5**0.5 if inner else 1.0))


def test_at_the_base_width_nothing_changes() -> None:
    plain = config_of(64, None).model_copy(update={"heads": 1, "kv_heads": 1})
    scaled = plain.model_copy(update={"base_width": 64})
    one, two = build_model(plain, 400, seed=1), build_model(scaled, 400, seed=1)
    tokens = torch.arange(20)[None]

    assert isinstance(one, Decoder)
    assert isinstance(two, Decoder)
    assert torch.equal(one.logits(tokens), two.logits(tokens))


def test_an_optimizer_scales_the_rate_of_each_group() -> None:
    model = build_model(config_of(128, BASE_WIDTH), 400, seed=1)
    optimizer = build_optimizer(AdamWConfig(weight_decay=0.1), model)

    optimizer.set_rate(1e-2)

    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    decays = {parameter: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[parameter] == 1e-2 * learning_rate_scale(name, model.config), name
        assert decays[parameter] == (0.1 if parameter.dim() >= 2 else 0.0)
