"""The model that a stage begins with, where transformers builds it."""

from headrace.errors import InputError
from headrace.models.foreign import ForeignConfig
from headrace.models.foreign.folder import load_foreign, load_foreign_head
from headrace.models.foreign.model import Foreign
from headrace.objectives.config import SHAPES, ClassifyConfig, TagConfig
from headrace.train.feed import Feed
from headrace.train.given import Stage
from headrace.train.optimizer_config import MuonConfig


def first_foreign_model(stage: Stage, feed: Feed) -> Foreign:
    """The model that was taken in, or that of the stage before; with transformers' own head, if it is to tell classes.

    Raises InputError for a model that cannot learn what it is to, and for settings that it has no use for.
    """
    assert stage.initial is not None, "a model of transformers is given"
    path = stage.initial.path
    _check(stage, feed)
    model: Foreign
    if feed.head is not None:
        model = load_foreign_head(path, feed.head.task, feed.head.labels, seed=stage.seed)
    else:
        model = load_foreign(path)
    if model.vocabulary_size < stage.vocabulary_size:
        raise InputError(
            f"{path}: a model of {model.vocabulary_size:,} tokens, the vocabulary has {stage.vocabulary_size:,}."
        )
    return model


def _check(stage: Stage, feed: Feed) -> None:
    model, config = stage.model, stage.config
    assert isinstance(model, ForeignConfig), "our own models are checked elsewhere"
    objective, kind = config.objective, f"a model of kind {model.family!r}"
    if model.shape not in (shapes := SHAPES[type(objective)]):
        raise InputError(f"{kind}: its shape is {model.shape}, and {objective.name} is for {' or '.join(shapes)}.")
    if model.max_positions is not None and feed.row_tokens > model.max_positions:
        raise InputError(
            f"{kind}: it has positions for {model.max_positions:,} tokens, and rows have {feed.row_tokens:,}. Make "
            "tokens.row_tokens, or the objective's max_tokens, smaller."
        )
    refused = {
        "adapter": config.adapter is not None,
        "compile: on": config.compile == "on",
        "optimizer.per_head": isinstance(config.optimizer, MuonConfig) and config.optimizer.per_head,
        "objective.pooling": isinstance(objective, ClassifyConfig) and objective.pooling != "auto",
        "objective.head_dropout": isinstance(objective, ClassifyConfig | TagConfig)
        and objective.head_dropout != type(objective)().head_dropout,
    }
    if found := [name for name, is_set in refused.items() if is_set]:
        raise InputError(
            f"{kind} is trained as transformers builds it, whole and uncompiled; leave out {', '.join(found)}, or take "
            "a model that headrace has modules for."
        )
