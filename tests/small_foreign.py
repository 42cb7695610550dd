"""Small models of transformers that headrace has no modules for, as folders."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from small_road import VOCABULARY_SIZE

SIZES = {"vocab_size": VOCABULARY_SIZE, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
INNER = {**SIZES, "intermediate_size": 48, **TOKENS}
SIDES = {
    **{f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in
       {"layers": 2, "ffn_dim": 48, "attention_heads": 4}.items()},
    "vocab_size": VOCABULARY_SIZE, "d_model": 32, "max_position_embeddings": 64,
    "decoder_start_token_id": 0, "forced_eos_token_id": None, **TOKENS,
}  # fmt: skip
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "opt": (
        "OPTForCausalLM",
        {**SIZES, "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 64, **TOKENS},
    ),
    "gpt_neox": ("GPTNeoXForCausalLM", {**INNER, "max_position_embeddings": 64, "pad_token_id": None}),
    "gemma2": ("Gemma2ForCausalLM", {**INNER, "head_dim": 8, "num_key_value_heads": 2, "sliding_window": 8}),
    "mamba": ("MambaForCausalLM", {**SIZES, "state_size": 4, **TOKENS}),
    "roberta": ("RobertaForMaskedLM", {**INNER, "max_position_embeddings": 66}),
    "distilbert": (
        "DistilBertForMaskedLM",
        {"vocab_size": VOCABULARY_SIZE, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "pad_token_id": 1},
    ),
    "bart": ("BartForConditionalGeneration", SIDES),
}


def save_small(kind: str, folder: Path, *, tokenizer: Path | None = None, **given: Any) -> Any:
    """Writes a model with large weights and dropout of nothing, and its vocabulary; returns the model."""
    name, settings = MODELS[kind]
    cls = getattr(transformers, name)
    torch.manual_seed(1)
    with torch.random.fork_rng():
        model = cls(cls.config_class(**{**settings, **given}))
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    model.eval().save_pretrained(folder)
    if tokenizer is not None:
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
        described = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(described))
    return model
