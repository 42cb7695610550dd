"""An adapter made part of the base, with a report of what that changed.

Shape letters: rows and tokens of any number, V vocabulary or classes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headrace.errors import UserError
from headrace.models.adapters.attached import Adapters, adapted_layers, layer_weights
from headrace.models.adapters.config import Kind
from headrace.models.adapters.places import put_together, stacks
from headrace.models.build import Model

Measure = Callable[[Model], Tensor]
"""Logits of a model on rows of the caller's choice."""
NOT_PART: dict[Kind, str] = {
    "bottleneck": "its networks are no linear layers",
    "prompt": "its vectors belong to no token",
    "prefix": "its keys and values belong to no token",
}


@dataclass(frozen=True)
class Drift:
    """Differences of logits, before and after, of all of them at once."""

    largest: float
    mean: float


@dataclass(frozen=True)
class DriftReport:
    """What merging changed: rounding alone, if all is well."""

    fp32: Drift
    bf16: Drift
    """With products in bf16, where the merged weight is rounded as a whole and no longer in two parts."""
    updates: dict[str, float]
    """Of each layer, the norm of what was added in parts of the norm of what was there."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@torch.no_grad()
def merge(adapters: Adapters, measure: Measure) -> DriftReport:
    """Adds the adapter in use to the weights of its model, which is a plain model from then on; other adapters go.

    measure: gives the logits that are compared, with dropout off. Raises UserError for kinds that are no change of
    weights.
    """
    model, name, kind = adapters.model, adapters.active, adapters.config.kind
    if kind in NOT_PART:
        raise UserError(f"adapter {name!r} is {kind}, which cannot be merged: {NOT_PART[kind]}.")
    before = _both(model, measure)
    updates = {}
    for path, layer in adapted_layers(model).items():
        if not dict(layer_weights(layer, name)):
            continue
        old = layer.get_base_layer().weight.clone()
        layer.merge(adapter_names=[name])
        updates[path] = float((layer.get_base_layer().weight - old).norm() / old.norm())
    take_out(adapters)
    after = _both(model, measure)
    return DriftReport(_drift(before[0], after[0]), _drift(before[1], after[1]), updates)


def take_out(adapters: Adapters) -> Model:
    """The plain model again, with its weights as they are now and without any adapter. Weights stay frozen."""
    model = adapters.model
    for path, layer in adapted_layers(model).items():
        base = getattr(layer, "base_layer", None)
        if isinstance(base, nn.Linear):
            model.set_submodule(path, base)
    put_together(model)
    for _, stack in stacks(model):
        stack.prompt, stack.first_position = None, 0
        for block in stack.typed_blocks:
            block.attention.prefix = None
    adapters.attached.clear()
    adapters.active = ""
    return model


def _both(model: Model, measure: Measure) -> tuple[Tensor, Tensor]:
    """Logits in float32, and with products in bf16."""
    training, dtype = model.training, model.compute_dtype
    device = next(model.parameters()).device.type
    model.eval()
    try:
        exact = measure(model).float()
        model.compute_dtype = torch.bfloat16
        with torch.autocast(device, torch.bfloat16):
            rough = measure(model).float()
    finally:
        model.compute_dtype = dtype
        model.train(training)
    return exact, rough


def _drift(before: Tensor, after: Tensor) -> Drift:
    difference = (before - after).abs()
    return Drift(float(difference.max()), float(difference.mean()))
