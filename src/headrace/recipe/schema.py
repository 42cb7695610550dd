"""The shape of a recipe: the settings of every floor, in the order of the road."""

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, field_validator, model_validator

from headrace.config import Config
from headrace.corpus.config import CorpusConfig
from headrace.evaluate.config import EvaluateConfig
from headrace.models.config import ModelConfig
from headrace.store.run_folder import STORE_NAME
from headrace.tokens.config import TokensConfig
from headrace.train.config import StageConfig

NAME = r"\w[\w.-]{0,99}"


def _as_stages(given: Any) -> Any:
    return [given] if isinstance(given, dict | StageConfig) else given


class Recipe(Config):
    """One run, from raw text to a model that answers. Leave sections out from the end for a shorter road."""

    name: str = Field(json_schema_extra={"pattern": f"^{NAME}$"})
    """Names the run's folder: letters, digits, `_`, `-`, `.`."""
    seed: NonNegativeInt
    """Of everything random: the held-out documents, initial weights, the order of rows, samples."""
    corpus: CorpusConfig | None = None
    """Where text comes from and what may stay. Left out only where `tokens.store` names tokens that are there."""
    tokens: TokensConfig | None = None
    """How text becomes rows of tokens. Left out: the run ends with a curated corpus, unless `train` is written."""
    model: ModelConfig | None = None
    """What is trained. Left out: preset `tiny`."""
    train: Annotated[
        tuple[StageConfig, ...],
        Field(strict=False),
        BeforeValidator(_as_stages, json_schema_input_type=StageConfig | tuple[StageConfig, ...]),
    ] = ()
    """Training stages, each going on from the model of the one before. A single stage may be written without a list."""
    evaluate: EvaluateConfig | None = None
    """What is measured after training."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise ValueError(f'"{name}" cannot name a folder: use letters, digits, `_`, `-` and `.`, no spaces')
        if name == STORE_NAME:
            raise ValueError(f"`{STORE_NAME}` is the folder of all runs' artefacts; choose another name")
        return name

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if not self.train and (self.model or self.evaluate):
            raise ValueError("`model` and `evaluate` need a `train` section; add one, or leave them out")
        if self.corpus is None and self.tokens_config.store is None:
            raise ValueError("`corpus` is missing; it must be written, or `tokens.store` in its place")
        if self.corpus is not None and self.tokens_config.store is not None:
            raise ValueError("`corpus` and `tokens.store` are two places that rows may come from; write one of them")
        if self.corpus is None and not self.train:
            raise ValueError("`tokens.store` without a `train` section leaves nothing to do; add one")
        if self.train and self.corpus is not None and self.corpus.hold_out == 0:
            raise ValueError("corpus.hold_out is 0, and training is watched on held-out documents; hold out 1% or more")
        if self.model is not None and self.model.shape != "decoder":
            raise ValueError(f"model.shape: {self.model.shape} is not trained by a recipe yet; leave it out")
        if self.model is not None and self.model.head_bias:
            raise ValueError("model.head_bias: the loss of a decoder knows no bias of the logits; leave it out")
        if self.corpus is not None:
            self.check_stages(self.tokens_config.row_tokens)
        return self

    def check_stages(self, row_tokens: int) -> None:
        """Raises ValueError if the model or a stage cannot have rows of so many tokens."""
        model = self.model
        if model is not None and model.positions == "learned" and (model.max_positions or 0) < row_tokens:
            given = model.max_positions
            raise ValueError(f"model.max_positions: {given} is less than a row's {row_tokens} tokens; raise it")
        for number, stage in enumerate(self.train):
            try:
                stage.batch_rows(row_tokens)
            except ValueError as error:
                raise ValueError(f"train.{number}: {error}") from error

    @property
    def tokens_config(self) -> TokensConfig:
        return self.tokens or TokensConfig()

    @property
    def model_config_or_default(self) -> ModelConfig:
        return self.model or ModelConfig(preset="tiny")
