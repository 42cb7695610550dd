"""One of our models as a GGUF file."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.models.build import Model
from headrace.models.config import ModelConfig
from headrace.models.families import Facts, family_for
from headrace.models.foreign_weights import foreign_tensors
from headrace.models.gguf_files.layout import KINDS, Array, package, their_name, to_theirs
from headrace.models.positions import rotary_base
from headrace.models.unscaled import unscaled
from headrace.tokens.formats.gguf_fields import gguf_fields

GGUFType = Literal["f32", "f16", "q8_0"]
ALWAYS_FLOAT32 = ("norm", "position_embd")  # as llama.cpp's own converter has it: they are small and they matter


def write_model(
    model: Model,
    path: Path,
    *,
    facts: Facts,
    tokenizer: Tokenizer,
    kind: GGUFType,
    begins: bool,
    chat_template: str | None = None,
) -> None:
    """Writes a file in one step; matrices are stored as `kind`, vectors in float32.

    begins: whether a prompt begins with the token for that. Raises InputError for a model or a tokenizer that llama.cpp
    has no name for.
    """
    model, gguf = unscaled(model), package()
    family = family_for(model.config)
    if wrong := _not_written(family.model_type, model.config):
        raise InputError(f"llama.cpp has no counterpart for {wrong}, so the model cannot be written as GGUF.")
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    writer = gguf.GGUFWriter(temporary, family.model_type)
    try:
        _add_sizes(writer, family.model_type, model.config, facts)
        _add_tokenizer(writer, gguf_fields(tokenizer, vocabulary_size=facts.vocabulary_size), facts, begins=begins)
        if chat_template is not None:
            writer.add_chat_template(chat_template)
        writer.add_file_type(gguf.LlamaFileType[{"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}[kind]])
        for name, tensor in foreign_tensors(model, family):
            array = to_theirs(name, tensor.numpy(), kind=family.model_type, config=model.config)
            _add_tensor(writer, their_name(name, family.model_type, model.config.depth), array, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _not_written(kind: str, config: ModelConfig) -> str | None:
    """The first setting that llama.cpp's files of this kind cannot carry."""
    if kind not in KINDS:
        return f"models of the kind {kind}"
    if config.sliding_window is not None:
        return "sliding_window"
    if config.rope_scaling is not None and config.rope_scaling.kind == "llama3":
        return "rope_scaling of kind llama3"
    usual = {"gpt2": "gelu_tanh"}.get(kind, "silu")
    if config.activation != usual:
        return f"activation {config.activation}"
    return "attention_scale" if config.attention_scale is not None else None


def _add_sizes(writer: Any, kind: str, config: ModelConfig, facts: Facts) -> None:
    writer.add_context_length(config.max_positions if kind == "gpt2" else facts.max_positions)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.depth)
    writer.add_feed_forward_length(config.feed_forward)
    writer.add_head_count(config.heads)
    if kind == "gpt2":
        writer.add_layer_norm_eps(config.norm_epsilon)
        return
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_vocab_size(facts.vocabulary_size)
    writer.add_rope_freq_base(rotary_base(config))
    scaling = config.rope_scaling
    if scaling is not None and scaling.kind != "ntk":
        writer.add_rope_scaling_type(package().RopeScalingType(scaling.kind))
        writer.add_rope_scaling_factor(scaling.factor)
        if scaling.original_positions is not None:
            writer.add_rope_scaling_orig_ctx_len(scaling.original_positions)


def _add_tokenizer(writer: Any, fields: dict[str, Any], facts: Facts, *, begins: bool) -> None:
    writer.add_tokenizer_model(fields["model"])
    writer.add_tokenizer_pre(fields["pre"])
    writer.add_token_list(fields["tokens"])
    writer.add_token_types(fields["token_type"])
    writer.add_token_merges(fields["merges"])
    writer.add_add_bos_token(begins)
    writer.add_add_space_prefix(False)
    if facts.begin_token is not None:
        writer.add_bos_token_id(facts.begin_token)
    if facts.end_tokens:
        writer.add_eos_token_id(facts.end_tokens[0])
    if facts.pad_token is not None:
        writer.add_pad_token_id(facts.pad_token)


def _add_tensor(writer: Any, name: str, array: Array, kind: GGUFType) -> None:
    gguf = package()
    if array.ndim < 2 or kind == "f32" or any(part in name for part in ALWAYS_FLOAT32):
        writer.add_tensor(name, array)
        return
    fits = array.shape[-1] % gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.Q8_0][0] == 0
    if kind == "f16" or not fits:
        writer.add_tensor(name, array.astype(np.float16))
        return
    stored = gguf.quants.quantize(array, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor(name, stored, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
