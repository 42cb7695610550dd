"""Where a token stands: rotation of queries and keys, and fixed vectors.

Shape letters: B batch, T time, D width, H heads, C head width.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from headrace.models.config import ModelConfig
from headrace.models.rotary_scaling import RotaryScaling


class Rotation(NamedTuple):
    """Cosine and sine of the angle that each pair of channels turns by, each float32 (B, 1, T, C / 2)."""

    cosine: Tensor
    sine: Tensor


def rotary_factors(config: ModelConfig, position_BT: Tensor) -> Rotation:
    """The rotation of every pair of channels at its position.

    In bf16 neighbouring positions would round to one: the validation loss after 80 k tokens was 6.36 instead of 6.20.

    Source: Su et al. 2021 (RoFormer), arXiv 2104.09864; channel c is paired with c + C / 2, as in transformers.
    """
    pair = torch.arange(0, config.head_width, 2, dtype=torch.float32, device=position_BT.device)
    scaling = config.rope_scaling
    frequency = 1.0 / (rotary_base(config) ** (pair / config.head_width))
    if scaling is not None:
        frequency = _slow_down(frequency, scaling, config)
    angle = position_BT[:, None, :, None].float() * frequency
    factor = 1.0 if scaling is None else rotation_factor(scaling)
    if factor != 1.0:
        return Rotation(angle.cos() * factor, angle.sin() * factor)
    return Rotation(angle.cos(), angle.sin())


def rotary_base(config: ModelConfig) -> float:
    """The base of the frequencies, raised where scaling is `ntk`: the slowest pair then turns `factor` times slower."""
    scaling = config.rope_scaling
    if scaling is None or scaling.kind != "ntk":
        return config.rope_theta
    width = config.head_width
    return float(config.rope_theta * scaling.factor ** (width / max(1, width - 2)))


def rotation_factor(scaling: RotaryScaling) -> float:
    """What sine and cosine are multiplied by: 1 for all but `yarn`."""
    if scaling.kind != "yarn":
        return 1.0
    return scaling.attention_factor or 0.1 * math.log(scaling.factor) + 1.0


def rotate(x_BHTC: Tensor, rotation: Rotation) -> Tensor:
    """Turns channel pairs of queries or keys by their position's angle, in float32; returns their dtype."""
    cosine, sine = rotation
    left, right = x_BHTC.float().chunk(2, dim=-1)
    return torch.cat([left * cosine - right * sine, right * cosine + left * sine], dim=-1).to(x_BHTC.dtype)


def sinusoids(width: int, position_BT: Tensor) -> Tensor:
    """Fixed vectors (B, T, D): sine and cosine of the position at wavelengths from 2 pi to 10,000 x 2 pi.

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.5.
    """
    pair = torch.arange(0, width, 2, dtype=torch.float32, device=position_BT.device)
    angle = position_BT[:, :, None].float() * torch.exp(pair * (-math.log(10_000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(2)


def _slow_down(frequency: Tensor, scaling: RotaryScaling, config: ModelConfig) -> Tensor:
    if scaling.kind == "linear":
        return frequency / scaling.factor
    if scaling.kind == "llama3":
        return _slow_by_wavelength(frequency, scaling)
    if scaling.kind == "yarn":
        return _slow_by_turns(frequency, scaling, config)
    return frequency


def _slow_by_wavelength(frequency: Tensor, scaling: RotaryScaling) -> Tensor:
    """As Llama 3.1: long waves are slowed, short ones kept, those between mixed. Source: transformers' `llama3`."""
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    turns = (scaling.original_positions or 0) * frequency / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - kept) * frequency / scaling.factor + kept * frequency


def _slow_by_turns(frequency: Tensor, scaling: RotaryScaling, config: ModelConfig) -> Tensor:
    """As YaRN: a ramp over channel pairs from those that turn `beta_fast` times in the old context to `beta_slow`."""
    width, positions = config.head_width, scaling.original_positions or 0

    def pair_that_turns(times: float) -> float:
        return width * math.log(positions / (times * 2 * math.pi)) / (2 * math.log(config.rope_theta))

    first, last = pair_that_turns(scaling.beta_fast), pair_that_turns(scaling.beta_slow)
    if scaling.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, width - 1)
    pair = torch.arange(width // 2, dtype=torch.float32, device=frequency.device)
    slowed = ((pair - first) / (last - first or 0.001)).clamp(0, 1)
    return frequency / scaling.factor * slowed + frequency * (1 - slowed)
