"""The optimiser of a stage: one rule for all parameters, or one for matrices and one for the rest."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from headrace.models.initial import learning_rate_scale
from headrace.models.transformer import Transformer
from headrace.train.eight_bit import EightBitAdamW
from headrace.train.hidden_matrices import Rows, hidden_matrices
from headrace.train.memory.shelf import Shelf
from headrace.train.optimizer_config import (
    AdafactorConfig,
    AdamWConfig,
    AnyOptimizerConfig,
    LionConfig,
    MuonConfig,
    SGDConfig,
)
from headrace.train.rounding import TABLE, round_to_bfloat16
from headrace.train.rules import DecoupledSGD, Lion
from headrace.train.trainable import trainable

Rule = torch.optim.Optimizer
Named = Mapping[str, Tensor]
Group = dict[str, Any]


@dataclass(frozen=True)
class Placing:
    """Which parameters are updated together, and where what is remembered of them lies between updates."""

    sections: Mapping[str, str] = field(default_factory=dict)
    """The section of each parameter; those that are not named have one of their own, which is called ''."""
    shelf: Shelf | None = None
    """None: in memory."""

    def section_of(self, name: str) -> str:
        """Of a parameter, or of some of its rows."""
        return self.sections.get(name.partition("[")[0], "")


class Optimizer:
    """One rule over all parameters of a model, or one for its hidden matrices and another for the rest.

    Steps are eager and go over all parameters of a rule at once (fused for AdamW and SGD), so nothing is ever compiled.
    In bf16 a rule has one parameter, and float32 copies are held of that one's state alone. Updates follow from
    gradients, state and the number of updates: equal bits in every process that is given equal gradients.
    """

    def __init__(
        self,
        config: AnyOptimizerConfig,
        parameters: Mapping[str, nn.Parameter],
        matrices: Mapping[str, list[Rows]],
        *,
        rate_scales: Mapping[str, float] | None = None,
        placing: "Placing | None" = None,
    ) -> None:
        """matrices: those of the parameters that a rule for matrices may take, and the rows of each matrix in them.

        rate_scales: factors of the learning rate of some parameters.
        """
        self._rate_scales = rate_scales or {}
        self._placing = placing or Placing()
        self.num_updates = 0
        self._parameters = list(parameters.values())
        self._views: dict[str, list[tuple[Tensor, nn.Parameter, Rows]]] = {}
        self._names: dict[Tensor, str] = {}
        self._sections: dict[str, list[Rule]] = {}
        self._rounded: set[Rule] = set()
        if isinstance(config, MuonConfig):
            self._add(config, self._take_apart(parameters, matrices))
            rest = {name: parameter for name, parameter in parameters.items() if name not in matrices}
            self._add(config.rest, rest, rate_factor=config.rest_rate)
        else:
            self._add(config, parameters)

    def _take_apart(self, parameters: Mapping[str, nn.Parameter], matrices: Mapping[str, list[Rows]]) -> Named:
        """Each matrix in the parameters named: a parameter itself, or a view of some of its rows."""
        found: dict[str, Tensor] = {}
        for name, parts in matrices.items():
            parameter = parameters[name]
            if len(parts) == 1:
                found[name] = parameter
                continue
            for rows in parts:
                view = parameter.detach()[rows]
                self._views.setdefault(self._placing.section_of(name), []).append((view, parameter, rows))
                found[f"{name}[{rows.start}:{rows.stop}]"] = view
        return found

    def _add(self, config: AnyOptimizerConfig, tensors: Named, *, rate_factor: float = 1.0) -> None:
        self._names |= {tensor: name for name, tensor in tensors.items()}
        is_rounded = config.state_precision == "bf16"
        together: dict[str, list[Tensor]] = {}
        for name, tensor in tensors.items():
            together.setdefault(self._placing.section_of(name), []).append(tensor)
        alone = [(self._placing.section_of(name), [tensor]) for name, tensor in tensors.items()]
        for section, part in alone if is_rounded else together.items():
            grouped: dict[tuple[float, float], list[Tensor]] = {(config.weight_decay, 1.0): [], (0.0, 1.0): []}
            for tensor in part:
                decay = config.weight_decay if tensor.dim() >= 2 else 0.0
                grouped.setdefault((decay, self._rate_scales.get(self._names[tensor], 1.0)), []).append(tensor)
            groups: list[Group] = [
                {"params": found, "weight_decay": decay, "full_decay": decay, "rate_factor": rate_factor * scale}
                for (decay, scale), found in grouped.items()
                if found
            ]
            rule = RULES[type(config)](config, groups)
            self._sections.setdefault(section, []).append(rule)
            self._rounded |= {rule} if is_rounded else set()

    @property
    def _rules(self) -> list[Rule]:
        return [rule for rules in self._sections.values() for rule in rules]

    @property
    def param_groups(self) -> list[Group]:
        """Parameters and settings of every rule."""
        return [group for rule in self._rules for group in rule.param_groups]

    def set_rate(self, rate: float, *, decay_factor: float = 1.0) -> None:
        """The learning rate of the steps to come, and a factor to their weight decay."""
        for group in self.param_groups:
            group["lr"] = rate * group["rate_factor"]
            group["weight_decay"] = group["full_decay"] * decay_factor

    def step(self) -> None:
        """Updates all parameters by their gradients."""
        chance = random.Random(self.num_updates)  # noqa: S311  (rounding keeps no secrets)
        for section in self._sections:
            self.step_section(section, chance)
        self.num_updates += 1

    def step_section(self, section: str, chance: random.Random) -> None:
        """Updates the parameters of one section; what counts updates is told by the caller, after the last one."""
        views = self._views.get(section, [])
        for view, parameter, rows in views:
            view.grad = None if parameter.grad is None else parameter.grad[rows]
        for rule in self._sections[section]:
            if rule in self._rounded:
                for state in rule.state.values():
                    state |= {key: tensor.float() for key, tensor in _moments(state)}
            rule.step()
            if rule in self._rounded:
                for state in rule.state.values():
                    for key, tensor in _moments(state):
                        state[key] = round_to_bfloat16(tensor, offset=chance.randrange(TABLE))
        for view, _, _ in views:
            view.grad = None
        self._put_away(section)

    def _put_away(self, section: str) -> None:
        """Takes what a section remembers out of memory, if there is a shelf for it."""
        if (shelf := self._placing.shelf) is None:
            return
        for rule in self._sections[section]:
            for state in rule.state.values():
                state |= {key: shelf.put(moment) for key, moment in _moments(state)}
        shelf.release(self.state_of(section), changed=True)

    def state_of(self, section: str) -> list[Tensor]:
        """What is remembered of a section's parameters."""
        states = [state for rule in self._sections[section] for state in rule.state.values()]
        return [moment for state in states for _, moment in _moments(state)]

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def forget(self) -> None:
        """Lets go of all that is remembered, once nothing is updated any more."""
        for rule in self._rules:
            rule.state.clear()

    def state(self) -> dict[str, Tensor]:
        """What is remembered between steps, as `moment.parameter`; how many updates there were is told apart."""
        return {
            f"{key}.{name}": moment
            for tensor, name in self._names.items()
            for rule in self._rules
            if tensor in rule.state
            for key, moment in _moments(rule.state[tensor])
        }

    def restore(self, state: Mapping[str, Tensor], *, num_updates: int) -> None:
        """Takes over what `state` gave after so many updates, to the bit."""
        self.num_updates = num_updates
        if not num_updates:
            return
        found: dict[str, dict[str, Tensor]] = {}
        for key, moment in state.items():
            found.setdefault(key.partition(".")[2], {})[key.partition(".")[0]] = moment
        assert not found or found.keys() == set(self._names.values()), "a checkpoint is that of the same optimiser"
        for rule in self._rules:
            for tensor in [tensor for group in rule.param_groups for tensor in group["params"]]:
                moments = found.get(self._names[tensor], {})
                rule.state[tensor] = {"step": torch.tensor(float(num_updates)), **moments}
        for section in self._sections:
            self._put_away(section)


def _moments(state: Mapping[str, Any]) -> Sequence[tuple[str, Tensor]]:
    """Sorted: rounding takes them in this order, also after a checkpoint that had another."""
    return sorted((key, value) for key, value in state.items() if isinstance(value, Tensor) and key != "step")


def build_optimizer(config: AnyOptimizerConfig, model: nn.Module, *, placing: Placing | None = None) -> Optimizer:
    """The optimiser of what is trained in a model. Matrices decay, vectors do not.

    A model that is scaled across widths has rates of its own for its inner matrices. That rule is one for updates whose
    size does not depend on the gradient's: AdamW and Lion. Muon's updates, as large in every direction, need none.
    """
    parameters = trainable(model)
    matrices = {}
    if isinstance(config, MuonConfig):
        found = hidden_matrices(model, per_head=config.per_head)
        matrices = {name: rows for name, rows in found.items() if name in parameters}
    is_scaled = isinstance(config, AdamWConfig | LionConfig)
    scales = _rate_scales(model) if is_scaled else {}
    return Optimizer(config, parameters, matrices, rate_scales=scales, placing=placing)


def _rate_scales(model: nn.Module) -> dict[str, float]:
    """Factors of the rates of a Transformer's parameters, also where that is part of a model."""
    return {
        f"{prefix}.{name}" if prefix else name: learning_rate_scale(name, body.config)
        for prefix, body in model.named_modules()
        if isinstance(body, Transformer)
        for name, _ in body.named_parameters()
    }


def _adamw(config: AdamWConfig, groups: Sequence[Group]) -> Rule:
    betas = (config.beta1, config.beta2)
    if config.state_precision == "int8":
        return EightBitAdamW(groups, lr=0.0, betas=betas, eps=config.epsilon)
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=config.epsilon, fused=True)


def _muon(config: MuonConfig, groups: Sequence[Group]) -> Rule:
    return torch.optim.Muon(
        groups,
        lr=0.0,
        momentum=config.momentum,
        nesterov=config.nesterov,
        ns_steps=config.iterations,
        adjust_lr_fn=config.scale,
    )


def _adafactor(config: AdafactorConfig, groups: Sequence[Group]) -> Rule:
    epsilons = (config.epsilon, config.least_scale)
    return torch.optim.Adafactor(
        groups, lr=0.0, beta2_decay=config.beta2_decay, eps=epsilons, d=config.clip_update, foreach=False
    )


def _sgd(config: SGDConfig, groups: Sequence[Group]) -> Rule:
    nesterov = config.nesterov and config.momentum > 0  # torch refuses one without the other
    return DecoupledSGD(groups, lr=0.0, momentum=config.momentum, nesterov=nesterov, fused=True)


def _lion(config: LionConfig, groups: Sequence[Group]) -> Rule:
    return Lion(groups, lr=0.0, betas=(config.beta1, config.beta2))


RULES: dict[type[AnyOptimizerConfig], Callable[[Any, Sequence[Group]], Rule]] = {
    AdamWConfig: _adamw,
    MuonConfig: _muon,
    AdafactorConfig: _adafactor,
    SGDConfig: _sgd,
    LionConfig: _lion,
}
