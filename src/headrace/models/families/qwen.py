"""Qwen 2 and 3: Llama with biases on queries, keys and values, or with query-key norm; some with a sliding window."""

from typing import Any

from headrace.models.config import ModelConfig
from headrace.models.families.family import Foreign, UnsuitedError
from headrace.models.families.llama import FREE, Llama, read_window, write_window

WINDOW = {"sliding_window", "full_attention_blocks"}


class Qwen2(Llama):
    """Qwen 2 and 2.5."""

    model_type = "qwen2"
    architecture = "Qwen2ForCausalLM"
    free = (FREE - {"head_size"}) | WINDOW
    fixed: dict[str, Any] = {"qkv_bias": True}

    def read_more(self, foreign: Foreign) -> dict[str, Any]:
        if foreign.get("head_dim") not in (None, foreign["hidden_size"] // foreign["num_attention_heads"]):
            raise UnsuitedError(f"head_dim {foreign['head_dim']} is not hidden_size / num_attention_heads")
        return {"qkv_bias": True, **read_window(foreign)}

    def write_more(self, config: ModelConfig) -> dict[str, Any]:
        return write_window(config)


class Qwen3(Llama):
    """Qwen 3, dense."""

    model_type = "qwen3"
    architecture = "Qwen3ForCausalLM"
    free = FREE | WINDOW | {"qkv_bias", "output_bias"}
    fixed: dict[str, Any] = {"qk_norm": True}

    def misfits(self, config: ModelConfig) -> list[str]:
        uneven = ["output_bias"] if config.output_bias != config.qkv_bias else []
        return super().misfits(config) + uneven

    def read_more(self, foreign: Foreign) -> dict[str, Any]:
        bias = bool(foreign.get("attention_bias", False))
        return {"qk_norm": True, "qkv_bias": bias, "output_bias": bias, **read_window(foreign)}

    def write_more(self, config: ModelConfig) -> dict[str, Any]:
        return {"attention_bias": config.qkv_bias, **write_window(config)}
