"""Updates that are made block by block, on the way back: a gradient lives only until its block is updated.

Behind the last block's gradient comes its update, then the one before it, and at last all that is in no block. Then of
all gradients only one block's is ever there, and of weights and moments that lie on a shelf only those in use. Source:
Lv et al. 2023 (LOMO), arXiv 2306.09782.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from headrace.errors import DivergenceError
from headrace.models.block import Block
from headrace.train.gradient import clip, mean_gradients
from headrace.train.memory.shelf import Shelf
from headrace.train.optimizer import Optimizer
from headrace.train.trainable import trainable

AHEAD = 2
"""Blocks that are read before they are needed."""


def sections_of(model: nn.Module) -> dict[str, str]:
    """The name of the block that each trained parameter is in; of those in none, nothing."""
    inside = {
        f"{prefix}.{name}": prefix
        for prefix, block in model.named_modules()
        if isinstance(block, Block)
        for name, _ in block.named_parameters()
    }
    return {name: inside[name] for name in trainable(model) if name in inside}


class ByBlock:
    """Updates the blocks of one model as their gradients come, while it is told to."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, *, largest_norm: float, shelf: Shelf | None) -> None:
        """largest_norm: that all of a step's gradients may have together. Each section may have as much as the others,
        so a step is never longer than one that is clipped whole, and shorter where one section has most of it."""
        self._optimizer, self._shelf = optimizer, shelf
        sections, parameters = sections_of(model), trainable(model)
        self._members: dict[str, list[nn.Parameter]] = {name: [] for name in sections.values()}
        self._rest = [parameters[name] for name in parameters if name not in sections]
        for name, section in sections.items():
            self._members[section].append(parameters[name])
            parameters[name].register_post_accumulate_grad_hook(lambda _, section=section: self._arrived(section))
        self._order = list(self._members)
        self._largest = largest_norm / (len(self._order) + bool(self._rest)) ** 0.5
        self._step: _Step | None = None
        if shelf is not None:
            modules = dict(model.named_modules())
            for place, section in enumerate(self._order):
                block = modules[section]
                assert isinstance(block, Block), "sections are blocks"
                block.used = lambda place=place: self._passed(place)

    @contextmanager
    def updating(self, num_targets: int, *, step: int) -> Iterator["_Step"]:
        """Gradients of sums over so many targets are taken for this step's while this is open; every parameter is
        updated by the end. Raises DivergenceError before a block is updated with what is not finite; the blocks behind
        it have been."""
        self._step = _Step(num_targets, step, random.Random(step))  # noqa: S311  (rounding keeps no secrets)
        try:
            yield self._step
            for section in self._order:
                if section not in self._step.norms:  # no path leads to it, so its gradient is zero
                    self._update(section, self._members[section])
            if self._rest:
                self._update("", self._rest)
            self._optimizer.num_updates += 1
        finally:
            self._step = None

    def _arrived(self, section: str) -> None:
        """A gradient has come. While nothing is updated (kernels are being checked), all but the first block's go."""
        members = self._members[section]
        if self._step is None:
            if section != self._order[0]:
                _forget(members)
        elif all(parameter.grad is not None for parameter in members):
            self._update(section, members)
            place = self._order.index(section)
            self._fetch(place - AHEAD, with_state=True)

    def _update(self, section: str, members: list[nn.Parameter]) -> None:
        step = self._step
        assert step is not None, "only a step updates"
        gradients, norm = mean_gradients(members, step.num_targets)
        if not torch.isfinite(norm):
            raise DivergenceError(
                f"step {step.number}: the gradient's norm is {float(norm)} in {section or 'the parts outside blocks'}. "
                "Lower train.learning_rate (try a third), or run with train.precision=fp32, and run again: training "
                "goes on from the newest checkpoint."
            )
        clip(gradients, norm, self._largest)
        step.norms[section] = float(norm)
        self._optimizer.step_section(section, step.chance)
        _forget(members)
        if self._shelf is not None and section:
            self._shelf.release([parameter.detach() for parameter in members], changed=True)

    def _passed(self, place: int) -> None:
        """A block has been computed on the way forward: it goes, and one ahead of it comes."""
        assert self._shelf is not None, "weights lie somewhere"
        self._shelf.release(map(nn.Parameter.detach, self._members[self._order[place]]), changed=False)
        self._fetch(place + AHEAD, with_state=False)

    def _fetch(self, place: int, *, with_state: bool) -> None:
        if self._shelf is None or not 0 <= place < len(self._order):
            return
        section = self._order[place]
        state = self._optimizer.state_of(section) if with_state else []
        self._shelf.fetch([*(parameter.detach() for parameter in self._members[section]), *state])


class _Step:
    """What is known of a step while its blocks are updated."""

    def __init__(self, num_targets: int, number: int, chance: random.Random) -> None:
        self.num_targets, self.number, self.chance = num_targets, number, chance
        self.norms: dict[str, float] = {}

    @property
    def norm(self) -> float:
        """Of the whole gradient, before clipping."""
        return float(sum(norm * norm for norm in self.norms.values())) ** 0.5


def _forget(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None


def put_weights_away(model: nn.Module, shelf: Shelf) -> None:
    """Moves the weights of a model's blocks onto a shelf, where they do not lie there yet."""
    names = sections_of(model)
    moved: Mapping[str, Tensor] = {name: parameter for name, parameter in trainable(model).items() if name in names}
    for parameter in moved.values():
        if parameter.dim() >= 2:
            parameter.data = shelf.put(parameter.detach())
    shelf.release((parameter.detach() for parameter in moved.values()), changed=True)
