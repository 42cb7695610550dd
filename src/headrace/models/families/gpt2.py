"""GPT-2: LayerNorm, learnt positions, biases everywhere; its matrices lie transposed."""

from typing import Any

from headrace.models.config import ModelConfig
from headrace.models.families.family import (
    ACTIVATION_NAMES,
    Facts,
    Foreign,
    Piece,
    Tensors,
    block_and_rest,
    misfits_of,
    read_activation,
    read_facts,
    refuse,
    with_suffix,
)

OUTER = {
    "embedding.weight": "transformer.wte.weight",
    "embedding.position.weight": "transformer.wpe.weight",
    "norm.weight": "transformer.ln_f.weight",
    "norm.bias": "transformer.ln_f.bias",
    "head.weight": "lm_head.weight",
}
INNER = {
    "attention_norm": "ln_1",
    "attention.query_key_value": "attn.c_attn",
    "attention.output": "attn.c_proj",
    "feed_forward_norm": "ln_2",
    "feed_forward.up": "mlp.c_fc",
    "feed_forward.down": "mlp.c_proj",
}
FIXED: dict[str, Any] = {
    "norm": "layer",
    "positions": "learned",
    "gated": False,
    "qkv_bias": True,
    "output_bias": True,
    "feed_forward_bias": True,
}


class GPT2:
    """GPT-2 and what is built like it."""

    model_type = "gpt2"

    def read(self, foreign: Foreign, tensors: Tensors) -> ModelConfig:
        refuse(foreign, "scale_attn_by_inverse_layer_idx", "add_cross_attention")
        heads, width = foreign["n_head"], foreign["n_embd"]
        return ModelConfig(
            depth=foreign["n_layer"],
            width=width,
            heads=heads,
            kv_heads=heads,
            feed_forward=foreign.get("n_inner") or 4 * width,
            tied=foreign.get("tie_word_embeddings", True),
            norm_epsilon=foreign.get("layer_norm_epsilon", 1e-5),
            max_positions=foreign["n_positions"],
            activation=read_activation(foreign.get("activation_function", "gelu_new")),
            attention_scale=None if foreign.get("scale_attn_weights", True) else 1.0,
            dropout=float(foreign.get("resid_pdrop", 0.1)),
            attention_dropout=float(foreign.get("attn_pdrop", 0.1)),
            **FIXED,
        )

    def facts(self, foreign: Foreign) -> Facts:
        return read_facts(foreign, max_positions=foreign["n_positions"])

    def misfits(self, config: ModelConfig) -> list[str]:
        free = {"attention_scale", "tied", "max_positions", "activation", "kv_heads", "rope_theta"}
        wrong = ["kv_heads"] if config.kv_heads != config.heads else []
        wrong += ["attention_scale"] if config.attention_scale not in (None, 1.0) else []
        return misfits_of(config, free=free, fixed=FIXED) + wrong

    def write(self, config: ModelConfig, facts: Facts) -> dict[str, Any]:
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": self.model_type,
            **facts.as_json(),
            "n_embd": config.width,
            "n_inner": config.feed_forward,
            "n_layer": config.depth,
            "n_head": config.heads,
            "n_positions": config.max_positions,
            "layer_norm_epsilon": config.norm_epsilon,
            "activation_function": ACTIVATION_NAMES[config.activation],
            "resid_pdrop": config.dropout,
            "embd_pdrop": config.dropout,
            "attn_pdrop": config.attention_dropout,
            "scale_attn_weights": config.attention_scale is None,
            "tie_word_embeddings": config.tied,
        }

    def pieces(self, name: str, config: ModelConfig) -> tuple[Piece, ...]:
        inside = block_and_rest(name)
        if inside is None:
            return (Piece(OUTER[name]),)
        _, block, rest = inside
        layer, suffix = rest.rsplit(".", 1)
        stem = f"transformer.h.{block}.{INNER[layer]}"
        return with_suffix((stem,), suffix, transposed="norm" not in layer)

    def plain_name(self, name: str) -> str | None:
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            return None  # the triangle of what may be seen
        return name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
