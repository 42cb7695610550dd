"""Rotary positions as transformers writes them."""

import math
from typing import Any

from headrace.models.config import ModelConfig
from headrace.models.families.family import Foreign, UnsuitedError
from headrace.models.positions import rotary_base
from headrace.models.rotary_scaling import RotaryScaling

NAMES = {
    "original_positions": "original_max_position_embeddings",
    "low_frequency_factor": "low_freq_factor",
    "high_frequency_factor": "high_freq_factor",
}
OF_KIND = {
    "linear": ("factor",),
    "llama3": ("factor", "original_positions", "low_frequency_factor", "high_frequency_factor"),
    "yarn": ("factor", "original_positions", "beta_fast", "beta_slow", "truncate", "attention_factor"),
}
DEFAULT_THETA = 10_000.0


def read_rope(foreign: Foreign) -> tuple[float, RotaryScaling | None]:
    """Base and scaling. Raises UnsuitedError for a kind that we do not have."""
    rope = foreign.get("rope_parameters") or foreign.get("rope_scaling") or {}
    theta = float(rope.get("rope_theta") or foreign.get("rope_theta") or DEFAULT_THETA)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return theta, None
    if kind not in OF_KIND:
        raise UnsuitedError(f"rotary positions are scaled as {kind!r}, wanted default or one of {', '.join(OF_KIND)}")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise UnsuitedError("only a part of each head is rotated, which is not supported")
    given = {name: rope.get(NAMES.get(name, name)) for name in OF_KIND[kind]}
    if kind == "yarn" and given["attention_factor"] is None:
        given["attention_factor"] = _yarn_factor(rope)
    found = {name: value for name, value in given.items() if value is not None}
    whole = {"original_positions", "truncate"}
    settings = {name: value if name in whole else float(value) for name, value in found.items()}
    return theta, RotaryScaling.model_validate({"kind": kind, **settings})


def _yarn_factor(rope: Foreign) -> float | None:
    """What DeepSeek's two settings come to; None leaves it to the factor."""
    scale, all_dimensions = rope.get("mscale"), rope.get("mscale_all_dim")
    if not scale or not all_dimensions:
        return None
    above, below = (0.1 * given * math.log(rope["factor"]) + 1.0 for given in (scale, all_dimensions))
    return above / below


def write_rope(config: ModelConfig) -> tuple[float, dict[str, Any]]:
    """Base and parameters; `ntk` is nothing but another base."""
    theta, scaling = rotary_base(config), config.rope_scaling
    if scaling is None or scaling.kind == "ntk":
        return theta, {"rope_type": "default", "rope_theta": theta}
    values = {NAMES.get(name, name): getattr(scaling, name) for name in OF_KIND[scaling.kind]}
    written = {name: value for name, value in values.items() if value is not None}
    return theta, {"rope_type": scaling.kind, "rope_theta": theta, **written}
