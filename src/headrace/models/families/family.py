"""What a family of models is, and what several of them share."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from headrace.models.config import ModelConfig
from headrace.models.fields import Activation

Foreign = Mapping[str, Any]
"""A `config.json`."""
Tensors = Mapping[str, Tensor]


class UnsuitedError(ValueError):
    """A setting that the other side has no counterpart for."""


@dataclass(frozen=True)
class Piece:
    """A foreign tensor that is part of one of our parameters, joined with the others by rows."""

    name: str
    transposed: bool = False


@dataclass(frozen=True)
class Facts:
    """What a folder says of a model besides its network."""

    vocabulary_size: int
    max_positions: int
    """Longest context, in tokens."""
    begin_token: int | None = None
    end_tokens: tuple[int, ...] = ()
    """Each ends a text."""
    pad_token: int | None = None
    start_token: int | None = None
    """What the target of an encoder-decoder begins with."""

    def as_json(self) -> dict[str, Any]:
        """The entries of a `config.json` that all families write alike."""
        ends = list(self.end_tokens)
        return {
            "vocab_size": self.vocabulary_size,
            "bos_token_id": self.begin_token,
            "eos_token_id": ends if len(ends) > 1 else next(iter(ends), None),
            "pad_token_id": self.pad_token,
            "dtype": "float32",
        }


def read_facts(foreign: Foreign, *, max_positions: int) -> Facts:
    """The facts in a `config.json`. Raises KeyError if it does not say how many tokens there are."""
    ends = foreign.get("eos_token_id")
    return Facts(
        vocabulary_size=foreign["vocab_size"],
        max_positions=max_positions,
        begin_token=foreign.get("bos_token_id"),
        end_tokens=tuple(ends) if isinstance(ends, list) else () if ends is None else (ends,),
        pad_token=foreign.get("pad_token_id"),
        start_token=foreign.get("decoder_start_token_id"),
    )


class Family(Protocol):
    """How models of one `model_type` are described and named."""

    model_type: str

    def read(self, foreign: Foreign, tensors: Tensors) -> ModelConfig:
        """The config of a foreign model with these tensors, under their plain names.

        Raises UnsuitedError for what we would compute otherwise, KeyError for what is not there, ValidationError for
        what is wrong.
        """

    def facts(self, foreign: Foreign) -> Facts:
        """The rest of what its config says."""

    def misfits(self, config: ModelConfig) -> list[str]:
        """Names of the settings that this family cannot express."""

    def write(self, config: ModelConfig, facts: Facts) -> dict[str, Any]:
        """The `config.json` of one of our models that fits."""

    def pieces(self, name: str, config: ModelConfig) -> tuple[Piece, ...]:
        """The foreign tensors that one of our parameters is made of."""

    def plain_name(self, name: str) -> str | None:
        """A foreign tensor's name as `pieces` gives it. None: it holds nothing that others do not."""


ALWAYS_FREE = {"preset", "depth", "width", "heads", "feed_forward", "norm_epsilon"}
TRAINING_ONLY = {"dropout", "attention_dropout", "stochastic_depth"}
"""Which families do not all write, but which change nothing once training is over."""


def misfits_of(config: ModelConfig, *, free: Collection[str], fixed: Mapping[str, Any]) -> list[str]:
    """Settings that have another value than a family knows: the fixed one, or for those neither fixed nor free the
    default."""
    allowed = {*ALWAYS_FREE, *TRAINING_ONLY, *free}
    fields = type(config).model_fields
    return [
        name
        for name, field in fields.items()
        if name not in allowed and getattr(config, name) != fixed.get(name, field.default)
    ]


ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
ACTIVATION_NAMES: dict[Activation, str] = {
    "silu": "silu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_new",
    "relu": "relu",
}


def read_activation(name: object) -> Activation:
    """Our activation for transformers' name of it. Raises UnsuitedError for one that we do not have."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise UnsuitedError(f"the activation {name!r} is not known, wanted one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def refuse(foreign: Foreign, *options: str) -> None:
    """Raises UnsuitedError if one of the options is set."""
    for option in options:
        if foreign.get(option):
            raise UnsuitedError(f"{option} is {foreign[option]!r}, which is not supported")


def block_and_rest(name: str) -> tuple[str, str, str] | None:
    """`source.blocks.3.attention.output.weight` as (`source`, `3`, `attention.output.weight`); None outside blocks."""
    found = re.fullmatch(r"(source)?\.?blocks\.(\d+)\.(.+)", name)
    return (found[1] or "", found[2], found[3]) if found else None


def with_suffix(stems: tuple[str, ...], suffix: str, *, transposed: bool = False) -> tuple[Piece, ...]:
    """Pieces for the weights, or the biases, of some layers."""
    return tuple(Piece(f"{stem}.{suffix}", transposed and suffix == "weight") for stem in stems)
