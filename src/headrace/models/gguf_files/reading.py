"""A GGUF file as one of our models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer
from torch import Tensor

from headrace.errors import InputError
from headrace.models.build import Model
from headrace.models.config import ModelConfig
from headrace.models.families import FAMILIES, Facts, Family, UnsuitedError
from headrace.models.foreign_weights import fill, unfilled_model
from headrace.models.gguf_files.layout import KINDS, from_theirs, package, their_name
from headrace.models.hugging_face import reason_of
from headrace.tokens.formats.gguf import GGUFHeader, TensorEntry, read_header, tokenizer_of

Fields = dict[str, Any]


@dataclass(frozen=True)
class GGUFModel:
    """All that a file holds."""

    model: Model
    facts: Facts
    tokenizer: Tokenizer
    begins: bool
    """Whether a prompt begins with the token for that."""
    chat_template: str | None


def read_model(path: Path) -> GGUFModel:
    """The model and tokenizer in a file; its weights become float32.

    Raises InputError for a file that is damaged, of another kind, or of a type that the `gguf` package does not know.
    """
    header = read_header(path)
    fields, kind = header.fields, header.fields.get("general.architecture")
    if kind not in KINDS:
        raise InputError(f"{path}: a model of the kind {kind!r}, wanted one of {', '.join(KINDS)}.")
    family = FAMILIES[kind]
    try:
        foreign = _describe(kind, header)
        config, facts = family.read(foreign, {}), family.facts(foreign)
        model = unfilled_model(config, facts.vocabulary_size)
        fill(model, family, _tensors(path, header, model, family))
    except (KeyError, TypeError, ValidationError, UnsuitedError, RuntimeError) as error:
        what = str(error) if isinstance(error, UnsuitedError | RuntimeError) else reason_of(error)
        raise InputError(f"{path}: not a {kind} model that can be read ({what}).") from error
    return GGUFModel(
        model=model,
        facts=facts,
        tokenizer=tokenizer_of(fields, path),
        begins=bool(fields.get("tokenizer.ggml.add_bos_token", False)),
        chat_template=fields.get("tokenizer.chat_template"),
    )


def _describe(kind: str, header: GGUFHeader) -> dict[str, Any]:
    """The `config.json` of transformers for the fields of a header."""
    fields = header.fields

    def of_model(name: str) -> Any:
        return fields.get(f"{kind}.{name}")

    shared = {
        "vocab_size": header.tensors["token_embd.weight"].shape[0],
        "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": fields.get("tokenizer.ggml.eos_token_id"),
        "pad_token_id": fields.get("tokenizer.ggml.padding_token_id"),
        "tie_word_embeddings": "output.weight" not in header.tensors,
    }
    if kind == "gpt2":
        return shared | {
            "n_embd": of_model("embedding_length"),
            "n_inner": of_model("feed_forward_length"),
            "n_layer": of_model("block_count"),
            "n_head": of_model("attention.head_count"),
            "n_positions": of_model("context_length"),
            "layer_norm_epsilon": _as_written(of_model("attention.layer_norm_epsilon")),
        }
    return shared | {
        "hidden_size": of_model("embedding_length"),
        "intermediate_size": of_model("feed_forward_length"),
        "num_hidden_layers": of_model("block_count"),
        "num_attention_heads": of_model("attention.head_count"),
        "num_key_value_heads": of_model("attention.head_count_kv"),
        "head_dim": of_model("attention.key_length"),
        "max_position_embeddings": of_model("context_length"),
        "rms_norm_eps": _as_written(of_model("attention.layer_norm_rms_epsilon")),
        "rope_parameters": _describe_rope(kind, fields),
        "attention_bias": kind != "qwen2" and "blk.0.attn_q.bias" in header.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in header.tensors,
        "sliding_window": of_model("attention.sliding_window"),
    }


def _describe_rope(kind: str, fields: Fields) -> dict[str, Any]:
    rope = {"rope_theta": fields.get(f"{kind}.rope.freq_base", 10_000.0), "rope_type": "default"}
    scaling = fields.get(f"{kind}.rope.scaling.type", "none")
    if scaling != "none":
        rope["rope_type"] = scaling
        rope["factor"] = fields.get(f"{kind}.rope.scaling.factor")
        rope["original_max_position_embeddings"] = fields.get(f"{kind}.rope.scaling.original_context_length")
    return rope


def _as_written(value: float) -> float:
    """The short decimal that a float32 was made from."""
    return float(f"{value:.6g}")


def _tensors(path: Path, header: GGUFHeader, model: Model, family: Family) -> dict[str, Tensor]:
    """Every tensor of the file, under the names that transformers has for those of this model."""
    config: ModelConfig = model.config
    pieces = [piece for name, _ in model.named_parameters() for piece in family.pieces(name, config)]
    names = {their_name(piece.name, family.model_type, config.depth): piece.name for piece in pieces}
    data = np.memmap(path, np.uint8, "r")
    tensors = {}
    for name, entry in header.tensors.items():
        foreign = names.get(name, name)
        array = from_theirs(foreign, _read(data, entry, name), kind=family.model_type, config=config)
        tensors[foreign] = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    return tensors


def _read(data: Any, entry: TensorEntry, name: str) -> Any:
    """One tensor in float32. Raises RuntimeError for a type that is not known, or if the file ends before it does."""
    gguf = package()
    try:
        kind = gguf.GGMLQuantizationType(entry.kind)
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        *outer, inner = entry.shape
        shape = (*outer, inner // block * block_bytes)
        stored = data[entry.start : entry.start + int(np.prod(shape, dtype=np.int64))].reshape(shape)
        with np.errstate(invalid="ignore", over="ignore"):
            array = gguf.quants.dequantize(stored, kind).reshape(entry.shape)
        if not np.isfinite(array).all():
            raise ValueError("holds numbers that are not finite")
        return array
    except (ValueError, KeyError, NotImplementedError) as error:
        raise RuntimeError(f"{name}: {error}") from error
