"""Compiled blocks are believed only where their gradients are those of plain ones."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import clear_compilation_metrics, get_compilation_metrics

from headrace.models import ModelConfig
from headrace.models.block import Block
from headrace.models.decoder import Decoder, build_decoder
from headrace.objectives.rows import RowObjective
from headrace.parallel import Group
from headrace.tokens import IGNORED, Batch
from headrace.trace import recording
from headrace.train.compiled import OTHER_TARGET, compile_checked
from headrace.train.gradient import finish_gradient
from headrace.train.numerics import Numerics, compiler_found
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig

ROWS, ROW_TOKENS, VOCABULARY = 2, 256, 300
CONFIG = ModelConfig(depth=1, width=64, heads=1, kv_heads=1, feed_forward=96)
DEEPER = ModelConfig(depth=2, width=64, heads=1, kv_heads=1, feed_forward=96)

pytestmark = pytest.mark.skipif(not compiler_found(), reason="no C++ compiler")


@pytest.fixture
def model() -> Iterator[Decoder]:
    yield build_decoder(CONFIG, VOCABULARY, seed=1)
    torch._dynamo.reset()
    torch._inductor.config.cpp.march = None


@pytest.fixture(scope="module")
def batch() -> Batch:
    tokens = np.random.default_rng(3).integers(0, VOCABULARY, (ROWS, ROW_TOKENS)).astype(np.int32)
    positions = np.tile(np.arange(ROW_TOKENS, dtype=np.int16), (ROWS, 1))
    return Batch(tokens, np.roll(tokens, -1, axis=1), positions, np.zeros_like(tokens))


def numerics_of(precision: str) -> Numerics:
    return Numerics.model_validate({"precision": precision, "compiled": True, "num_threads": 1, "peak_gflops": 1.0})


class WrongAtFirst(torch.autograd.Function):
    """What a block gives, with gradients that are too large."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return 3.0 * gradients[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own, while it compiles
def test_gradients_are_right_in_the_end_on_any_machine(model: Decoder, batch: Batch) -> None:
    numerics = numerics_of("bf16")
    model.compute_dtype = numerics.dtype
    chosen = compile_checked(model, batch, objective=RowObjective(), numerics=numerics, group=Group())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert chosen.compiled == (model.blocks[0]._compiled_call_impl is not None)
    assert chosen.compile_for in (None, OTHER_TARGET)


def test_wrong_kernels_are_not_used(
    model: Decoder, batch: Batch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def spoilt(self: Block, *, dynamic: bool) -> None:
        self._compiled_call_impl = lambda x, row: WrongAtFirst.apply(self.forward(x, row))

    monkeypatch.setattr(Block, "compile", spoilt)
    events: list[dict[str, Any]] = []
    with caplog.at_level(logging.WARNING), recording(None, [events.append]):
        chosen = compile_checked(model, batch, objective=RowObjective(), numerics=numerics_of("fp32"), group=Group())
    assert not chosen.compiled
    assert "wrong gradients on this machine" in caplog.text
    assert {event["name"] for event in events} == {"compiled_wrong"}
    assert all(block._compiled_call_impl is None for block in model.blocks)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own, while it compiles
def test_nothing_is_compiled_after_the_first_step(batch: Batch) -> None:
    """Whatever documents the rows hold, in training and in validation; one graph serves all blocks."""
    model, numerics, objective = build_decoder(DEEPER, VOCABULARY, seed=1), numerics_of("bf16"), RowObjective()
    model.compute_dtype = numerics.dtype
    numerics = compile_checked(model, batch, objective=objective, numerics=numerics, group=Group())
    optimizer = build_optimizer(AdamWConfig(), model)
    optimizer.set_rate(1e-3)

    def step(rows: Batch) -> None:
        loss = objective.loss(model, rows, numerics)
        loss.backward()  # type: ignore[no-untyped-call]
        count = objective.count(rows)
        finish_gradient(model.parameters(), num_targets=count, loss=float(loss.detach()), largest_norm=1.0, step=1)
        optimizer.step()
        optimizer.zero_grad()

    step(batch)
    assert get_compilation_metrics()
    clear_compilation_metrics()
    for first in (1, 100, ROW_TOKENS - 1):  # a second document begins, and the first one's targets count for nothing
        second = np.arange(ROW_TOKENS) >= first
        documents = np.tile(second.astype(np.int32), (ROWS, 1))
        positions = (batch.positions_BT - first * second).astype(np.int16)
        targets = batch.targets_BT.copy()
        targets[0, : first // 2] = IGNORED
        rows = Batch(batch.tokens_BT, targets, positions, documents)
        step(rows)
        objective.measure(model, rows, numerics)
    compiled_later = get_compilation_metrics()
    torch._dynamo.reset()
    assert not compiled_later
