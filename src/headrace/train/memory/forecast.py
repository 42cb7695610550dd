"""Bytes of what a stage holds besides activations (needs no torch)."""

from headrace.models.foreign import AnyModelConfig
from headrace.train.config import StageConfig
from headrace.train.optimizer_config import (
    AdafactorConfig,
    AdamWConfig,
    AnyOptimizerConfig,
    MuonConfig,
    SGDConfig,
    StatePrecision,
)

WEIGHT_BYTES = 4
NUMBER_BYTES: dict[StatePrecision, float] = {"fp32": 4, "bf16": 2, "int8": 1 + 4 / 256}
"""Of what an optimiser remembers; in 8 bits, with a scale per 256 numbers."""


def optimizer_bytes(config: AnyOptimizerConfig, model: AnyModelConfig, vocabulary_size: int) -> int:
    """What an optimiser remembers between steps."""
    parameters = model.num_parameters(vocabulary_size)
    number_bytes = NUMBER_BYTES[config.state_precision]
    if isinstance(config, MuonConfig):
        embeddings = vocabulary_size * model.width * (1 if model.tied else 2)
        rest_bytes = NUMBER_BYTES[config.rest.state_precision]
        return int(number_bytes * (parameters - embeddings) + 2 * rest_bytes * embeddings)
    if isinstance(config, AdafactorConfig):
        return int(2 * number_bytes * parameters / model.width)  # sums of rows and of columns
    if isinstance(config, SGDConfig) and not config.momentum:
        return 0
    return int(number_bytes * parameters * (2 if isinstance(config, AdamWConfig) else 1))


def checkpoint_bytes(stage: StageConfig, model: AnyModelConfig, vocabulary_size: int) -> int:
    """Weights, their average and what the optimiser remembers."""
    copies = 1 if stage.average is None else 2
    weights = copies * WEIGHT_BYTES * model.num_parameters(vocabulary_size)
    return weights + optimizer_bytes(stage.optimizer, model, vocabulary_size)


def section_share(model: AnyModelConfig, vocabulary_size: int) -> float:
    """The largest part of the weights that is updated at once where updates go block by block, and what is in none."""
    total = model.num_parameters(vocabulary_size)
    outside = vocabulary_size * model.width * (1 if model.tied else 2)
    return min(1.0, (outside + (total - outside) / max(1, model.depth)) / total)
