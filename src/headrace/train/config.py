"""The settings of one training stage."""

from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, SerializerFunctionWrapHandler, model_serializer, model_validator

from headrace.config import Config
from headrace.models.adapters.config import AdapterConfig
from headrace.objectives.config import (
    CausalConfig,
    ExampleFields,
    FullDenoisingConfig,
    ObjectiveConfig,
    PreferConfig,
    SpanDenoisingConfig,
)
from headrace.tokens.mixture_config import CorruptionConfig, CurriculumConfig, MixtureConfig
from headrace.train.batch_config import Batch, BatchConfig
from headrace.train.length_config import LengthWarmUpConfig
from headrace.train.memory.config import AnyMemoryConfig, MemoryConfig
from headrace.train.optimizer_config import AdamWConfig, OptimizerConfig
from headrace.train.schedule_config import AverageConfig, Schedule, ScheduleConfig, SpikeConfig

COOL_DOWN = 0.3
ADDED = {"global_batch_examples", "adapter", "batch", "updates", "memory", "segment_tokens", "length_warm_up"}
"""Settings of a stage that came later; they are written where they differ from their default."""
BEFORE_COOL_DOWN = "before-cool-down"
"""Folder of a published model that holds checkpoints from before its cool-down."""


class ValidationConfig(Config):
    """How training is watched."""

    per_epoch: PositiveInt = 4
    """Times the validation loss is measured in each pass over the training rows; at the end it always is."""
    tokens: PositiveInt = 65_536
    """Held-out tokens it is measured on, the same ones each time; fewer are held out, fewer are used."""
    patience: PositiveInt | None = None
    """Stops after this many measurements in a row that are no better than the best. None: never."""


class CheckpointConfig(Config):
    """How much work a kill may cost, and how much disk that takes."""

    every_seconds: float = Field(default=30.0, ge=0)
    """Wall time between checkpoints; 0 means after every step. Resuming is exact wherever they fall."""
    keep: PositiveInt = 2
    """Newest checkpoints kept, besides the one with the best validation loss."""


class StageConfig(Config):
    """One stage: an objective, how long, in what steps."""

    objective: ObjectiveConfig = CausalConfig()
    """What is learnt: `causal`, `masked`, `causal_and_masked`, `prefix_lm`, `span_denoising` or `full_denoising` from
    rows of tokens; `classify`, `tag`, `seq2seq`, `instruct` or `prefer` from examples."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the training rows. This or `tokens`; 1 where neither is written."""
    tokens: PositiveInt | None = None
    """Tokens to train on, rounded up to whole steps."""
    mixture: MixtureConfig | None = None
    """How much of each source. Left out: every row once an epoch, whatever its source."""
    curriculum: CurriculumConfig | None = None
    """An order of rows that begins sorted. Left out: at random from the start."""
    corrupt_inputs: CorruptionConfig | None = None
    """Inputs changed at random, for models that must bear noise. Left out: none are."""
    global_batch_tokens: PositiveInt = 16_384
    """Tokens in one optimiser step, all processes and micro-batches together; a multiple of the row."""
    global_batch_examples: PositiveInt = 32
    """Examples in one optimiser step, of objectives that learn from examples."""
    batch: Batch = BatchConfig()
    """Whether a step takes that one base batch throughout (`fixed`), or more of them by a rule: `warm_up`, `seesaw` or
    `adaptive`."""
    micro_batch_tokens: PositiveInt = 2048
    """Tokens a process handles at once; less memory, same result. Rounded down to a whole share of the batch."""
    segment_tokens: PositiveInt | None = None
    """Tokens of a row that are read and learnt from at once, for rows whose activations would not fit. A segment sees
    the whole row before it; gradients end where it begins (arXiv 1901.02860). None: rows are read whole."""
    length_warm_up: LengthWarmUpConfig | None = None
    """Rows that are cut short at first, `{from_tokens: 256, share: 0.3}`. None: rows are whole from the start."""
    adapter: AdapterConfig | None = None
    """A few new weights that learn while the model stays as it is: `{lora: {rank: 8}}`. None: all weights learn."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak learning rate."""
    schedule: Schedule = ScheduleConfig()
    """How the rate goes from its peak to its end, such as `cosine`; all of it in tokens."""
    warm_up: float = Field(default=0.05, ge=0)
    """Share of the stage's tokens in which the rate rises linearly from zero; above 1, tokens."""
    cool_down: float = Field(default=COOL_DOWN, ge=0)
    """Share of the stage's tokens, at its end, in which the rate falls to zero as 1 - sqrt(share); above 1, tokens. Of
    schedules that end by themselves it is no part."""
    clip_gradient: float = Field(default=1.0, gt=0)
    """Largest norm of a step's gradient; a longer one is scaled down to it."""
    skip_spikes: SpikeConfig | None = None
    """Which steps are left out because they would do harm. None: none, and what is not finite ends the run."""
    z_loss: float = Field(default=0.0, ge=0)
    """Weight of the squared log-sum-exp of the logits, which keeps them from drifting; 1e-4 where it is used (Chowdhery
    et al. 2022, PaLM). Reported losses are without it."""
    average: AverageConfig | None = None
    """An average of weights beside them, `{kind: ema, half_life_tokens: ...}` or `{kind: tail}`. None: none."""
    publish: Literal["best", "last", "average"] = "best"
    """Which weights become the model: those with the lowest held-out loss, the last ones, or their average."""
    keep_before_cool_down: bool = False
    """Publishes the whole state from before the cool-down too: a longer stage begins from it."""
    optimizer: OptimizerConfig = AdamWConfig()
    """How gradients become updates: `adamw`, `muon`, `adafactor`, `sgd` or `lion`, by name."""
    updates: Literal["whole", "by_block"] = "whole"
    """When weights change. `by_block`: each block as soon as its gradient is there, which is then forgotten: for models
    that just fit, or do not. A step is then one micro-batch, and each block is clipped alone."""
    memory: AnyMemoryConfig = MemoryConfig()
    """How much memory training may take, such as `4GB`; what is kept, computed again or read from disk follows."""
    validation: ValidationConfig = ValidationConfig()
    """How training is watched."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When state is written down."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of matrix products; weights and sums stay fp32. `auto` takes bf16 where this machine multiplies faster in it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether torch.compile fuses the model's kernels. `auto`: if there is a C++ compiler and the stage is long."""

    @model_serializer(mode="wrap")
    def _leave_out_what_is_untouched(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """So that a setting that came later moves no address of a stage that does not use it."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in dump(self).items()
            if name not in ADDED or getattr(self, name) != fields[name].default
        }

    @model_validator(mode="after")
    def _check_objective(self) -> Self:
        if self.adapter is not None and self.adapter.num_placeholders and not self.learns_from_examples:
            raise ValueError(
                "adapter: prompt takes the place of first tokens, which rows do not keep free; take prefix"
            )
        if not self.learns_from_examples:
            if self.global_batch_examples != 32:
                raise ValueError(f"global_batch_examples is for objectives on examples, not for {self.objective.name}")
            return self
        rows_only = {"tokens": None, "mixture": None, "curriculum": None, "corrupt_inputs": None, "z_loss": 0.0}
        rows_only |= {"segment_tokens": None, "length_warm_up": None}
        if wrong := [name for name, value in rows_only.items() if getattr(self, name) != value]:
            raise ValueError(
                f"{wrong[0]} is for objectives on rows of tokens, not for {self.objective.name}; leave it out"
            )
        if self.compile == "on" and isinstance(self.objective, PreferConfig):
            raise ValueError("compile: on: batches of preferences have ever other shapes; leave it out")
        return self

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.epochs is not None and self.tokens is not None:
            raise ValueError("`epochs` and `tokens` both say how long to train; write one of them")
        shape, falls = self.schedule.shape, self.schedule.is_cooled_down
        if not falls and self.cool_down not in (0, COOL_DOWN):
            raise ValueError(f"cool_down {self.cool_down}: the schedule {shape} has none; leave it out")
        if sum(part for part in (self.warm_up, self.cool_down * falls) if part <= 1) > 1:
            raise ValueError(
                f"warm_up {self.warm_up} and cool_down {self.cool_down} are shares of one stage: at most 1 together"
            )
        if shape == "inverse_sqrt" and not self.warm_up:
            raise ValueError("the schedule inverse_sqrt falls from where its warm-up ends: warm_up must be above 0")
        if self.publish == "average" and self.average is None:
            raise ValueError("publish: average needs an `average`, such as {kind: ema, half_life_tokens: 1000000}")
        if self.keep_before_cool_down and not (falls and self.cool_down):
            raise ValueError("keep_before_cool_down: this schedule has no cool-down")
        return self

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        if self.batch.is_fixed:
            return self
        if self.batch.seesaw is not None and self.schedule.shape == "constant":
            raise ValueError(
                "batch: seesaw doubles the batch where the schedule halves the rate; `constant` never does"
            )
        if self.batch.adaptive is not None and self.learns_from_examples:
            raise ValueError(
                "batch: adaptive compares the first rows of a step with all; examples are sorted by length within a "
                "step, so the first would tell nothing. Take warm_up or seesaw"
            )
        if self.keep_before_cool_down:
            raise ValueError(
                "keep_before_cool_down: a longer stage would change its batch elsewhere; take batch: fixed"
            )
        if self.adapter is not None and self.adapter.adalora is not None:
            raise ValueError("adapter: adalora counts optimiser steps; take batch: fixed")
        return self

    @model_validator(mode="after")
    def _check_long_rows(self) -> Self:
        if self.length_warm_up is not None and isinstance(self.objective, SpanDenoisingConfig | FullDenoisingConfig):
            raise ValueError(
                f"length_warm_up is not for pairs of rows, as {self.objective.name} has them; leave it out"
            )
        if self.length_warm_up is not None and self.keep_before_cool_down:
            raise ValueError("keep_before_cool_down: a longer stage would cut rows elsewhere; leave length_warm_up out")
        if self.segment_tokens is None:
            return self
        wrong = {
            f"is for the objective causal, not for {self.objective.name}": not isinstance(self.objective, CausalConfig),
            "has steps of several parts, and updates: by_block takes each at once": self.updates == "by_block",
            "has parts that depend on each other, and batch: adaptive compares them": self.batch.adaptive is not None,
            "is not for compiled kernels: each segment sees more than the last; take compile: auto": self.compile
            == "on",
            "keeps keys and values itself, and so does adapter: prefix": self.adapter is not None
            and self.adapter.prefix is not None,
        }
        if found := next((reason for reason, is_so in wrong.items() if is_so), None):
            raise ValueError(f"segment_tokens {found}. Leave one of them out")
        return self

    @model_validator(mode="after")
    def _check_memory(self) -> Self:
        precision = {self.optimizer.state_precision, getattr(self.optimizer, "rest", self.optimizer).state_precision}
        if self.memory.page in ("state", "all") and "bf16" in precision:
            raise ValueError("memory.page: what is remembered in bf16 does not lie on disk; take int8 or fp32")
        if self.updates == "whole":
            if self.memory.page == "all":
                raise ValueError("memory.page: all needs updates: by_block; `state` goes without")
            return self
        if self.learns_from_examples or self.adapter is not None:
            raise ValueError("updates: by_block is for all weights of a model that learns from rows of tokens")
        if not self.batch.is_fixed:
            raise ValueError("updates: by_block takes the whole batch of a step at once; take batch: fixed")
        if self.skip_spikes is not None:
            raise ValueError("updates: by_block changes blocks before the whole gradient is known: no skip_spikes")
        return self

    @property
    def learns_from_examples(self) -> bool:
        """Whether the objective takes labelled examples, and not rows of tokens."""
        return isinstance(self.objective, ExampleFields)

    @property
    def unit(self) -> Literal["tokens", "examples"]:
        """What the length of the stage is counted in."""
        return "examples" if self.learns_from_examples else "tokens"

    @property
    def batch_units(self) -> int:
        """Tokens or examples in one optimiser step."""
        return self.global_batch_examples if self.learns_from_examples else self.global_batch_tokens

    def num_example_steps(self, num_examples: int) -> int:
        """Optimiser steps of the stage over so many examples; at least one."""
        return max(1, round((self.epochs or 1) * num_examples / self.global_batch_examples))

    def num_steps(self, num_rows: int, row_tokens: int) -> int:
        """Optimiser steps of the stage over a store of that many rows; at least one."""
        batch_rows = self.batch_rows(row_tokens)
        if self.tokens is not None:
            return -(-self.tokens // self.global_batch_tokens)
        return max(1, round((self.epochs or 1) * num_rows / batch_rows))

    def batch_rows(self, row_tokens: int) -> int:
        """Rows of a global batch. Raises ValueError if the batch is no multiple of the row."""
        if self.global_batch_tokens % row_tokens:
            raise ValueError(
                f"global_batch_tokens {self.global_batch_tokens:,} is no multiple of row_tokens {row_tokens:,}; "
                f"try {max(1, round(self.global_batch_tokens / row_tokens)) * row_tokens:,}"
            )
        return self.global_batch_tokens // row_tokens

    def micro_batch_rows(self, row_tokens: int, share_rows: int, *, parts: int = 1) -> int:
        """Rows a process handles at once: the most within `micro_batch_tokens` that divide its share of a batch.

        parts: how many that share is cut into at least.
        """
        most = max(1, min(share_rows // parts, self.micro_batch_tokens // row_tokens))
        return next(rows for rows in range(most, 0, -1) if share_rows % rows == 0)
