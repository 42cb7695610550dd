"""The shape of a recipe: the settings of every floor, in the order of the road."""

import re
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    NonNegativeInt,
    Tag,
    field_validator,
    model_validator,
)

from headrace.config import Config
from headrace.corpus.config import CorpusConfig
from headrace.errors import RecipeError
from headrace.evaluate.config import EvaluateConfig
from headrace.examples.config import ExamplesConfig
from headrace.models.config import ModelConfig
from headrace.models.foreign import AnyModelConfig, ForeignConfig
from headrace.models.given import GivenModel
from headrace.objectives.config import SHAPES, ExampleFields
from headrace.objectives.special_tokens import special_tokens_for
from headrace.recipe.tune_config import TuneConfig
from headrace.report.track_config import TensorBoardConfig, TrackConfig, as_list
from headrace.store.run_folder import STORE_NAME
from headrace.tokens.config import TokensConfig
from headrace.train.config import StageConfig

NAME = r"\w[\w.-]{0,99}"


def _model_kind(given: Any) -> str:
    named = "hf" in given if isinstance(given, dict) else isinstance(given, GivenModel)
    return GivenModel.__name__ if named else ModelConfig.__name__  # names of branches are left out of what users read


def _as_stages(given: Any) -> Any:
    return [given] if isinstance(given, dict | StageConfig) else given


AnyModel = Annotated[
    Annotated[ModelConfig, Tag(ModelConfig.__name__)] | Annotated[GivenModel, Tag(GivenModel.__name__)],
    Discriminator(_model_kind),
]


class Recipe(Config):
    """One run, from raw text to a model that answers. Leave sections out from the end for a shorter road."""

    name: str = Field(json_schema_extra={"pattern": f"^{NAME}$"})
    """Names the run's folder: letters, digits, `_`, `-`, `.`."""
    seed: NonNegativeInt
    """Of everything random: the held-out documents, initial weights, the order of rows, samples."""
    corpus: CorpusConfig | None = None
    """Where text comes from and what may stay. Left out where `tokens.store` names tokens that are there, or where all
    that is learnt is learnt from `examples`."""
    examples: ExamplesConfig | None = None
    """Labelled examples, for stages that classify, tag, translate, answer or prefer."""
    tokens: TokensConfig | None = None
    """How text becomes rows of tokens. Left out: the run ends with a curated corpus, unless `train` is written."""
    model: AnyModel | None = None
    """What is trained: sizes of a fresh model, or `{hf: FOLDER}`, one that is there. Left out: preset `tiny`."""
    train: Annotated[
        tuple[StageConfig, ...],
        Field(strict=False),
        BeforeValidator(_as_stages, json_schema_input_type=StageConfig | tuple[StageConfig, ...]),
    ] = ()
    """Training stages, each going on from the model of the one before. A single stage may be written without a list."""
    evaluate: EvaluateConfig | None = None
    """What is measured after training."""
    track: Annotated[
        tuple[TrackConfig, ...],
        Field(strict=False),
        BeforeValidator(as_list, json_schema_input_type=TrackConfig | tuple[TrackConfig, ...]),
    ] = (TensorBoardConfig(),)
    """Who is given the curves of training: `tensorboard`, `wandb`, `mlflow`. None of them changes what is learnt."""
    tune: TuneConfig | None = None
    """A search for better values of some keys, for `headrace tune`."""

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
        if self.evaluate is not None and self.evaluate.prompt is not None:
            self._check_prompt()
        elif not self.train and (self.model or self.evaluate):
            raise ValueError("`model` and `evaluate` need a `train` section; add one, or leave them out")
        if self.corpus is None and self.examples is None and self.tokens_config.store is None:
            raise ValueError("`corpus` is missing; it must be written, or `tokens.store` or `examples` in its place")
        self._check_data()
        if self.corpus is not None and self.tokens_config.store is not None:
            raise ValueError("`corpus` and `tokens.store` are two places that rows may come from; write one of them")
        if self.tokens_config.store is not None and not self.train:
            raise ValueError("`tokens.store` without a `train` section leaves nothing to do; add one")
        if self.train and self.corpus is not None and self.corpus.hold_out == 0:
            raise ValueError("corpus.hold_out is 0, and training is watched on held-out documents; hold out 1% or more")
        if not isinstance(self.model, GivenModel):
            self._check_shapes(self.model_config_or_default)
        if self.corpus is not None or self.reads_texts_of_examples:
            self.check_stages(self.tokens_config.row_tokens)
        return self

    def _check_prompt(self) -> None:
        """A prompt asks a model that is there about examples, and nothing is trained."""
        assert self.evaluate is not None, "the caller has looked"
        if self.train or self.corpus is not None or self.tokens is not None:
            raise ValueError("evaluate.prompt is asked without training; leave `train`, `corpus` and `tokens` out")
        if self.examples is None or not isinstance(self.model, GivenModel):
            raise ValueError("evaluate.prompt needs `examples` to ask about and `model: {hf: ...}` to ask")
        if self.evaluate.bits_per_byte is not None or self.evaluate.samples is not None:
            raise ValueError("evaluate.prompt stands alone: the others need a `train` section")

    def _check_data(self) -> None:
        """Every stage has what it learns from, and a vocabulary that fits."""
        has_rows = self.corpus is not None or self.tokens_config.store is not None or self.reads_texts_of_examples
        for number, stage in enumerate(self.train):
            name = stage.objective.name
            if stage.learns_from_examples and self.examples is None:
                raise ValueError(f"train.{number}: the objective {name} learns from `examples`; write that section")
            if not stage.learns_from_examples and not has_rows:
                raise ValueError(
                    f"train.{number}: the objective {name} learns from rows of tokens; write a `corpus`, or add "
                    "`examples` and a later stage that learns from them, and their texts are read"
                )
        if self.examples is not None and self.train and not any(stage.learns_from_examples for stage in self.train):
            raise ValueError("`examples` are learnt from in no stage; leave them out, or add a stage such as classify")
        self._check_adapters()
        if isinstance(self.model, GivenModel) and self.tokens_config.store is not None:
            raise ValueError("model.hf brings its own vocabulary, and `tokens.store` another; leave one of them out")
        if isinstance(self.model, GivenModel) and self.tokens_config.vocabulary != TokensConfig().vocabulary:
            raise ValueError("model.hf brings its own vocabulary; leave `tokens.vocabulary` out")
        self._check_rates()

    def _check_adapters(self) -> None:
        for number, stage in enumerate(self.train[:-1]):
            if stage.adapter is not None and not stage.adapter.is_mergeable:
                raise ValueError(
                    f"train.{number}.adapter: {stage.adapter.kind} cannot become part of the model that the next stage "
                    "goes on from; use it in the last stage"
                )

    def _check_rates(self) -> None:
        """A rate for fresh weights would undo what a given model knows, so that nobody shall have it by default."""
        for number, stage in enumerate(self.train if isinstance(self.model, GivenModel) else ()):
            if "learning_rate" not in stage.model_fields_set:
                raise ValueError(
                    f"train.{number}.learning_rate: write one. The default, {stage.learning_rate:g}, is for fresh "
                    "weights and would undo what model.hf knows; 2e-5 to 1e-4 suit most, 1e-4 to 3e-3 an adapter"
                )

    def check_given(self, model: AnyModelConfig) -> None:
        """Raises RecipeError if a model that is there already cannot do what the recipe asks of it."""
        try:
            self._check_shapes(model)
            has_rows = self.corpus is not None or self.reads_texts_of_examples
            if has_rows and any(not stage.learns_from_examples for stage in self.train):
                _check_positions(model, self.tokens_config.row_tokens, "a row")
        except ValueError as error:
            raise RecipeError(f"{error} (it is the shape of model.hf)") from error

    def _check_shapes(self, model: AnyModelConfig) -> None:
        shape = model.shape
        for number, stage in enumerate(self.train):
            if shape not in (wanted := SHAPES[type(stage.objective)]):
                raise ValueError(
                    f"train.{number}: the objective {stage.objective.name} is for a model of shape "
                    f"{' or '.join(wanted)}, and model.shape is {shape}"
                )
            if stage.segment_tokens is not None and not _reads_segments(model):
                raise ValueError(
                    f"train.{number}.segment_tokens: rows are read in segments by decoders of headrace's own blocks, "
                    "without relative positions and without attention_dropout; leave it out"
                )
            if isinstance(stage.objective, ExampleFields):
                taken = stage.adapter.num_positions if stage.adapter and stage.adapter.prefix else 0
                what = f"the max_tokens of train.{number}.objective"
                _check_positions(model, stage.objective.max_tokens + taken, what)
        if self.evaluate is not None and self.train[-1].learns_from_examples:
            raise ValueError(
                "evaluate is for models that continue text; a model of examples is always measured on them"
            )
        if self.evaluate is not None and shape != "decoder":
            raise ValueError(
                f"evaluate: bits_per_byte and samples are of models that continue text, not of shape {shape}"
            )

    def check_stages(self, row_tokens: int) -> None:
        """Raises ValueError if the model or a stage cannot have rows of so many tokens."""
        if self.model is not None and not isinstance(self.model, GivenModel):
            _check_positions(self.model, row_tokens, "a row")
        for number, stage in enumerate(self.train):
            try:
                if not stage.learns_from_examples:
                    stage.batch_rows(row_tokens)
            except ValueError as error:
                raise ValueError(f"train.{number}: {error}") from error

    @property
    def reads_texts_of_examples(self) -> bool:
        """Whether stages that learn from rows get those of the examples' own training texts, without their labels."""
        given = self.corpus is not None or self.examples is None or self.tokens_config.store is not None
        from_examples = [stage.learns_from_examples for stage in self.train]
        return not given and any(from_examples) and not all(from_examples)

    @property
    def tokens_config(self) -> TokensConfig:
        """How text becomes tokens. A vocabulary that is trained gets the special tokens that objectives need."""
        config = self.tokens or TokensConfig()
        if config.store is not None or config.vocabulary.train is None or isinstance(self.model, GivenModel):
            return config
        given = config.vocabulary.special_tokens
        needed = [
            token
            for stage in self.train
            if not isinstance(stage.objective, ExampleFields)
            for token in special_tokens_for(stage.objective, config.row_tokens)
        ]
        more = dict.fromkeys(token for token in needed if token not in given)
        vocabulary = config.vocabulary.model_copy(update={"special_tokens": (*given, *more)})
        return config.model_copy(update={"vocabulary": vocabulary}) if more else config

    @property
    def model_config_or_default(self) -> ModelConfig:
        """The fresh model that is written, or the preset `tiny` in the shape that the first objective is for."""
        assert not isinstance(self.model, GivenModel), "the config of a model that is there lies beside it"
        if self.model is not None:
            return self.model
        shape = SHAPES[type(self.train[0].objective)][0] if self.train else "decoder"
        return ModelConfig.model_validate({"preset": "tiny", "shape": shape})


def _reads_segments(model: AnyModelConfig) -> bool:
    return not isinstance(model, ForeignConfig) and model.positions != "relative" and not model.attention_dropout


def _check_positions(model: AnyModelConfig, tokens: int, what: str) -> None:
    """Raises ValueError for a model that knows fewer positions than something has tokens."""
    known = tokens
    if isinstance(model, ForeignConfig):
        known = tokens if model.max_positions is None else model.max_positions
    elif model.positions == "learned":
        known = model.max_positions or 0
    if known < tokens:
        raise ValueError(f"model.max_positions: {model.max_positions} is less than {what}'s {tokens} tokens")
