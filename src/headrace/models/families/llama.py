"""Llama and what is built like it: RMSNorm, rotary positions, gated feed-forward, grouped-query attention."""

from typing import Any

from headrace.models.config import ModelConfig
from headrace.models.families.family import (
    ACTIVATION_NAMES,
    Facts,
    Foreign,
    Piece,
    Tensors,
    UnsuitedError,
    block_and_rest,
    misfits_of,
    read_activation,
    read_facts,
    refuse,
    with_suffix,
)
from headrace.models.families.rope import read_rope, write_rope

OUTER = {
    "embedding.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
}
INNER = {
    "attention_norm": ("input_layernorm",),
    "attention.query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.output": ("self_attn.o_proj",),
    "attention.query_norm": ("self_attn.q_norm",),
    "attention.key_norm": ("self_attn.k_norm",),
    "feed_forward_norm": ("post_attention_layernorm",),
    "feed_forward.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "feed_forward.down": ("mlp.down_proj",),
}
FREE = {"kv_heads", "tied", "rope_theta", "rope_scaling", "head_size", "activation", "max_positions"}


class Llama:
    """Llama 1 to 3, SmolLM2 and others that say they are `llama`."""

    model_type = "llama"
    architecture = "LlamaForCausalLM"
    free = FREE | {"qkv_bias", "output_bias", "feed_forward_bias"}
    fixed: dict[str, Any] = {}

    def read(self, foreign: Foreign, tensors: Tensors) -> ModelConfig:
        refuse(foreign, *(option for option in ("use_sliding_window", "sliding_window") if self.model_type == "llama"))
        theta, scaling = read_rope(foreign)
        heads, width = foreign["num_attention_heads"], foreign["hidden_size"]
        head_size = foreign.get("head_dim") or width // heads
        return ModelConfig(
            depth=foreign["num_hidden_layers"],
            width=width,
            heads=heads,
            kv_heads=foreign.get("num_key_value_heads") or heads,
            feed_forward=foreign["intermediate_size"],
            tied=foreign.get("tie_word_embeddings", False),
            rope_theta=theta,
            rope_scaling=scaling,
            norm_epsilon=foreign["rms_norm_eps"],
            head_size=None if head_size * heads == width else head_size,
            activation=read_activation(foreign.get("hidden_act", "silu")),
            attention_dropout=foreign.get("attention_dropout") or 0.0,
            **self.read_more(foreign),
        )

    def read_more(self, foreign: Foreign) -> dict[str, Any]:
        """Settings in which those built like Llama differ."""
        attention = bool(foreign.get("attention_bias", False))
        return {
            "qkv_bias": attention,
            "output_bias": attention,
            "feed_forward_bias": bool(foreign.get("mlp_bias", False)),
        }

    def facts(self, foreign: Foreign) -> Facts:
        return read_facts(foreign, max_positions=foreign.get("max_position_embeddings", 2048))

    def misfits(self, config: ModelConfig) -> list[str]:
        uneven = ["output_bias"] if self.model_type == "llama" and config.output_bias != config.qkv_bias else []
        return misfits_of(config, free=self.free, fixed=self.fixed) + uneven

    def write(self, config: ModelConfig, facts: Facts) -> dict[str, Any]:
        theta, rope = write_rope(config)
        return {
            "architectures": [self.architecture],
            "model_type": self.model_type,
            **facts.as_json(),
            "hidden_size": config.width,
            "intermediate_size": config.feed_forward,
            "num_hidden_layers": config.depth,
            "num_attention_heads": config.heads,
            "num_key_value_heads": config.kv_heads,
            "head_dim": config.head_width,
            "hidden_act": ACTIVATION_NAMES[config.activation],
            "attention_dropout": config.attention_dropout,
            "max_position_embeddings": facts.max_positions,
            "rms_norm_eps": config.norm_epsilon,
            "rope_theta": theta,
            "rope_parameters": rope,
            "tie_word_embeddings": config.tied,
            **self.write_more(config),
        }

    def write_more(self, config: ModelConfig) -> dict[str, Any]:
        """Entries in which those built like Llama differ."""
        return {"attention_bias": config.qkv_bias, "mlp_bias": config.feed_forward_bias}

    def pieces(self, name: str, config: ModelConfig) -> tuple[Piece, ...]:
        inside = block_and_rest(name)
        if inside is None:
            return (Piece(OUTER[name]),)
        _, block, rest = inside
        layer, suffix = rest.rsplit(".", 1)
        return with_suffix(tuple(f"model.layers.{block}.{stem}" for stem in INNER[layer]), suffix)

    def plain_name(self, name: str) -> str | None:
        return None if name.endswith("rotary_emb.inv_freq") else name


class Mistral(Llama):
    """Llama with a sliding window in all blocks."""

    model_type = "mistral"
    architecture = "MistralForCausalLM"
    free = FREE | {"sliding_window"}

    def read_more(self, foreign: Foreign) -> dict[str, Any]:
        return {"sliding_window": foreign.get("sliding_window")}

    def write_more(self, config: ModelConfig) -> dict[str, Any]:
        return {"sliding_window": config.sliding_window}


def read_window(foreign: Foreign) -> dict[str, Any]:
    """Sliding window and the blocks without it, as the Qwen family writes them.

    Raises UnsuitedError if blocks with and without a window take turns.
    """
    if not foreign.get("use_sliding_window") or foreign.get("sliding_window") is None:
        return {}
    depth = foreign["num_hidden_layers"]
    kinds = foreign.get("layer_types")
    first = kinds.count("full_attention") if kinds else min(depth, foreign.get("max_window_layers", 28))
    if kinds and kinds != ["full_attention"] * first + ["sliding_attention"] * (depth - first):
        raise UnsuitedError("blocks with and without a sliding window take turns, which is not supported")
    return {"sliding_window": foreign["sliding_window"], "full_attention_blocks": first} if first < depth else {}


def write_window(config: ModelConfig) -> dict[str, Any]:
    """The same, as the Qwen family reads it."""
    if config.sliding_window is None:
        return {"use_sliding_window": False}
    return {
        "use_sliding_window": True,
        "sliding_window": config.sliding_window,
        "max_window_layers": config.full_attention_blocks,
    }
