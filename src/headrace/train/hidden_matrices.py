"""Which of a model's parameters are matrices between hidden states, and which of those are several in one."""

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from headrace.models.config import ModelConfig
from headrace.models.foreign.model import Foreign
from headrace.models.transformer import Transformer

Rows = slice
"""Rows of a parameter that are one matrix."""


def hidden_matrices(model: nn.Module, *, per_head: bool = False) -> dict[str, list[Rows]]:
    """The weights of all products inside blocks, by parameter name: the matrices that each holds, in order.

    Embeddings and the head are not among them. Joined projections are taken apart, since a rule that looks at a matrix
    as a whole must not see three; with `per_head`, queries, keys and values are taken apart head by head.
    """
    found = dict[str, list[Rows]]()
    for prefix, foreign in _foreign(model):
        inside, head = set(foreign.inner.base_model.modules()), foreign.inner.get_output_embeddings()
        for name, module in foreign.named_modules(prefix=prefix):
            if isinstance(module, nn.Linear) and module in inside and module is not head:
                found[f"{name}.weight"] = _slices([len(module.weight)])
    for prefix, body in _bodies(model):
        for name, module in body.named_modules(prefix=prefix):
            if isinstance(module, nn.Linear) and module.weight is not body.head_weight:
                sizes = _joined(body.config, name.rpartition(".")[2], len(module.weight), per_head=per_head)
                found[f"{name}.weight"] = _slices(sizes)
    return found


def _bodies(model: nn.Module) -> Iterator[tuple[str, Transformer]]:
    """The Transformers in a model, with what the names of their parameters begin with."""
    for name, module in model.named_modules():
        if isinstance(module, Transformer):
            yield name, module


def _foreign(model: nn.Module) -> Iterator[tuple[str, Foreign]]:
    """The same of transformers' models, of which nothing is known but that a layer is one matrix."""
    for name, module in model.named_modules():
        if isinstance(module, Foreign):
            yield name, module


def _joined(config: ModelConfig, name: str, rows: int, *, per_head: bool) -> Sequence[int]:
    """How many rows each matrix in a weight of this name has."""
    heads: Mapping[str, tuple[int, ...]] = {
        "query_key_value": (config.heads, config.kv_heads, config.kv_heads),
        "key_value": (config.kv_heads, config.kv_heads),
        "query": (config.heads,),
    }
    if name in heads:
        width = rows // sum(heads[name])
        return [width] * sum(heads[name]) if per_head else [width * count for count in heads[name]]
    return [rows // 2] * 2 if name == "gate_up" else [rows]


def _slices(sizes: Sequence[int]) -> list[Rows]:
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
