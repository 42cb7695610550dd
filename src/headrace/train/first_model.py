"""The model that a stage begins with."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from headrace.errors import InputError
from headrace.models.adapters.attached import Adapters
from headrace.models.build import Model, build_model
from headrace.models.config import ModelConfig
from headrace.models.families import family_for
from headrace.models.foreign import ForeignConfig
from headrace.models.heads import Classifier, Headed, Tagger, pooling_of
from headrace.models.hugging_face import load_model
from headrace.models.task_folder import head_name, head_of
from headrace.models.transformer import Transformer
from headrace.objectives.config import SHAPES, ClassifyConfig, TagConfig
from headrace.objectives.prefer import PreferObjective
from headrace.tokens.formats import read_vocabulary
from headrace.train.feed import Feed
from headrace.train.first_foreign_model import first_foreign_model
from headrace.train.given import Stage


class Begun(NamedTuple):
    """A model that is about to learn."""

    model: nn.Module
    adapters: Adapters | None
    """Where only an adapter learns."""


def first_model(stage: Stage, feed: Feed) -> Begun:
    """The model of the stage before, or fresh weights; with a head and an adapter, if the stage has them.

    Raises InputError for a model that cannot learn what it is to.
    """
    if isinstance(stage.model, ForeignConfig):
        return Begun(first_foreign_model(stage, feed), None)
    body = _body(stage)
    model = _with_head(body, stage, feed)
    config = stage.config.adapter
    if config is None:
        return Begun(model, None)
    from headrace.models.adapters.injection import adapt  # needs peft

    heads = {}
    if isinstance(model, Headed):
        assert feed.head is not None, "a head tells classes"
        heads[head_name(family_for(body.config), feed.head.task)] = model.score
    start = config.prompt.start if config.prompt else None
    tokens = read_vocabulary(stage.tokenizer_path).encode(start, add_special_tokens=False).ids if start else ()
    return Begun(
        model, adapt(body, config, seed=stage.seed, num_steps=feed.num_steps, heads=heads, start_tokens=tokens)
    )


def _with_head(body: Model, stage: Stage, feed: Feed) -> nn.Module:
    objective = stage.config.objective
    if feed.head is None:
        return body
    model: Headed
    if isinstance(objective, ClassifyConfig):
        pooling = pooling_of(body, objective.pooling)
        model = Classifier(body, len(feed.head.labels), pooling=pooling, dropout=objective.head_dropout)
    else:
        assert isinstance(objective, TagConfig), "other objectives tell no classes"
        model = Tagger(body, len(feed.head.labels), dropout=objective.head_dropout)
    model.draw_head(stage.seed)
    if stage.initial is not None and (head := head_of(stage.initial.path, feed.head.task, feed.head.labels)):
        model.score.load_state_dict(head)  # the stage before told the same classes
    return model


def with_reference(feed: Feed, stage: Stage, adapters: Adapters | None, *, dtype: torch.dtype) -> Feed:
    """The feed, whose objective knows the model that training began with, if it compares with that.

    dtype: of that model's residual stream, where it is another one than the model that learns.
    """
    if not isinstance(feed.objective, PreferObjective):
        return feed
    if adapters is not None:
        return replace(feed, objective=replace(feed.objective, without_adapter=adapters.disabled))
    reference = first_foreign_model(stage, feed) if isinstance(stage.model, ForeignConfig) else _body(stage)
    set_dtype(reference, dtype)
    return replace(feed, objective=replace(feed.objective, reference=reference.eval().requires_grad_(False)))


def set_dtype(model: nn.Module, dtype: torch.dtype) -> None:
    """Gives the residual stream of all Transformers in a model its type."""
    for module in model.modules():
        if isinstance(module, Transformer):
            module.compute_dtype = dtype


def _body(stage: Stage) -> Model:
    assert isinstance(stage.model, ModelConfig), "others are loaded elsewhere"
    if stage.initial is None:
        return build_model(stage.model, stage.vocabulary_size, seed=stage.seed)
    model, _ = load_model(stage.initial.path)
    objective = stage.config.objective
    if model.vocabulary_size < stage.vocabulary_size:
        raise InputError(
            f"{stage.initial.path}: a model of {model.vocabulary_size:,} tokens, "
            f"the vocabulary has {stage.vocabulary_size:,}."
        )
    if model.config.shape not in (shapes := SHAPES[type(objective)]):
        raise InputError(
            f"{stage.initial.path}: a model of shape {model.config.shape}, and {objective.name} is for "
            f"{' or '.join(shapes)}."
        )
    return model
