"""`adapter_model.safetensors`: the weights of an adapter under the twin's names, and back.

Shape letters: L blocks, K key-value heads, P learnt positions, C head width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from headrace.models.adapters.attached import Adapters, weights_of
from headrace.models.adapters.places import TwinNames
from headrace.models.build import Model

Named = dict[str, Tensor]
PREFIX = "base_model.model."
VIRTUAL = "prompt_embeddings"


def taken_out(adapters: Adapters, name: str, *, twin: TwinNames) -> Named:
    """An adapter's weights as peft saves them; AdaLoRA's without the ranks that were taken."""
    attached, model = adapters.attached[name], adapters.model
    if attached.config.prefix is not None:
        return {VIRTUAL: _prefix_out(model, name)}
    weights = {key: parameter.detach().float() for key, parameter in weights_of(model, name).items()}
    if attached.config.prompt is not None:
        return {VIRTUAL: next(iter(weights.values())).contiguous()}
    kept = attached.ranks.kept() if attached.ranks else {}
    found = {}
    for layer in attached.layers:
        for key, tensor in weights.items():
            if key.startswith(f"{layer}."):
                kind = key.removeprefix(f"{layer}.")
                found[f"{PREFIX}{twin.of(layer)}.{kind}"] = _cut(tensor, kind, kept.get(layer)).contiguous()
    return found


def _cut(tensor: Tensor, kind: str, kept: list[bool] | None) -> Tensor:
    if kept is None:
        return tensor
    mask = torch.tensor(kept)
    return tensor[:, mask] if kind == "lora_B" else tensor[mask]


def _prefix_out(model: Model, name: str) -> Tensor:
    """(P, L x 2 x K x C): keys, then values, of each block."""
    weights = weights_of(model, name)
    kinds = [(block, kind) for block in range(model.config.depth) for kind in ("keys", "values")]
    parts: list[Tensor] = [weights[f"blocks.{block}.attention.prefix.{kind}"] for block, kind in kinds]
    return torch.stack(parts).detach().float().permute(2, 0, 1, 3).flatten(1).contiguous()


def layer_tensors(tensors: Mapping[str, Tensor], layers: Mapping[str, str]) -> tuple[dict[str, Named], list[str]]:
    """Tensors by our layer and kind; and the names of those that belong to no layer.

    layers: ours, by the twin's name, with or without what stands around its stack.
    """
    found: dict[str, Named] = {}
    left = []
    for name, tensor in tensors.items():
        plain = name.removeprefix(PREFIX)
        stem, dot, kind = _split(plain)
        layer = layers.get(stem)
        if layer is None or not dot:
            left.append(name)
        else:
            found.setdefault(layer, {})[kind] = tensor
    return found, left


KINDS = ("lora_A", "lora_B", "lora_E", "lora_magnitude_vector", "ia3_l", "down", "up")


def _split(name: str) -> tuple[str, str, str]:
    """The layer's name and the weight's: `h.0.mlp.c_fc.lora_A.weight` as (`h.0.mlp.c_fc`, `.`, `lora_A.weight`)."""
    words = name.split(".")
    place = next((place for place in range(len(words) - 1, 0, -1) if words[place] in KINDS), 0)
    return ".".join(words[:place]), "." if place else "", ".".join(words[place:])


@torch.no_grad()
def put_back(model: Model, name: str, *, tensors: Mapping[str, Named], kept: Mapping[str, list[bool]]) -> None:
    """Sets an adapter's weights. Raises RuntimeError for a wrong shape, KeyError for a missing one."""
    weights = weights_of(model, name)
    for layer, kinds in tensors.items():
        for kind, tensor in kinds.items():
            weight = weights.pop(f"{layer}.{kind}")
            if layer not in kept:
                _set(weight, tensor)
                continue
            mask = torch.tensor(kept[layer])
            if kind == "lora_E":
                weight.zero_()
            _set(weight, tensor, mask=mask, columns=kind == "lora_B")
    if weights:
        raise KeyError(f"no tensor for {next(iter(weights))}")


@torch.no_grad()
def put_prefix_back(model: Model, name: str, *, tensor: Tensor) -> None:
    """Sets a prefix from peft's one tensor."""
    config, weights = model.config, weights_of(model, name)
    tokens = len(weights["blocks.0.attention.prefix.keys"][0])
    shape = (tokens, 2 * config.depth, config.kv_heads, config.head_width)
    if tensor.numel() != tokens * 2 * config.depth * config.key_value_width:
        raise RuntimeError(f"{VIRTUAL} of shape {tuple(tensor.shape)} for a prefix of shape {shape}")
    parts = tensor.reshape(shape).permute(1, 2, 0, 3)
    for block in range(config.depth):
        for offset, kind in enumerate(("keys", "values")):
            weights[f"blocks.{block}.attention.prefix.{kind}"].copy_(parts[2 * block + offset])


def _set(weight: Tensor, tensor: Tensor, *, mask: Tensor | None = None, columns: bool = False) -> None:
    if mask is None:
        if weight.shape != tensor.shape:
            raise RuntimeError(f"a tensor of shape {tuple(tensor.shape)}, wanted {tuple(weight.shape)}")
        weight.copy_(tensor)
    elif columns:
        weight[:, mask] = tensor.to(weight.dtype)
    else:
        weight[mask] = tensor.to(weight.dtype)
