"""Preferences: the loss of Rafailov et al. with two models, however pairs are packed."""

import math
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_examples import encoded, stream_of
from small_models import rough_model, small_config
from torch import Tensor

from headrace.examples.encoded import EncodedExamples
from headrace.models.adapters.config import AdapterConfig
from headrace.models.adapters.injection import adapt
from headrace.objectives import cross_entropy
from headrace.objectives.prefer import PreferObjective, sequence_log_likelihoods
from headrace.tokens.batch import IGNORED

VOCABULARY = 60


@dataclass(frozen=True)
class Exact:
    """Products in float32, as a stage computes them that is not compiled."""

    compiled: bool = False

    def autocast(self) -> Any:
        return nullcontext()


def decoder(seed: int = 1, **given: Any) -> Any:
    return rough_model(small_config(**{"head_bias": True, **given}), vocabulary_size=VOCABULARY, seed=seed).eval()


MODEL, REFERENCE = decoder(1), decoder(2).requires_grad_(False)


def likelihoods(model: Any, examples: EncodedExamples) -> list[Tensor]:
    """Of what is asked of each sequence, one sequence and one token after the other."""
    found, inputs = [], examples.inputs
    for start, end in zip(inputs.bounds, inputs.bounds[1:], strict=False):
        logits = model.logits(torch.from_numpy(inputs.tokens[start:end].astype(np.int64))[None])[0]
        places = [(place, int(t)) for place, t in enumerate(inputs.targets[start:end]) if t != IGNORED]
        found.append(sum((logits[place].log_softmax(0)[token] for place, token in places), torch.zeros(())))
    return found


@settings(max_examples=6)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    beta=st.sampled_from([0.1, 0.5]),
    smoothing=st.sampled_from([0.0, 0.2]),
)
def test_the_loss_is_that_of_the_paper(lengths: list[int], beta: float, smoothing: float) -> None:
    examples = encoded("prefer", lengths, seed=len(lengths))
    objective = PreferObjective(beta, smoothing, reference=REFERENCE)

    ours, theirs = likelihoods(MODEL, examples), [each.detach() for each in likelihoods(REFERENCE, examples)]
    wanted, right = torch.zeros(()), 0
    for pair in range(len(lengths)):
        chosen, rejected = (ours[2 * pair + side] - theirs[2 * pair + side] for side in (0, 1))
        chance = torch.sigmoid(beta * (chosen - rejected))
        wanted = wanted - (1 - smoothing) * chance.log() - smoothing * (1 - chance).log()
        right += bool(chosen > rejected)

    parameters = list(MODEL.parameters())
    wanted_gradients = torch.autograd.grad(wanted, parameters)
    for part_tokens in (10_000, 40, 1):
        batch = stream_of(examples, part_tokens=part_tokens).batch(0)
        loss = sum(objective.loss(MODEL, part, Exact()) for part in objective.parts(batch, 0))
        assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-3)
        for one, other in zip(torch.autograd.grad(loss, parameters), wanted_gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
        sums = sum(objective.measure(MODEL, part, Exact()) for part in batch.parts)
        assert sums.tolist() == pytest.approx([float(wanted.detach()), right], rel=1e-3)
        assert objective.count(batch) == len(lengths)


def test_likelihoods_are_made_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = encoded("prefer", [20, 9, 14], seed=4)
    (part,) = stream_of(examples).batch(0).parts
    whole = sequence_log_likelihoods(MODEL, part, Exact())

    monkeypatch.setattr(cross_entropy, "LEAST_TOKENS", 1)
    monkeypatch.setattr(cross_entropy, "CHUNK_LOGITS", 16 * VOCABULARY)

    torch.testing.assert_close(sequence_log_likelihoods(MODEL, part, Exact()), whole)
    numbers = (part.numbers[:, None] * 2 + [0, 1]).ravel()
    torch.testing.assert_close(whole, torch.stack(likelihoods(MODEL, examples))[numbers], rtol=1e-4, atol=1e-4)


def test_the_reference_is_the_model_without_its_adapter_and_leaves_nothing_out() -> None:
    """Before anything is learnt both are one, and the loss of each pair is log 2; dropout does not matter."""
    model = decoder(1, dropout=0.3)
    adapters = adapt(model, AdapterConfig.model_validate({"lora": {"rank": 2}}), seed=1, num_steps=4)
    objective = PreferObjective(0.1, 0.0, without_adapter=adapters.disabled)
    examples = encoded("prefer", [9, 14], seed=4)
    (part,) = stream_of(examples).batch(0).parts

    assert float(objective.loss(model, part, Exact()).detach()) == pytest.approx(2 * math.log(2), rel=1e-5)
    with torch.no_grad():
        for parameter in adapters.trainable_parameters().values():
            parameter.normal_(0.0, 0.3)
    plain = decoder(1)
    two_models = PreferObjective(0.1, 0.0, reference=plain)
    assert float(objective.loss(model, part, Exact()).detach()) == pytest.approx(
        float(two_models.loss(model, part, Exact()).detach()), rel=1e-5
    )
    model.train()
    known = []

    @contextmanager
    def watch() -> Any:
        with adapters.disabled():
            yield
        known.append(model.training)

    noisy = PreferObjective(0.1, 0.0, without_adapter=watch)
    torch.manual_seed(1)
    noisy.loss(model, part, Exact()).backward()
    assert known == [True]
    assert all(module.training for module in model.modules())
