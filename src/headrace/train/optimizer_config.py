"""The settings of an optimiser: one record for each rule that turns gradients into updates."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from headrace.config import Config

StatePrecision = Literal["fp32", "bf16", "int8"]
"""Of what an optimiser remembers between steps; a step itself computes in fp32."""


class RememberingConfig(Config):
    """What all rules share."""

    weight_decay: float = Field(default=0.1, ge=0)
    """Share of a matrix removed per step, times the learning rate. Norm gains and biases are never decayed."""
    state_precision: StatePrecision = "fp32"
    """In what the optimiser's memory is kept. `bf16` takes half the room, and longer: it is rounded at random, so that
    changes too small for it still add up. `int8`, a quarter, is for `adamw`."""

    @model_validator(mode="after")
    def _check_precision(self) -> Self:
        if self.state_precision == "int8" and not isinstance(self, AdamWConfig):
            raise ValueError(f"state_precision int8 is for adamw, not for {type(self).__name__[:-6].lower()}; try bf16")
        return self


class AdamWConfig(RememberingConfig):
    """AdamW: Loshchilov & Hutter 2019, arXiv 1711.05101."""

    name: Literal["adamw"] = "adamw"
    """Adam with decoupled decay: the safe choice."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients, per step."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """Decay of the mean of squared gradients, per step."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""


class MuonConfig(RememberingConfig):
    """Muon for the matrices inside blocks, AdamW for all else. Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982.

    A step makes the update of each such matrix orthogonal: all its directions move alike.
    """

    name: Literal["muon"] = "muon"
    """Orthogonal updates: fewer steps to the same loss, more work in each."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Decay of the mean of gradients, per step."""
    nesterov: bool = True
    """Looks one step ahead with that mean."""
    iterations: PositiveInt = Field(default=5, le=20)
    """Newton-Schulz iterations per step."""
    scale: Literal["match_rms_adamw", "original"] = "match_rms_adamw"
    """`match_rms_adamw` makes updates as large as AdamW's, so that both share a learning rate; `original` takes the
    root of rows over columns, and wants a rate ten times as large."""
    per_head: bool = False
    """Whether queries, keys and values are made orthogonal head by head, and not as one matrix each."""
    rest: AdamWConfig = AdamWConfig()
    """Of embeddings, head, norms and biases."""
    rest_rate: float = Field(default=1.0, gt=0)
    """Their learning rate, as a multiple of the stage's."""


class AdafactorConfig(RememberingConfig):
    """Adafactor, which keeps sums of rows and columns only: Shazeer & Stern 2018, arXiv 1804.04235.

    A weight moves by a share of its matrix's root mean square: the learning rate is that share, 1e-2 to 3e-2 suits
    most, and never counts for more than 1 / sqrt(step).
    """

    name: Literal["adafactor"] = "adafactor"
    """Next to no memory."""
    beta2_decay: float = Field(default=-0.8, lt=0)
    """The decay of the second moment is 1 - step to this power."""
    epsilon: float = Field(default=1e-15, gt=0)
    """Least second moment, and least root of it."""
    least_scale: float = Field(default=1e-3, gt=0)
    """The root mean square that a matrix counts for at least."""
    clip_update: float = Field(default=1.0, gt=0)
    """Largest root mean square of a matrix's update, before the learning rate."""


class SGDConfig(RememberingConfig):
    """Gradient descent with momentum; its decay is decoupled, as in all rules here (arXiv 1711.05101, algorithm 1)."""

    name: Literal["sgd"] = "sgd"
    """Momentum alone: for models that others have trained."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of the last update that is made again; 0 remembers nothing."""
    nesterov: bool = True
    """Looks one step ahead with it."""


class LionConfig(RememberingConfig):
    """Lion, whose updates are signs: Chen et al. 2023, arXiv 2302.06675. Wants a third to a tenth of AdamW's learning
    rate, and as many times its decay.
    """

    name: Literal["lion"] = "lion"
    """Signs of a momentum: half of AdamW's memory."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Weight of the momentum in the update's sign."""
    beta2: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the momentum, per step."""


AnyOptimizerConfig = AdamWConfig | MuonConfig | AdafactorConfig | SGDConfig | LionConfig


def _named(given: Any) -> Any:
    return {"name": "adamw", **given} if isinstance(given, dict) else given


OptimizerConfig = Annotated[AnyOptimizerConfig, Field(discriminator="name"), BeforeValidator(_named)]
"""One of them, by its `name`; adamw where none is written."""
