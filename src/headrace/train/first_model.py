"""The model that a stage begins with."""

import torch
from torch import nn

from headrace.errors import InputError
from headrace.models.build import Model, build_model
from headrace.models.heads import Classifier, Headed, Tagger, pooling_of
from headrace.models.hugging_face import load_model
from headrace.models.transformer import Transformer
from headrace.objectives.config import SHAPES, ClassifyConfig, TagConfig
from headrace.train.feed import Feed
from headrace.train.given import Stage


def first_model(stage: Stage, feed: Feed) -> nn.Module:
    """The model of the stage before, or fresh weights. Raises InputError for one that cannot learn what it is to."""
    body, objective = _body(stage), stage.config.objective
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
    return model


def set_dtype(model: nn.Module, dtype: torch.dtype) -> None:
    """Gives the residual stream of all Transformers in a model its type."""
    for module in model.modules():
        if isinstance(module, Transformer):
            module.compute_dtype = dtype


def _body(stage: Stage) -> Model:
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
