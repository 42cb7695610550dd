"""Objectives on examples: packed in any way, losses and gradients are those of one example after the other."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_examples import CLASSES, encoded, lengths_of_examples, stream_of
from small_models import rough_model, roughen, small_config
from torch import Tensor, nn

from headrace.examples.encoded import EncodedExamples
from headrace.models.heads import Classifier, Headed, Pooling, Tagger
from headrace.models.rows import Rows
from headrace.models.transformer import Transformer
from headrace.objectives.cross_entropy import Extra
from headrace.objectives.examples import ClassifyObjective, TagObjective, TextObjective
from headrace.objectives.objective import Objective
from headrace.objectives.rows import RowObjective
from headrace.tokens.batch import IGNORED

VOCABULARY = 60
WEIGHTS = torch.tensor([0.5, 1.0, 2.5])
few = settings(max_examples=6)


@dataclass(frozen=True)
class Exact:
    """Products in float32, as a stage computes them that is not compiled."""

    compiled: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        return nullcontext()


def body(shape: str, **given: Any) -> Any:
    return rough_model(small_config(shape=shape, **given), vocabulary_size=VOCABULARY)


def classifier(shape: str, pooling: Pooling, **given: Any) -> Classifier:
    return roughen(Classifier(body(shape, **given), CLASSES, pooling=pooling, dropout=0.0)).eval()


CLASSIFIERS = {
    "decoder": classifier("decoder", "last"),
    "encoder": classifier("encoder", "mean"),
    "encoder with a pooler": classifier("encoder", "pooler", pooler=True),
    "first": classifier("encoder", "first"),
}
TAGGERS = {name: roughen(Tagger(body(name), CLASSES, dropout=0.0)).eval() for name in ("encoder", "decoder")}
DECODER, PAIR = body("decoder").eval(), body("encoder_decoder").eval()


def alone(model: Transformer, tokens: np.ndarray) -> Tensor:
    """States (T, D) of one text that has a row for itself."""
    token_1T = torch.from_numpy(tokens.astype(np.int64))[None]
    return model.hidden_states(Rows(token_1T, torch.arange(len(tokens))[None], torch.zeros_like(token_1T)))[0]


def texts_of(examples: EncodedExamples) -> list[tuple[np.ndarray, np.ndarray]]:
    inputs = examples.inputs
    return [
        (inputs.tokens[start:end], inputs.targets[start:end])
        for start, end in zip(inputs.bounds, inputs.bounds[1:], strict=False)
    ]


def told(model: Headed, tokens: np.ndarray) -> Tensor:
    """Class logits of one text, or of each of its tokens."""
    states = alone(model.body, tokens)
    if isinstance(model, Tagger):
        return model.score(states)
    assert isinstance(model, Classifier)
    chosen = {
        "last": lambda: states[-1],
        "first": lambda: states[0],
        "mean": lambda: states.mean(dim=0),
        "pooler": lambda: torch.tanh(model.body.pooler(states[0])),
    }[model.pooling]
    return model.score(chosen())


def summed(objective: Objective, model: nn.Module, examples: EncodedExamples, part_tokens: int) -> Tensor:
    batch = stream_of(examples, part_tokens=part_tokens).batch(0)
    losses = [objective.loss(model, part, Exact()) for part in objective.parts(batch, 0)]
    return torch.stack(losses).sum()


def assert_same(objective: Objective, model: nn.Module, examples: EncodedExamples, wanted: Tensor, count: int) -> None:
    """Loss, its gradients, what is counted and measured; as one part, as several, and one example a part."""
    parameters = list(model.parameters())
    theirs = torch.autograd.grad(wanted, parameters, allow_unused=True)
    batch = stream_of(examples).batch(0)
    assert objective.count(batch) == count
    for part_tokens in (10_000, 1):
        loss = summed(objective, model, examples, part_tokens)
        assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-4, abs=1e-5)
        ours = torch.autograd.grad(loss, parameters, allow_unused=True)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(zeros(one), zeros(other), rtol=1e-3, atol=1e-4)


def zeros(gradient: Tensor | None) -> Tensor:
    return torch.zeros(()) if gradient is None or not gradient.any() else gradient


def measured(objective: Objective, model: nn.Module, examples: EncodedExamples) -> list[float]:
    batch = stream_of(examples, part_tokens=30).batch(0)
    return torch.stack([objective.measure(model, part, Exact()) for part in batch.parts]).sum(0).tolist()


@pytest.mark.parametrize("name", CLASSIFIERS)
@few
@given(lengths=lengths_of_examples, smoothing=st.sampled_from([0.0, 0.2]), weighted=st.booleans())
def test_a_class_of_each_text(name: str, lengths: list[int], smoothing: float, weighted: bool) -> None:
    model, examples = CLASSIFIERS[name], encoded("classify", lengths, seed=len(lengths))
    objective = ClassifyObjective(WEIGHTS if weighted else None, smoothing)
    weights = WEIGHTS if weighted else torch.ones(CLASSES)

    wanted, right = torch.zeros(()), 0
    for (tokens, _), label in zip(texts_of(examples), examples.labels.tolist(), strict=True):
        likelihood = told(model, tokens).log_softmax(0)
        for number in range(CLASSES):
            share = (1 - smoothing) * (number == label) + smoothing / CLASSES
            wanted = wanted - share * weights[number] * likelihood[number]
        right += int(likelihood.argmax()) == label

    assert_same(objective, model, examples, wanted, len(lengths))
    assert measured(objective, model, examples) == pytest.approx([float(wanted.detach()), right], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", ["decoder", "encoder"])
@few
@given(lengths=lengths_of_examples, smoothing=st.sampled_from([0.0, 0.2]), weighted=st.booleans())
def test_any_number_of_labels_of_each_text(name: str, lengths: list[int], smoothing: float, weighted: bool) -> None:
    model, examples = CLASSIFIERS[name], encoded("many", lengths, seed=len(lengths))
    objective = ClassifyObjective(WEIGHTS if weighted else None, smoothing)

    wanted, right = torch.zeros(()), 0
    for (tokens, _), labels in zip(texts_of(examples), examples.labels.tolist(), strict=True):
        logits = told(model, tokens)
        for number, holds in enumerate(labels):
            share = holds * (1 - smoothing) + smoothing / 2
            presence = (float(WEIGHTS[number]) if weighted else 1.0) * share
            wanted = (
                wanted - presence * logits[number].sigmoid().log() - (1 - share) * (-logits[number]).sigmoid().log()
            )
        right += (logits > 0).tolist() == [holds > 0 for holds in labels]

    assert_same(objective, model, examples, wanted, len(lengths))
    assert measured(objective, model, examples) == pytest.approx([float(wanted.detach()), right], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", TAGGERS)
@few
@given(lengths=lengths_of_examples)
def test_a_tag_of_each_word(name: str, lengths: list[int]) -> None:
    model, examples = TAGGERS[name], encoded("tag", lengths, seed=len(lengths))

    wanted, right, count = torch.zeros(()), 0, 0
    for tokens, targets in texts_of(examples):
        likelihood = told(model, tokens).log_softmax(1)
        for place, tag in enumerate(targets.tolist()):
            if tag != IGNORED:
                wanted = wanted - likelihood[place, tag]
                right += int(likelihood[place].argmax()) == tag
                count += 1

    assert_same(TagObjective(), model, examples, wanted, count)
    assert measured(TagObjective(), model, examples) == pytest.approx([float(wanted.detach()), right], rel=1e-4)


@few
@given(lengths=lengths_of_examples)
def test_answers_of_a_decoder(lengths: list[int]) -> None:
    """Also translation by a decoder alone: what differs is which places are asked."""
    examples = encoded("text", lengths, seed=len(lengths))

    wanted, count = torch.zeros(()), 0
    for tokens, targets in texts_of(examples):
        likelihood = DECODER.compare(alone(DECODER, tokens)).log_softmax(1)
        for place, token in enumerate(targets.tolist()):
            if token != IGNORED:
                wanted, count = wanted - likelihood[place, token], count + 1

    assert_same(TextObjective(), DECODER, examples, wanted, count)
    assert measured(TextObjective(), DECODER, examples)[0] == pytest.approx(float(wanted.detach()), rel=1e-4)


@few
@given(lengths=lengths_of_examples, smoothing=st.sampled_from([0.0, 0.1]))
def test_translations_of_an_encoder_decoder(lengths: list[int], smoothing: float) -> None:
    """Smoothing is learnt and not reported."""
    examples = encoded("pairs", lengths, seed=len(lengths))
    objective = TextObjective(RowObjective(Extra(smoothing=smoothing)))

    reported, learnt, count = torch.zeros(()), torch.zeros(()), 0
    sources = examples.sources
    for number, (tokens, targets) in enumerate(texts_of(examples)):
        source = sources.tokens[sources.bounds[number] : sources.bounds[number + 1]]
        logits = PAIR.logits(*(torch.from_numpy(each.astype(np.int64))[None] for each in (source, tokens)))[0]
        likelihood = logits.log_softmax(1)
        for place, token in enumerate(targets.tolist()):
            reported, count = reported - likelihood[place, token], count + 1
            spread = likelihood[place].mean()
            learnt = learnt - (1 - smoothing) * likelihood[place, token] - smoothing * spread

    batch = stream_of(examples).batch(0)
    loss = summed(objective, PAIR, examples, 30)
    assert objective.count(batch) == count
    assert float(loss.detach()) == pytest.approx(float(reported.detach()), rel=1e-4)
    parameters = list(PAIR.parameters())
    ours = torch.autograd.grad(loss, parameters, allow_unused=True)
    for one, other in zip(ours, torch.autograd.grad(learnt, parameters, allow_unused=True), strict=True):
        torch.testing.assert_close(zeros(one), zeros(other), rtol=1e-3, atol=1e-4)


def test_a_batch_without_examples_or_targets_has_no_loss() -> None:
    examples = encoded("tag", [4, 5], seed=1)
    examples.inputs.targets[:] = IGNORED
    batch = stream_of(examples).batch(0)

    loss = TagObjective().loss(TAGGERS["encoder"], batch.parts[0], Exact())
    loss.backward()

    assert float(loss.detach()) == 0.0
    assert TagObjective().count(batch) == 0
    assert list(TagObjective().parts(stream_of(examples).batch_of(np.empty(0, np.int64)), 0)) == []


def test_the_mean_weight_of_examples_is_one_and_wrong_names_are_refused() -> None:
    from headrace.errors import InputError
    from headrace.objectives.config import ClassifyConfig
    from headrace.train.example_feed import class_weights

    labels = ("ham", "spam", "other")
    examples = encoded("classify", [3] * 20, seed=3)
    counts = np.bincount(examples.labels, minlength=CLASSES)

    assert class_weights(ClassifyConfig(), examples, labels) is None
    for config in (
        ClassifyConfig(class_weights="balanced"),
        ClassifyConfig(class_weights={"ham": 1.0, "spam": 7.0, "other": 0.5}),
    ):
        weights = class_weights(config, examples, labels).numpy()
        assert (weights * counts).sum() / counts.sum() == pytest.approx(1.0)
    balanced = class_weights(ClassifyConfig(class_weights="balanced"), examples, labels).numpy()
    assert (balanced * counts) == pytest.approx([len(examples) / 3] * 3)
    given_weights = ClassifyConfig(class_weights={"ham": 1.0, "spam": 7.0, "other": 0.5})
    found = class_weights(given_weights, examples, labels).numpy()
    assert found[1] / found[0] == pytest.approx(7.0)
    many = encoded("many", [3] * 20, seed=3)
    presence = class_weights(ClassifyConfig(class_weights="balanced"), many, labels).numpy()
    holds = many.labels.sum(0)
    assert (presence * holds) == pytest.approx(len(many) - holds)
    with pytest.raises(InputError, match="class_weights: egg: wanted a weight for each of ham, spam, other"):
        class_weights(ClassifyConfig(class_weights={**given_weights.class_weights, "egg": 1.0}), examples, labels)
    assert math.isfinite(found.sum())
