"""Folders that transformers loads: our weights under the names of its Llama (or, with query-key norm, Qwen 3) family.

Joined projections are split and joined by rows; nothing is rounded, so a round trip is exact. Only safetensors and JSON
are read, never a pickle and never code.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from headrace.errors import InputError
from headrace.models.config import ModelConfig
from headrace.models.decoder import Decoder
from headrace.store import write_file

_PLAIN_NAMES = {
    "attention_norm.weight": "input_layernorm.weight",
    "attention.output.weight": "self_attn.o_proj.weight",
    "attention.query_norm.weight": "self_attn.q_norm.weight",
    "attention.key_norm.weight": "self_attn.k_norm.weight",
    "feed_forward_norm.weight": "post_attention_layernorm.weight",
    "feed_forward.down.weight": "mlp.down_proj.weight",
}
_JOINED_NAMES = {
    "attention.query_key_value.weight": (
        "self_attn.q_proj.weight",
        "self_attn.k_proj.weight",
        "self_attn.v_proj.weight",
    ),
    "feed_forward.gate_up.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
}


def save_decoder(decoder: Decoder, folder: Path, *, max_positions: int, end_token: int) -> None:
    """Writes `config.json`, `generation_config.json` and `model.safetensors` (float32), each in one step."""
    config = describe_decoder(decoder, max_positions=max_positions, end_token=end_token)
    tensors = {name: tensor.detach().float().contiguous() for name, tensor in _to_foreign(decoder)}
    write_file(folder / "config.json", json.dumps(config, indent=2).encode())
    generation = {"bos_token_id": end_token, "eos_token_id": end_token, "do_sample": True}
    write_file(folder / "generation_config.json", json.dumps(generation, indent=2).encode())
    write_file(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}))


def describe_decoder(decoder: Decoder, *, max_positions: int, end_token: int) -> dict[str, Any]:
    """The `config.json` of transformers' LlamaForCausalLM or Qwen3ForCausalLM for this decoder."""
    config = decoder.config
    family = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "mlp_bias": False}
    if config.qk_norm:
        family = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "use_sliding_window": False}
    return {
        **family,
        "vocab_size": decoder.vocabulary_size,
        "hidden_size": config.width,
        "intermediate_size": config.feed_forward,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "max_position_embeddings": max_positions,
        "rms_norm_eps": config.norm_epsilon,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "tie_word_embeddings": config.tied,
        "bos_token_id": end_token,
        "eos_token_id": end_token,
        "dtype": "float32",
    }


def load_decoder(folder: Path) -> Decoder:
    """A decoder with the weights of a Llama or Qwen 3 folder, ours or another's.

    Raises InputError, naming the file, for a missing or damaged file, another family, or options we do not have.
    """
    foreign = _read_config(folder)
    try:
        decoder = Decoder(_config_from_foreign(foreign, folder), foreign["vocab_size"])
    except (KeyError, TypeError, ValidationError) as error:
        reason = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": repr(error)}
        detail = " ".join(map(str, [*reason["loc"], reason["msg"]]))
        raise InputError(f"{folder / 'config.json'}: not a usable Llama or Qwen 3 config ({detail}).") from error
    path = folder / "model.safetensors"
    try:
        tensors = load_file(path)
        for name, parameter in decoder.named_parameters():
            _fill(parameter, torch.cat([tensors.pop(n) for n in _foreign_names(name)]))
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights that config.json describes ({error}).") from error
    tensors.pop("lm_head.weight", None)
    if tensors:
        raise InputError(f"{path}: tensors this model has no place for: {', '.join(sorted(tensors)[:3])}.")
    return decoder


@torch.no_grad()
def _fill(parameter: Tensor, tensor: Tensor) -> None:
    if tensor.shape != parameter.shape:  # copy_ would stretch what it can
        raise RuntimeError(f"a tensor of shape {tuple(tensor.shape)}, wanted {tuple(parameter.shape)}")
    parameter.copy_(tensor)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no readable model config ({error}). Give a folder saved by headrace or transformers."
        ) from error
    family = config.get("model_type") if isinstance(config, dict) else None
    if family not in ("llama", "qwen3"):
        raise InputError(f"{path}: model_type is {family!r}, wanted 'llama' or 'qwen3'.")
    return dict(config)


def _config_from_foreign(foreign: dict[str, Any], folder: Path) -> ModelConfig:
    rope = foreign.get("rope_parameters") or foreign.get("rope_scaling") or {}
    if (
        rope.get("rope_type", rope.get("type", "default")) != "default"
        or any(foreign.get(option) for option in ("attention_bias", "mlp_bias", "use_sliding_window"))
        or foreign.get("hidden_act", "silu") != "silu"
    ):
        raise InputError(
            f"{folder}: scaled rotary positions, biases, sliding windows and other activations than silu are not "
            "supported, wanted a plain Llama or Qwen 3."
        )
    if foreign.get("head_dim") not in (None, foreign["hidden_size"] // foreign["num_attention_heads"]):
        raise InputError(f"{folder}: head_dim {foreign['head_dim']} is not hidden_size / num_attention_heads.")
    return ModelConfig(
        depth=foreign["num_hidden_layers"],
        width=foreign["hidden_size"],
        heads=foreign["num_attention_heads"],
        kv_heads=foreign.get("num_key_value_heads") or foreign["num_attention_heads"],
        feed_forward=foreign["intermediate_size"],
        qk_norm=foreign["model_type"] == "qwen3",
        tied=foreign.get("tie_word_embeddings", False),
        rope_theta=float(rope.get("rope_theta") or foreign.get("rope_theta") or 10_000.0),
        norm_epsilon=foreign["rms_norm_eps"],
    )


def _foreign_names(name: str) -> tuple[str, ...]:
    """The tensor, or the tensors joined by rows, that one of our parameters is called elsewhere."""
    outer = {
        "embedding.weight": "model.embed_tokens.weight",
        "norm.weight": "model.norm.weight",
        "head.weight": "lm_head.weight",
    }
    if name in outer:
        return (outer[name],)
    _, layer, inner = name.split(".", 2)
    names = _JOINED_NAMES.get(inner) or (_PLAIN_NAMES[inner],)
    return tuple(f"model.layers.{layer}.{foreign}" for foreign in names)


def _to_foreign(decoder: Decoder) -> Iterator[tuple[str, Tensor]]:
    config = decoder.config
    kv_width = config.kv_heads * config.head_width
    for name, parameter in decoder.named_parameters():
        names = _foreign_names(name)
        rows = {1: [parameter.shape[0]], 2: [config.feed_forward] * 2, 3: [config.width, kv_width, kv_width]}[
            len(names)
        ]
        yield from zip(names, parameter.split(rows), strict=True)
