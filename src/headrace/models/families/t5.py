"""T5, the first and 1.1: an encoder-decoder with relative positions and without biases."""

from typing import Any

import torch

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
    with_suffix,
)

OUTER = {
    "embedding.weight": "shared.weight",
    "head.weight": "lm_head.weight",
    "norm.weight": "decoder.final_layer_norm.weight",
    "source.norm.weight": "encoder.final_layer_norm.weight",
    "relative.weight": "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
    "source.relative.weight": "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
}
SELF, CROSS = "layer.0.SelfAttention", "layer.1.EncDecAttention"
INNER = {
    "attention_norm": ("layer.0.layer_norm",),
    "attention.query_key_value": (f"{SELF}.q", f"{SELF}.k", f"{SELF}.v"),
    "attention.output": (f"{SELF}.o",),
    "source_norm": ("layer.1.layer_norm",),
    "source_attention.query": (f"{CROSS}.q",),
    "source_attention.key_value": (f"{CROSS}.k", f"{CROSS}.v"),
    "source_attention.output": (f"{CROSS}.o",),
    "feed_forward_norm": ("layer.LAST.layer_norm",),
    "feed_forward.up": ("layer.LAST.DenseReluDense.wi",),
    "feed_forward.gate_up": ("layer.LAST.DenseReluDense.wi_0", "layer.LAST.DenseReluDense.wi_1"),
    "feed_forward.down": ("layer.LAST.DenseReluDense.wo",),
}
FIXED: dict[str, Any] = {"shape": "encoder_decoder", "positions": "relative", "attention_scale": 1.0}
COPIES = (
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
)
"""Of `shared.weight`; and a table that nobody uses."""


def _is_tied(tensors: Tensors) -> bool:
    """Whether there is no head of its own: transformers says `tied` of every T5, whatever its weights are."""
    head, embedding = tensors.get("lm_head.weight"), tensors.get("shared.weight")
    return head is None or (embedding is not None and torch.equal(head, embedding))


class T5:
    """T5, T5 1.1 (gated, unscaled logits), mT5-like sizes under the name `t5`."""

    model_type = "t5"

    def read(self, foreign: Foreign, tensors: Tensors) -> ModelConfig:
        gated, _, activation = str(foreign.get("feed_forward_proj", "relu")).rpartition("-")
        if gated not in ("", "gated"):
            given = foreign["feed_forward_proj"]
            raise UnsuitedError(f"feed_forward_proj is {given!r}, wanted ACTIVATION or gated-ACTIVATION")
        if (gated, activation) == ("gated", "gelu"):
            activation = "gelu_new"  # as transformers reads it
        heads, width, depth = foreign["num_heads"], foreign["d_model"], foreign["num_layers"]
        scales = foreign.get("scale_decoder_outputs", foreign.get("tie_word_embeddings", True) is not False)
        return ModelConfig(
            depth=foreign.get("num_decoder_layers") or depth,
            source_depth=depth,
            width=width,
            heads=heads,
            kv_heads=heads,
            head_size=foreign["d_kv"],
            feed_forward=foreign["d_ff"],
            tied=_is_tied(tensors),
            norm_epsilon=foreign.get("layer_norm_epsilon", 1e-6),
            relative_buckets=foreign.get("relative_attention_num_buckets", 32),
            relative_distance=foreign.get("relative_attention_max_distance", 128),
            activation=read_activation(activation),
            gated=bool(gated),
            logit_scale=width**-0.5 if scales else 1.0,
            dropout=float(foreign.get("dropout_rate", 0.1)),
            attention_dropout=float(foreign.get("dropout_rate", 0.1)),
            **FIXED,
        )

    def facts(self, foreign: Foreign) -> Facts:
        return read_facts(foreign, max_positions=foreign.get("n_positions", 512))

    def misfits(self, config: ModelConfig) -> list[str]:
        free = {"tied", "activation", "gated", "kv_heads", "rope_theta", "head_size", "source_depth", "logit_scale"}
        free |= {"relative_buckets", "relative_distance", "max_positions"}
        wrong = ["kv_heads"] if config.kv_heads != config.heads else []
        wrong += ["logit_scale"] if config.logit_scale not in (1.0, config.width**-0.5) else []
        wrong += ["activation"] if config.gated and config.activation == "gelu" else []
        return misfits_of(config, free=free, fixed=FIXED) + wrong

    def write(self, config: ModelConfig, facts: Facts) -> dict[str, Any]:
        scales = config.logit_scale != 1.0
        name = ACTIVATION_NAMES[config.activation]
        return {
            "architectures": ["T5ForConditionalGeneration"],
            "model_type": self.model_type,
            **facts.as_json(),
            "is_encoder_decoder": True,
            "decoder_start_token_id": facts.start_token,
            "d_model": config.width,
            "d_kv": config.head_width,
            "d_ff": config.feed_forward,
            "num_layers": config.encoder_depth,
            "num_decoder_layers": config.depth,
            "num_heads": config.heads,
            "n_positions": facts.max_positions,
            "relative_attention_num_buckets": config.relative_buckets,
            "relative_attention_max_distance": config.relative_distance,
            "layer_norm_epsilon": config.norm_epsilon,
            "feed_forward_proj": f"gated-{name}" if config.gated else name,
            "dropout_rate": config.dropout,
            "scale_decoder_outputs": scales,
            "tie_word_embeddings": config.tied,
        }

    def pieces(self, name: str, config: ModelConfig) -> tuple[Piece, ...]:
        inside = block_and_rest(name)
        if inside is None:
            return (Piece(OUTER[name]),)
        side, block, rest = inside
        stack, last = ("encoder", "1") if side else ("decoder", "2")
        layer, suffix = rest.rsplit(".", 1)
        stems = tuple(f"{stack}.block.{block}.{stem.replace('LAST', last)}" for stem in INNER[layer])
        return with_suffix(stems, suffix)

    def plain_name(self, name: str) -> str | None:
        return None if name in COPIES else name
