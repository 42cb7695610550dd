"""The adapters of one model: which is in use, what learns, what a checkpoint holds."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headrace.errors import UserError
from headrace.models.adapters.config import AdapterConfig
from headrace.models.adapters.ranks import Ranks
from headrace.models.build import Model

Weights = dict[str, nn.Parameter]


@dataclass(frozen=True)
class Attached:
    """One adapter of a model."""

    config: AdapterConfig
    layers: tuple[str, ...]
    """Names of the layers it changes."""
    ranks: Ranks | None = None
    """Of AdaLoRA, while it is trained."""


class Adapters:
    """Adapters that share the frozen weights of one model. One of them is in use, and learns."""

    def __init__(self, model: Model, heads: Mapping[str, nn.Module] | None = None) -> None:
        self.model = model
        self.heads = dict(heads or {})
        """Layers outside the model that learn with every adapter, by the names that transformers gives them."""
        self.attached: dict[str, Attached] = {}
        self.active = ""

    @property
    def config(self) -> AdapterConfig:
        """Of the adapter in use."""
        return self.attached[self.active].config

    def use(self, name: str) -> None:
        """Switches to another adapter. Raises UserError if there is none of that name."""
        if name not in self.attached:
            raise UserError(f"no adapter {name!r}; there are {', '.join(self.attached) or 'none'}.")
        self.active = name
        self._switch(name)
        for other in self.attached:
            for parameter in weights_of(self.model, other).values():
                parameter.requires_grad_(other == name)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The model without any adapter, as a reference; heads stay as they are.

        Documents that begin with placeholders for a prompt are read with the placeholders' own vectors meanwhile.
        """
        self._switch(None)
        try:
            yield
        finally:
            self._switch(self.active)

    def _switch(self, name: str | None) -> None:
        for layer in adapted_layers(self.model).values():
            has = name is not None and bool(dict(layer_weights(layer, name)))
            if not hasattr(layer, "_disable_adapters"):
                layer.active = name if has else None
                continue
            # Not `enable_adapters`, which also makes weights learn or not: a graph may be waiting for its way back.
            layer._disable_adapters = not has
            if has:
                layer.set_adapter(name)
        prefix = self.attached[name].config.prefix if name is not None else None
        self.model.first_position = prefix.tokens if prefix else 0

    def trainable_parameters(self) -> Weights:
        """What learns, by name: the adapter in use, and the heads."""
        heads = {f"{name}.{inner}": p for name, head in self.heads.items() for inner, p in head.named_parameters()}
        return weights_of(self.model, self.active) | heads

    @property
    def num_trainable(self) -> int:
        return sum(parameter.numel() for parameter in self.trainable_parameters().values())

    def after_update(self, step: int) -> None:
        """What an adapter does behind the optimiser's step and before gradients are cleared.

        step: updates made, this one included. Gradients must be those of the whole global step, equal in all processes;
        AdaLoRA then takes the same ranks everywhere.
        """
        ranks = self.attached[self.active].ranks
        if ranks is not None:
            ranks.after_update(step)

    def penalty(self) -> Tensor | None:
        """What is added to the mean loss of a global step, once; None for kinds that add nothing."""
        ranks = self.attached[self.active].ranks
        return None if ranks is None else ranks.penalty()

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs beside the base and the optimiser, as tensors by name."""
        ranks = self.attached[self.active].ranks
        weights = {name: parameter.detach() for name, parameter in self.trainable_parameters().items()}
        return weights | (ranks.state() if ranks is not None else {})

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continues from what `state` gave. Raises KeyError if a weight is missing."""
        for name, parameter in self.trainable_parameters().items():
            parameter.copy_(state[name])
        ranks = self.attached[self.active].ranks
        if ranks is not None:
            ranks.restore(state)


def adapted_layers(model: Model) -> dict[str, Any]:
    """Layers of any adapter, by name."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "adapter_layer_names")}


def layer_weights(layer: Any, adapter: str) -> Iterator[tuple[str, nn.Parameter]]:
    """An adapter's weights in a layer, by the names that peft saves them under."""
    for kind in dict.fromkeys(layer.adapter_layer_names):
        container = getattr(layer, kind)
        if adapter not in container:
            continue
        if isinstance(container[adapter], nn.Parameter):
            yield kind, container[adapter]
        elif kind == "lora_magnitude_vector":
            yield kind, container[adapter].weight
        else:
            yield from ((f"{kind}.{name}", parameter) for name, parameter in container[adapter].named_parameters())


def weights_of(model: Model, adapter: str) -> Weights:
    """All weights of an adapter, by layer and name."""
    return {
        f"{name}.{kind}": parameter
        for name, layer in adapted_layers(model).items()
        for kind, parameter in layer_weights(layer, adapter)
    }
