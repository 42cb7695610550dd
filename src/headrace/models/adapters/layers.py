"""Layers of adapters that peft has none for, and joined layers taken apart for those it has.

A layer holds the weights of any number of adapters by name, and uses those of the active one: it has
`adapter_layer_names`, as peft's own layers do.

Shape letters: B batch, T time, D width, K key-value heads, P learnt positions, C head width.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

FIRST_SPREAD = 0.02
"""Standard deviation of first weights that are not zero, as of the models themselves."""


class JoinedLinear(nn.Module):
    """Layers that read the same and whose outputs lie side by side: one of our joined layers, its rows apart.

    The parts share their memory with the joined weight, so that taking a layer apart costs none.
    """

    def __init__(self, joined: nn.Linear, names: tuple[str, ...], rows: list[int]) -> None:
        super().__init__()
        self.names = names
        weights = joined.weight.detach().split(rows)
        bias: nn.Parameter | None = joined.bias  # which torch says is always there
        biases = bias.detach().split(rows) if bias is not None else [None] * len(rows)
        for name, part, its_bias in zip(names, weights, biases, strict=True):
            self.add_module(name, _linear(part, its_bias))

    def forward(self, x_BTD: Tensor) -> Tensor:
        return torch.cat([getattr(self, name)(x_BTD) for name in self.names], dim=-1)

    def joined(self) -> nn.Linear:
        """One layer again; its parts must be plain ones."""
        parts = [getattr(self, name) for name in self.names]
        assert all(type(part) is nn.Linear for part in parts), "adapters are merged or taken out first"
        bias = None if parts[0].bias is None else torch.cat([part.bias.detach() for part in parts])
        return _linear(torch.cat([part.weight.detach() for part in parts]), bias)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A frozen layer with these weights."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


class Bottleneck(nn.Module):
    """A layer, and behind it a small network whose output is added. Source: Houlsby et al. 2019, section 2.1."""

    adapter_layer_names: ClassVar[tuple[str, ...]] = ("down", "up")

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.down, self.up = nn.ModuleDict(), nn.ModuleDict()
        self.active: str | None = None

    def add(self, name: str, width: int) -> None:
        """Makes the network of an adapter; it begins as one that adds nothing."""
        features = self.base_layer.out_features
        down, up = nn.Linear(features, width), nn.Linear(width, features)
        nn.init.normal_(down.weight, std=FIRST_SPREAD)
        for parameter in (down.bias, *up.parameters()):
            nn.init.zeros_(parameter)
        self.down[name], self.up[name] = down, up

    def forward(self, x_BTD: Tensor) -> Tensor:
        y_BTD = self.base_layer(x_BTD)
        if self.active is None:
            return y_BTD
        return y_BTD + self.up[self.active](functional.gelu(self.down[self.active](y_BTD)))


class SoftPrompt(nn.Module):
    """Learnt vectors in place of the first tokens of every document."""

    adapter_layer_names: ClassVar[tuple[str, ...]] = ("prompt_embeddings",)

    def __init__(self) -> None:
        super().__init__()
        self.prompt_embeddings = nn.ParameterDict()
        self.active: str | None = None

    def forward(self, x_BTD: Tensor, position_BT: Tensor) -> Tensor:
        if self.active is None:
            return x_BTD
        learnt_PD = self.prompt_embeddings[self.active]
        last = len(learnt_PD) - 1
        put_BTD = functional.embedding(position_BT.long().clamp(0, last), learnt_PD)
        return torch.where((position_BT <= last)[..., None], put_BTD.to(x_BTD.dtype), x_BTD)


class PrefixKeys(nn.Module):
    """Learnt keys and values before those of every row."""

    adapter_layer_names: ClassVar[tuple[str, ...]] = ("keys", "values")

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.values = nn.ParameterDict(), nn.ParameterDict()
        self.active: str | None = None

    def forward(self, key_BKTC: Tensor, value_BKTC: Tensor) -> tuple[Tensor, Tensor]:
        if self.active is None:
            return key_BKTC, value_BKTC
        return _before(self.keys[self.active], key_BKTC), _before(self.values[self.active], value_BKTC)


def _before(learnt_KPC: Tensor, own_BKTC: Tensor) -> Tensor:
    learnt_BKPC = learnt_KPC.to(own_BKTC.dtype).expand(len(own_BKTC), -1, -1, -1)
    return torch.cat([learnt_BKPC, own_BKTC], dim=2)
