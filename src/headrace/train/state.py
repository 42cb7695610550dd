"""Everything that training changes, and its form on disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from headrace.models.adapters.attached import Adapters
from headrace.train.averaging import Average, put_weights
from headrace.train.optimizer import Optimizer
from headrace.train.progress import Progress
from headrace.train.trainable import trainable

MODEL, AVERAGE, ADAPTER = "model.", "average.", "adapter."
"""What the names of weights, of their average and of adapters begin with; all others are the optimiser's."""


@dataclass
class TrainState:
    """Weights that are trained, their average, optimiser moments and progress."""

    model: nn.Module
    optimizer: Optimizer
    progress: Progress = field(default_factory=Progress)
    average: Average | None = None
    adapters: Adapters | None = None

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, as they are."""
        weights = {f"{MODEL}{name}": parameter.detach() for name, parameter in trainable(self.model).items()}
        averaged = self.average.weights if self.average else {}
        tensors = {**weights, **self.optimizer.state(), **{f"{AVERAGE}{name}": averaged[name] for name in averaged}}
        if self.adapters is not None:
            tensors |= {f"{ADAPTER}{name}": tensor for name, tensor in self.adapters.state().items()}
        return tensors

    def restore(self, tensors: dict[str, Tensor], progress: Progress) -> None:
        """Takes over what `tensors` gave, to the bit."""
        self.progress = progress
        self.restore_model(tensors)
        if self.average is not None:
            self.average.weights = below(tensors, AVERAGE)
        others = (MODEL, AVERAGE, ADAPTER)
        moments = {name: tensor for name, tensor in tensors.items() if not name.startswith(others)}
        self.optimizer.restore(moments, num_updates=progress.num_updates)

    def restore_model(self, tensors: dict[str, Tensor]) -> None:
        """Takes over the weights, and an adapter's ranks, only."""
        put_weights(self.model, below(tensors, MODEL))
        if self.adapters is not None:
            self.adapters.restore(below(tensors, ADAPTER))


def below(tensors: dict[str, Tensor], beginning: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(beginning): tensor for name, tensor in tensors.items() if name.startswith(beginning)}


def copy_into(room: dict[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors, by name. They lie in `room`, where those of an earlier time that still fit are used again: new
    memory takes as long to get as to fill.
    """
    for name in room.keys() - tensors.keys():
        del room[name]
    for name, tensor in tensors.items():
        copy = room.get(name)
        if copy is not None and (copy.shape, copy.dtype) == (tensor.shape, tensor.dtype):
            copy.copy_(tensor)
        else:
            room[name] = tensor.detach().clone()
    return dict(room)
