"""The layers of a model that adapters go to, and what transformers calls them."""

from collections.abc import Iterator

from torch import nn

from headrace.models.adapters.config import Kind, Targets
from headrace.models.adapters.layers import JoinedLinear
from headrace.models.build import Model
from headrace.models.config import ModelConfig
from headrace.models.encoder_decoder import EncoderDecoder
from headrace.models.families import Family, family_for
from headrace.models.families.native import Native
from headrace.models.foreign_weights import rows_of
from headrace.models.transformer import Stack

PARTS = {"query_key_value": ("query", "key", "value"), "key_value": ("key", "value"), "gate_up": ("gate", "up")}
ATTENTION = ("attention.query_key_value", "attention.output")
SOURCE = ("source_attention.query", "source_attention.key_value", "source_attention.output")
FEED_FORWARD = ("feed_forward.gate_up", "feed_forward.up", "feed_forward.down")
BRANCH_ENDS = ("output", "down")
SCALED_BY_IA3 = ("key", "value", "query_key_value", "down")
"""The third where keys and values are not apart from queries, as in GPT-2: peft scales all three there."""


def stacks(model: Model) -> list[tuple[str, Stack]]:
    """The stacks of blocks of a model, each with the beginning of its layers' names."""
    return [("source.", model.source), ("", model)] if isinstance(model, EncoderDecoder) else [("", model)]


def places(model: Model, kind: Kind, targets: Targets) -> list[str]:
    """Names of the layers that an adapter of a kind goes to, those of a joined layer apart where transformers has them
    apart."""
    attention, feed_forward = targets != "feed_forward", targets != "attention"
    layers = (*(ATTENTION + SOURCE if attention else ()), *(FEED_FORWARD if feed_forward else ()))
    names = [name for prefix, stack in stacks(model) for name in _names(model, prefix, stack, layers)]
    chosen = {"ia3": SCALED_BY_IA3, "bottleneck": BRANCH_ENDS}.get(kind)
    return [name for name in names if chosen is None or name.rpartition(".")[2] in chosen]


def _names(model: Model, prefix: str, stack: Stack, layers: tuple[str, ...]) -> Iterator[str]:
    for index, block in enumerate(stack.blocks):
        for layer in layers:
            part, _, last = layer.partition(".")
            if last in getattr(block, part, nn.Module())._modules:
                name = f"{prefix}blocks.{index}.{layer}"
                yield from (f"{name}.{piece}" for piece in PARTS[last]) if _is_apart(name, model.config) else (name,)


def _is_apart(name: str, config: ModelConfig) -> bool:
    """Whether others have the parts of a layer as layers of their own."""
    family = family_for(config)
    is_joined = name.rpartition(".")[2] in PARTS
    return is_joined and (isinstance(family, Native) or len(family.pieces(f"{name}.weight", config)) > 1)


def take_apart(model: Model, names: list[str]) -> None:
    """Makes a layer of its own of each part that is named."""
    for name in dict.fromkeys(name.rpartition(".")[0] for name in names):
        layer = name.rpartition(".")[2]
        module = model.get_submodule(name)
        if layer in PARTS and isinstance(module, nn.Linear):
            rows = rows_of(f"{name}.weight", model.config, module.out_features)
            model.set_submodule(name, JoinedLinear(module, PARTS[layer], rows))


def put_together(model: Model) -> None:
    """Undoes `take_apart`, for all layers."""
    for name, module in [*model.named_modules()]:
        if isinstance(module, JoinedLinear):
            model.set_submodule(name, module.joined())


class TwinNames:
    """What the layers of a model are called in its twin, and back."""

    def __init__(self, config: ModelConfig, *, bare: bool) -> None:
        """bare: the twin has nothing around its stack, as `BertModel`: names then lack their first word."""
        self._config, self._family, self._bare = config, family_for(config), bare

    @property
    def family(self) -> Family:
        return self._family

    def of(self, name: str) -> str:
        """The twin's name of one of our layers."""
        parent, _, part = name.rpartition(".")
        parts = PARTS.get(parent.rpartition(".")[2], ())
        if part in parts:
            if isinstance(self._family, Native):
                return name
            found = self._family.pieces(f"{parent}.weight", self._config)[parts.index(part)].name
        else:
            found = self._family.pieces(f"{name}.weight", self._config)[0].name
        found = found.removesuffix(".weight")
        return found.removeprefix(f"{self._family.model_type}.") if self._bare else found

    def is_transposed(self, name: str) -> bool:
        """Whether the twin keeps that layer's matrix transposed."""
        if name.rpartition(".")[0].rpartition(".")[2] in PARTS:
            return False
        return self._family.pieces(f"{name}.weight", self._config)[0].transposed
