"""What a stage does to a model's parameters: which are learnt, and whether a step leaves some of them out by chance."""

from torch import nn

from headrace.models.foreign.model import Foreign
from headrace.models.transformer import Transformer


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are learnt, by name: all that are not frozen."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def is_noisy(model: nn.Module) -> bool:
    """Whether a training step leaves anything out by chance."""
    return any(
        isinstance(module, Foreign)  # not all that they leave out is a module
        or (isinstance(module, Transformer) and module.config.is_noisy)
        or (isinstance(module, nn.Dropout) and module.p > 0)
        for module in model.modules()
    )
