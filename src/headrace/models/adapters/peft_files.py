"""Folders that peft loads onto the twin in transformers, out and in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from headrace.errors import InputError
from headrace.models.adapters import peft_config
from headrace.models.adapters.attached import Adapters, weights_of
from headrace.models.adapters.config import AdapterConfig
from headrace.models.adapters.injection import add_adapter
from headrace.models.adapters.peft_config import UnknownAdapterError
from headrace.models.adapters.peft_tensors import (
    PREFIX,
    VIRTUAL,
    layer_tensors,
    put_back,
    put_prefix_back,
    taken_out,
)
from headrace.models.adapters.places import TwinNames, places
from headrace.models.build import Model
from headrace.models.hugging_face import write_json
from headrace.store import write_file

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LOADED_STEPS = 1_000_000  # AdaLoRA's plan in an adapter that is read: shares of it are exact to a millionth


def save_peft(
    adapters: Adapters,
    folder: Path,
    *,
    base: str,
    name: str | None = None,
    task: str | None = None,
    num_steps: int = 1_000,
) -> None:
    """Writes an adapter, the one in use if none is named, as peft would from the model's twin.

    base: where the base lies, for whoever loads the adapter. task: peft's `task_type`, where it is not what the shape
    says; heads are written with it. num_steps: steps of the stage, which AdaLoRA's entries speak of.
    """
    name = name or adapters.active
    attached, model = adapters.attached[name], adapters.model
    twin = TwinNames(model.config, bare=_is_bare(model, adapters.heads))
    names = {layer: twin.of(layer) for layer in attached.layers}
    short = _short_names(model, twin, names)
    entries = peft_config.written(
        attached.config,
        model.config,
        names=sorted({short[layer] for layer in names}),
        inner=sorted({short[layer] for layer in names if layer.endswith("feed_forward.down")}),
        transposed=any(twin.is_transposed(layer) for layer in names),
        task=task,
        num_steps=num_steps,
    )
    if attached.ranks and (kept := attached.ranks.kept()):
        entries["rank_pattern"] = {f"{twin.of(layer)}.lora_E": mask for layer, mask in kept.items()}
    tensors = taken_out(adapters, name, twin=twin)
    if adapters.heads:
        entries["modules_to_save"] = sorted(adapters.heads)
        tensors |= _heads_out(adapters.heads)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))
    write_json(folder / CONFIG, entries | {"base_model_name_or_path": base})


def load_peft(
    model: Model,
    folder: Path,
    *,
    name: str = "default",
    beside: Adapters | None = None,
    heads: Mapping[str, nn.Module] | None = None,
) -> Adapters:
    """An adapter from a folder, ours or peft's, in use from then on.

    beside: the adapters that the model already has. Raises InputError, naming the file, for one that is missing or
    damaged, that does not fit the model, or that has what we do not have.
    """
    adapters = beside
    if adapters is None:
        model.requires_grad_(False)
        adapters = Adapters(model, heads)
    entries, tensors = _read(folder)
    try:
        config = peft_config.read(entries)
        _fill(adapters, name, config, entries=entries, tensors=tensors)
    except (UnknownAdapterError, ValidationError) as error:
        raise InputError(f"{folder / CONFIG}: {error}.") from error
    except (KeyError, RuntimeError, TypeError, IndexError) as error:
        raise InputError(f"{folder / WEIGHTS}: not the weights that {CONFIG} describes ({error}).") from error
    return adapters


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        entries = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{folder}: no readable adapter ({error}). Wanted {CONFIG} and {WEIGHTS}.") from error
    if not isinstance(entries, dict):
        raise InputError(f"{folder / CONFIG}: not a JSON object.")
    return entries, tensors


def _fill(
    adapters: Adapters, name: str, config: AdapterConfig, *, entries: Mapping[str, Any], tensors: dict[str, Tensor]
) -> None:
    model = adapters.model
    tensors = _heads_in(adapters.heads, tensors)
    if VIRTUAL in tensors:
        add_adapter(adapters, name, config, seed=0, num_steps=LOADED_STEPS)
        if config.prefix is not None:
            put_prefix_back(model, name, tensor=tensors[VIRTUAL])
        else:
            _put_prompt(model, name, tensors[VIRTUAL])
        return
    layers = _layers_by_twin(model, config)
    found, left = layer_tensors(tensors, layers)
    if left or not found:
        raise UnknownAdapterError(f"this model has no place for {', '.join(sorted(left)[:3]) or 'its layers'}")
    chosen = [layer for layer in layers.values() if layer in found]
    add_adapter(adapters, name, config, seed=0, num_steps=LOADED_STEPS, layers=list(dict.fromkeys(chosen)))
    kept = _kept(entries, layers)
    put_back(model, name, tensors=found, kept=kept)
    if (ranks := adapters.attached[name].ranks) and kept:
        ranks.decide(kept)


@torch.no_grad()
def _put_prompt(model: Model, name: str, tensor: Tensor) -> None:
    (weight,) = weights_of(model, name).values()
    weight.copy_(tensor[: len(weight)])  # peft saves as many again for the target of a T5, and does not use them


def _kept(entries: Mapping[str, Any], layers: Mapping[str, str]) -> dict[str, list[bool]]:
    pattern = entries.get("rank_pattern") or {}
    return {layers[key.partition(".lora_E")[0]]: mask for key, mask in pattern.items()}


def _layers_by_twin(model: Model, config: AdapterConfig) -> dict[str, str]:
    """Every layer that an adapter might be on, by what the twin may call it."""
    # peft scales any layer that it is told to, not only those that the paper scales.
    ours = places(model, "bottleneck" if config.bottleneck else "lora", "all")
    return {TwinNames(model.config, bare=bare).of(layer): layer for bare in (False, True) for layer in ours}


def _short_names(model: Model, twin: TwinNames, names: Mapping[str, str]) -> dict[str, str]:
    """The last word of each layer's name where it means these layers alone, else all of it."""
    wanted = set(names.values())
    others = {found for found in _all_layers(model, twin) if found not in wanted}
    unclear = {other.rpartition(".")[2] for other in others}
    return {layer: name if (last := name.rpartition(".")[2]) in unclear else last for layer, name in names.items()}


def _all_layers(model: Model, twin: TwinNames) -> set[str]:
    found = set(map(twin.of, places(model, "lora", "all")))
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and "blocks." not in name:
            found.add(twin.of(name))
    return found


def _is_bare(model: Model, heads: Mapping[str, nn.Module]) -> bool:
    """Whether the twin is a stack with nothing around it."""
    return model.config.shape == "encoder" and not model.config.head_transform and not heads


def _heads_out(heads: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{PREFIX}{name}.{inner}": tensor.detach().float().contiguous()
        for name, head in heads.items()
        for inner, tensor in head.state_dict().items()
    }


def _heads_in(heads: Mapping[str, nn.Module], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fills the heads; returns the tensors that are left."""
    left = dict(tensors)
    for name, head in heads.items():
        head.load_state_dict({inner: left.pop(f"{PREFIX}{name}.{inner}") for inner in head.state_dict()})
    return left
