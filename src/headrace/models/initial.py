"""First weights, and learning rates that suit every width.

Without `base_width`, every matrix begins with the same spread and learns at the same rate, as GPT-2 and Llama do: the
best rate then falls as the width grows. With it, the rules of maximal update parametrisation hold for Adam; m is the
width over the base width:

    embeddings, biases, gains      first spread as ever                  rate as ever
    matrices inside                first spread x 1 / sqrt(m)            rate x 1 / m
    head, tied or not              logits x 1 / m                        rate as ever
    product of query and key       8 / head width, not 1 / sqrt(head width): the same at head width 64

Source: Yang et al. 2022 (Tensor Programs V), arXiv 2203.03466, table 8.
"""

import torch
from torch import nn

from headrace.models.config import ModelConfig

STANDARD_DEVIATION = 0.02  # of every matrix; those that write into the residual stream are scaled by its depth
WRITES_RESIDUAL = ("attention.output.weight", "feed_forward.down.weight")


@torch.no_grad()
def initialise(model: nn.Module, config: ModelConfig, *, seed: int) -> None:
    """Draws fresh weights from the seed, in the order of the parameters. Gains stay one, biases zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2 or name.endswith("relative.weight"):
            continue
        # Radford et al. 2019 (GPT-2), section 2.3
        scale = (2 * config.depth) ** -0.5 if name.endswith(WRITES_RESIDUAL) else 1.0
        if is_inner(name) and config.base_width is not None:
            scale *= (config.base_width / config.width) ** 0.5
        parameter.normal_(0.0, STANDARD_DEVIATION * scale, generator=generator)


def learning_rate_scale(name: str, config: ModelConfig) -> float:
    """Factor of the learning rate for a parameter by its name."""
    if config.base_width is None or not is_inner(name):
        return 1.0
    return config.base_width / config.width


def is_inner(name: str) -> bool:
    """Whether a parameter is a matrix from width to width: no table that is looked up, no head, gain or bias."""
    is_table = name.startswith(("embedding.", "head.")) or name.endswith("relative.weight")
    is_matrix = name.endswith(".weight") and "norm" not in name.rsplit(".", 2)[-2]
    return is_matrix and not is_table
