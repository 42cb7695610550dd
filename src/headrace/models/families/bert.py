"""BERT: an encoder with LayerNorm behind each branch, learnt positions, token types."""

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

TRANSFORM = "cls.predictions.transform"
OUTER = {
    "embedding": "bert.embeddings.word_embeddings",
    "embedding.token_type": "bert.embeddings.token_type_embeddings",
    "embedding.position": "bert.embeddings.position_embeddings",
    "embedding.norm": "bert.embeddings.LayerNorm",
    "transform.dense": f"{TRANSFORM}.dense",
    "transform.norm": f"{TRANSFORM}.LayerNorm",
    "pooler": "bert.pooler.dense",
    "head": "cls.predictions.decoder",
}
INNER = {
    "attention_norm": ("attention.output.LayerNorm",),
    "attention.query_key_value": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.output": ("attention.output.dense",),
    "feed_forward_norm": ("output.LayerNorm",),
    "feed_forward.up": ("intermediate.dense",),
    "feed_forward.down": ("output.dense",),
}
FIXED: dict[str, Any] = {
    "shape": "encoder",
    "norm": "layer",
    "norm_place": "post",
    "positions": "learned",
    "gated": False,
    "qkv_bias": True,
    "output_bias": True,
    "feed_forward_bias": True,
    "embedding_norm": True,
}
NOT_KEPT = ("position_ids", "cls.predictions.decoder.bias", "seq_relationship.weight", "seq_relationship.bias")
"""Constants, a second copy of the head's bias, and the guess whether two sentences follow each other."""


class Bert:
    """BERT with or without its head that guesses masked tokens, with or without its pooler."""

    model_type = "bert"

    def read(self, foreign: Foreign, tensors: Tensors) -> ModelConfig:
        refuse(foreign, "is_decoder", "add_cross_attention")
        has_head = f"{TRANSFORM}.dense.weight" in tensors
        if has_head and not foreign.get("tie_word_embeddings", True):
            raise UnsuitedError("a BERT whose head is not the embedding is not supported")
        heads = foreign["num_attention_heads"]
        return ModelConfig(
            depth=foreign["num_hidden_layers"],
            width=foreign["hidden_size"],
            heads=heads,
            kv_heads=heads,
            feed_forward=foreign["intermediate_size"],
            norm_epsilon=foreign.get("layer_norm_eps", 1e-12),
            max_positions=foreign["max_position_embeddings"],
            token_types=foreign.get("type_vocab_size", 2),
            activation=read_activation(foreign.get("hidden_act", "gelu")),
            dropout=float(foreign.get("hidden_dropout_prob", 0.1)),
            attention_dropout=float(foreign.get("attention_probs_dropout_prob", 0.1)),
            head_transform=has_head,
            head_bias=has_head,
            pooler="bert.pooler.dense.weight" in tensors,
            **FIXED,
        )

    def facts(self, foreign: Foreign) -> Facts:
        return read_facts(foreign, max_positions=foreign["max_position_embeddings"])

    def misfits(self, config: ModelConfig) -> list[str]:
        free = {"max_positions", "activation", "kv_heads", "rope_theta"}
        free |= {"token_types", "head_transform", "head_bias", "pooler"}
        wrong = ["kv_heads"] if config.kv_heads != config.heads else []
        wrong += ["head_bias"] if config.head_bias != config.head_transform else []
        wrong += ["token_types"] if not config.token_types else []
        return misfits_of(config, free=free, fixed=FIXED) + wrong

    def write(self, config: ModelConfig, facts: Facts) -> dict[str, Any]:
        both = config.head_transform and config.pooler
        kind = "BertForPreTraining" if both else "BertForMaskedLM" if config.head_transform else "BertModel"
        return {
            "architectures": [kind],
            "model_type": self.model_type,
            **facts.as_json(),
            "hidden_size": config.width,
            "intermediate_size": config.feed_forward,
            "num_hidden_layers": config.depth,
            "num_attention_heads": config.heads,
            "max_position_embeddings": config.max_positions,
            "type_vocab_size": config.token_types,
            "layer_norm_eps": config.norm_epsilon,
            "hidden_act": ACTIVATION_NAMES[config.activation],
            "hidden_dropout_prob": config.dropout,
            "attention_probs_dropout_prob": config.attention_dropout,
        }

    def pieces(self, name: str, config: ModelConfig) -> tuple[Piece, ...]:
        if name == "head_bias":
            return (Piece("cls.predictions.bias"),)
        inside = block_and_rest(name)
        if inside is None:
            layer, suffix = name.rsplit(".", 1)
            return with_suffix((OUTER[layer],), suffix)
        _, block, rest = inside
        layer, suffix = rest.rsplit(".", 1)
        return with_suffix(tuple(f"bert.encoder.layer.{block}.{stem}" for stem in INNER[layer]), suffix)

    def plain_name(self, name: str) -> str | None:
        if name.endswith(NOT_KEPT):
            return None
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        return f"bert.{name}" if name.startswith(("embeddings.", "encoder.", "pooler.")) else name
