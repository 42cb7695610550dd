"""A feed of labelled examples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from headrace.errors import InputError
from headrace.examples.encoded import EncodedExamples
from headrace.examples.example_set import ExampleSet
from headrace.examples.packing import Shape, shape_for
from headrace.examples.stream import ExampleStream, Sizes, padded_share
from headrace.objectives.config import ClassifyConfig, ExampleFields, PreferConfig, SeqToSeqConfig, TagConfig
from headrace.objectives.cross_entropy import Extra
from headrace.objectives.encoding import ExampleEncoder
from headrace.objectives.examples import ClassifyObjective, TagObjective, TextObjective
from headrace.objectives.objective import Objective
from headrace.objectives.prefer import PreferObjective
from headrace.objectives.rows import RowObjective
from headrace.parallel import Group
from headrace.train.feed import Feed, HeadNeeded
from headrace.train.given import Stage

KINDS: dict[str, tuple[str, ...]] = {
    "classify": ("classify", "classify_many"),
    "tag": ("tag",),
    "seq2seq": ("seq2seq",),
    "instruct": ("instruct",),
    "prefer": ("prefer",),
}
"""The kinds of examples that an objective learns from."""
WATCHED_BATCHES = 8
"""Batches whose padding is looked at."""


def example_feed(stage: Stage, group: Group) -> Feed:
    """The splits of examples as the objective wants them. Raises InputError if they do not suit it."""
    config, objective = stage.config, stage.config.objective
    assert isinstance(objective, ExampleFields), "rows of tokens have a feed of their own"
    assert stage.examples is not None, "an objective on examples has examples"
    examples = ExampleSet(stage.examples.path)
    if examples.kind not in (wanted := KINDS[objective.name]):
        raise InputError(
            f"examples: their columns are those of {examples.kind}, and the objective {objective.name} learns from "
            f"{' or '.join(wanted)}."
        )
    encoder = ExampleEncoder(
        objective,
        stage.model.shape,
        stage.model_vocabulary,
        examples.labels or examples.tags,
        num_placeholders=config.adapter.num_placeholders if config.adapter else 0,
    )
    splits = [name for name in ("train", "validation") if name in examples.splits]
    encoded: dict[str, EncodedExamples] = {name: encoder(examples.split(name)) for name in splits}
    if "validation" not in encoded:
        raise InputError("examples.validation is 0, and training is watched on held-out examples; take 10% or more.")
    sizes = sizes_of(stage)
    feed = _feed(stage, group, encoded, examples=examples, sizes=sizes)
    if isinstance(objective, PreferConfig):
        return feed

    def of_one_shape() -> Feed:
        shaped = replace(sizes, shape=_shape(encoded, sizes, group))
        return _feed(stage, group, encoded, examples=examples, sizes=shaped)

    return replace(feed, for_compiled=of_one_shape)


def _feed(
    stage: Stage, group: Group, encoded: Mapping[str, EncodedExamples], *, examples: ExampleSet, sizes: Sizes
) -> Feed:
    config, train = stage.config, encoded["train"]
    stream = ExampleStream(train, sizes, seed=stage.seed, rank=group.rank, world_size=group.size)
    watched = ExampleStream(encoded["validation"], sizes, seed=None)
    batches = [stream.batch(step) for step in range(min(WATCHED_BATCHES, stream.num_batches))]
    return Feed(
        objective=_objective(stage, train, examples.labels),
        stream=stream,
        micro_batch_rows=0,
        num_steps=config.num_example_steps(len(train)),
        steps_per_epoch=len(train) / config.global_batch_examples,
        held_out=watched,
        num_held_out=watched.num_batches,
        held_out_rows=0,
        row_tokens=int(max(train.inputs.lengths.max(), 1)),
        step_tokens=round(config.global_batch_examples * float(train.lengths.mean())),
        head=_head(examples),
        facts={
            "examples_per_split": {name: len(split) for name, split in encoded.items()},
            "truncated": {name: split.num_truncated for name, split in encoded.items()},
            "padded_share": round(padded_share(batches), 4),
        },
    )


def _shape(encoded: Mapping[str, EncodedExamples], sizes: Sizes, group: Group) -> Shape:
    """The shape of all parts of a stage, its validation's too."""
    inputs = np.concatenate([split.inputs.lengths for split in encoded.values()])
    read = [split.sources.lengths for split in encoded.values() if split.sources is not None]
    return shape_for(
        inputs,
        np.concatenate(read) if read else None,
        batch=max(1, sizes.batch // group.size),
        part_tokens=sizes.part_tokens,
    )


def sizes_of(stage: Stage) -> Sizes:
    """How many examples a stage takes together."""
    return Sizes(
        stage.config.global_batch_examples,
        stage.config.micro_batch_tokens,
        stage.model.attention_tokens(stage.vocabulary_size),
        stage.end_token,
    )


def _head(examples: ExampleSet) -> HeadNeeded | None:
    if examples.kind in ("classify", "classify_many"):
        return HeadNeeded(examples.kind, tuple(examples.labels))
    return HeadNeeded("tag", tuple(examples.tags)) if examples.kind == "tag" else None


def _objective(stage: Stage, examples: EncodedExamples, labels: Sequence[str]) -> Objective:
    config = stage.config.objective
    if isinstance(config, ClassifyConfig):
        return ClassifyObjective(class_weights(config, examples, labels), config.label_smoothing)
    if isinstance(config, TagConfig):
        return TagObjective()
    if isinstance(config, SeqToSeqConfig):
        return TextObjective(RowObjective(Extra(smoothing=config.label_smoothing)))
    if isinstance(config, PreferConfig):
        return PreferObjective(config.beta, config.label_smoothing)
    return TextObjective()


def class_weights(config: ClassifyConfig, examples: EncodedExamples, labels: Sequence[str]) -> Tensor | None:
    """What an example of each class counts for (C,), None where all count alike.

    One label each: weights whose mean over the training examples is 1, so that losses and rates compare. Any number of
    labels: what presence counts for beside absence; `balanced` makes both of each label count alike.
    Raises InputError for classes that are not there, or were forgotten.
    """
    assert examples.labels is not None, "what is classified has labels"
    if config.class_weights == "equal":
        return None
    many = examples.labels.ndim == 2
    total = len(examples)
    count_C = examples.labels.sum(0) if many else np.bincount(examples.labels, minlength=len(labels))
    if config.class_weights == "balanced":
        count_C = np.maximum(count_C, 1)
        weight_C = (total - count_C) / count_C if many else total / (len(labels) * count_C)
    else:
        if wrong := set(config.class_weights) ^ set(labels):
            raise InputError(
                f"class_weights: {', '.join(sorted(wrong))}: wanted a weight for each of {', '.join(labels)}."
            )
        weight_C = np.array([config.class_weights[label] for label in labels])
        weight_C = weight_C if many else weight_C * total / (weight_C * count_C).sum()
    return torch.from_numpy(np.asarray(weight_C, np.float32))
