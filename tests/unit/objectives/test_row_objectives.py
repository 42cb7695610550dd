"""Objectives on rows: the same loss and gradients however many places are asked, and nobody sees what it is asked."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_batches import batches, packed_batch
from small_models import rough_model, small_config
from torch import Tensor
from torch.nn import functional

from headrace.models.build import Model
from headrace.objectives import guesses
from headrace.objectives.reading import as_rows
from headrace.objectives.rows import RowObjective, batch_losses
from headrace.tokens.batch import IGNORED, Batch
from headrace.tokens.corrupt import CutPrefix, MaskNextTokens, MaskTokens
from headrace.tokens.denoise import CorruptSpans

VOCABULARY, MASK, ROW_TOKENS = 60, 59, 24


@dataclass(frozen=True)
class Exact:
    """Products in float32, as a stage computes them that is not compiled."""

    compiled: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        return nullcontext()


def model_of(shape: str, **given: Any) -> Model:
    return rough_model(small_config(shape=shape, head_bias=True, **given), vocabulary_size=VOCABULARY).eval()


DECODER, ENCODER, PAIR = model_of("decoder"), model_of("encoder"), model_of("encoder_decoder")


def noisy(name: str, batch: Batch, *, seed: int = 3) -> tuple[Model, Batch]:
    """A model, and a batch as its objective wants it."""
    places = np.arange(batch.num_rows)
    if name == "encoder":
        return ENCODER, MaskTokens(seed, 0.3, MASK, MASK)(batch, 1, places)
    if name == "causal and masked":
        return DECODER, MaskNextTokens(seed, 0.3, 0.5, batch.num_rows, MASK, MASK)(batch, 1, places)
    if name == "prefix":
        return DECODER, CutPrefix(seed)(batch, 1, places)
    if name == "encoder_decoder":
        spans = CorruptSpans(seed, 0.3, 2.0, MASK - 1, end_token=0, pad_token=0)
        return PAIR, spans(batch, 1, places).as_batch(0)
    return DECODER, batch


KINDS = ("causal", "encoder", "causal and masked", "prefix", "encoder_decoder")


def gradients(model: Model, batch: Batch, *, part_rows: int = 100) -> tuple[float, list[Tensor]]:
    model.zero_grad()
    total, objective = 0.0, RowObjective()
    for part in objective.parts(batch, part_rows):
        loss = objective.loss(model, part, Exact())
        loss.backward()
        total += float(loss.detach())
    return total, [p.grad.clone() if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(batch=batches(row_tokens=ROW_TOKENS, vocabulary_size=MASK, most_rows=3))
def test_the_loss_is_that_of_every_place_and_of_any_parts(kind: str, batch: Batch) -> None:
    model, read = noisy(kind, batch)

    loss, found = gradients(model, read)

    wanted = wanted_loss(model, read)
    assert loss == pytest.approx(float(wanted.detach()), rel=1e-5, abs=1e-5)
    in_parts, cut = gradients(model, read, part_rows=1)
    assert in_parts == pytest.approx(loss, rel=1e-5, abs=1e-5)
    for ours, parted, theirs in zip(found, cut, all_gradients(model, wanted), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(parted, theirs, rtol=1e-4, atol=1e-4)
    objective = RowObjective()
    measured = objective.measure(model, read, Exact())
    assert float(measured[0]) == pytest.approx(loss, rel=1e-5, abs=1e-5)
    assert torch.isnan(measured[1])
    assert objective.count(read) == int((read.targets_BT != IGNORED).sum())


def wanted_loss(model: Model, batch: Batch) -> Tensor:
    logits = model.compare(model.predictions(model.hidden_states(as_rows(batch)))).flatten(0, 1)
    return functional.cross_entropy(logits, torch.from_numpy(batch.targets_BT).flatten().long(), reduction="sum")


def all_gradients(model: Model, loss: Tensor) -> list[Tensor]:
    parameters = list(model.parameters())
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("few", [0.0, 2.0])
def test_places_that_nobody_asks_may_be_left_out(kind: str, few: float, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = packed_batch([[9, 15], [20]], row_tokens=ROW_TOKENS, vocabulary_size=MASK, seed=1)
    model, read = noisy(kind, batch)
    wanted = gradients(model, read)

    monkeypatch.setattr(guesses, "FEW", few)
    found = gradients(model, read)

    assert found[0] == pytest.approx(wanted[0], rel=1e-5)
    for one, other in zip(found[1], wanted[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    losses = batch_losses(model, read, Exact())
    assert float(losses.sum()) == pytest.approx(wanted[0], rel=1e-5)
    asked = losses[losses > 0]
    assert len(asked) == read.num_targets


@settings(max_examples=15)
@given(batch=batches(row_tokens=ROW_TOKENS, vocabulary_size=MASK, most_rows=2), seed=st.integers(0, 9))
def test_no_target_of_a_prefix_model_is_seen_from_its_own_place(batch: Batch, seed: int) -> None:
    """Another token at some place behind the prefix changes the loss of no target before it, its own included."""
    _, read = noisy("prefix", batch, seed=seed)
    before = each_loss(DECODER, read)
    generator = np.random.default_rng(seed)
    for row in range(read.num_rows):
        behind = np.flatnonzero((read.documents_BT[row] >= 0) & ~read.prefix_BT[row] & (read.positions_BT[row] > 0))
        if not len(behind):
            continue
        place = int(generator.choice(behind))
        changed = read.tokens_BT.copy()
        changed[row, place] = (changed[row, place] + 7) % MASK
        after = each_loss(DECODER, replace(read, tokens_BT=changed))
        assert np.allclose(after[row, :place], before[row, :place], atol=1e-5)
        others = read.documents_BT[row] != read.documents_BT[row, place]
        assert np.allclose(after[row, others], before[row, others], atol=1e-5)


def test_a_prefix_is_seen_as_a_whole_and_masked_rows_too() -> None:
    """What stands last in a prefix changes the states of its first place; in a plain row it does not."""
    batch = packed_batch([[24], [24]], row_tokens=ROW_TOKENS, vocabulary_size=MASK, seed=5)
    for kind in ("prefix", "causal and masked"):
        _, read = noisy(kind, batch, seed=2)
        for row in range(2):
            last = int(np.flatnonzero(read.prefix_BT[row])[-1]) if read.prefix_BT[row].any() else 23
            changed = read.tokens_BT.copy()
            changed[row, last] = (changed[row, last] + 7) % MASK
            with torch.no_grad():
                states = [DECODER.hidden_states(as_rows(each)) for each in (read, replace(read, tokens_BT=changed))]
            moved = not torch.allclose(states[0][row, 0], states[1][row, 0], atol=1e-5)
            assert moved == (last > 0 and bool(read.prefix_BT[row].any()))


def each_loss(model: Model, batch: Batch) -> np.ndarray:
    with torch.no_grad():
        logits = model.compare(model.predictions(model.hidden_states(as_rows(batch)))).flatten(0, 1)
        target = torch.from_numpy(batch.targets_BT).flatten().long()
        losses = functional.cross_entropy(logits, target, reduction="none", ignore_index=IGNORED)
    return losses.reshape(batch.tokens_BT.shape).numpy()


def test_a_part_with_nothing_to_learn_has_no_loss_and_no_gradient() -> None:
    batch = packed_batch([[9]], row_tokens=ROW_TOKENS, vocabulary_size=MASK, seed=1)
    nothing = replace(batch, targets_BT=np.full_like(batch.targets_BT, IGNORED))

    loss, found = gradients(DECODER, nothing)

    assert loss == 0.0
    assert all((gradient == 0).all() for gradient in found)
