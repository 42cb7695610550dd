"""Rows that are cut short at first, and rows that are read in segments: in whole stages, and what is learnt of them."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from small_batches import batches
from small_models import STEP_TOKENS, small_config, small_stage, train_and_listen, train_until
from small_road import ROW_TOKENS, Road

from headrace.errors import InputError
from headrace.models.decoder import Decoder, build_decoder
from headrace.objectives.reading import as_rows
from headrace.objectives.rows import RowObjective
from headrace.objectives.segments import SegmentObjective
from headrace.parallel import Group
from headrace.tokens.batch import IGNORED, Batch
from headrace.train.config import StageConfig
from headrace.train.gradient import finish_gradient
from headrace.train.length_config import LengthWarmUpConfig
from headrace.train.lengths import CutRows
from headrace.train.optimizer import build_optimizer
from headrace.train.optimizer_config import AdamWConfig
from headrace.train.row_feed import row_feed
from headrace.train.stage import train_stage

SHORT = LengthWarmUpConfig(from_tokens=ROW_TOKENS // 4, share=0.5)


@dataclass(frozen=True)
class Exact:
    compiled: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        return nullcontext()


def test_rows_double_until_they_are_whole() -> None:
    cut = CutRows.of(LengthWarmUpConfig(from_tokens=200, share=0.3), row_tokens=1024, num_steps=100)

    assert [cut.length(step) for step in (0, 14, 15, 29, 30, 99)] == [256, 256, 512, 512, 1024, 1024]
    with pytest.raises(ValueError, match="from_tokens 600: no half of row_tokens 1,024 is as long; write at most 512"):
        CutRows.of(LengthWarmUpConfig(from_tokens=600), row_tokens=1024, num_steps=100)


@given(batch=batches(row_tokens=24), length=st.sampled_from([3, 6, 12, 24]))
@settings(max_examples=30)
def test_a_cut_changes_nothing_but_what_is_seen(batch: Batch, length: int) -> None:
    short = batch.cut(length)

    assert short.tokens_BT.shape == (batch.num_rows * 24 // length, length)
    for ours, whole in ((short.tokens_BT, batch.tokens_BT), (short.targets_BT, batch.targets_BT)):
        assert (ours.ravel() == whole.ravel()).all()
    for documents, positions in zip(short.documents_BT.tolist(), short.positions_BT.tolist(), strict=True):
        begins = [place for place in range(length) if not place or documents[place] != documents[place - 1]]
        wanted = [place - max(begin for begin in begins if begin <= place) for place in range(length)]
        padding = [document < 0 for document in documents]
        assert [p for p, is_none in zip(positions, padding, strict=True) if not is_none] == [
            p for p, is_none in zip(wanted, padding, strict=True) if not is_none
        ]


@pytest.mark.parametrize("given", [{"length_warm_up": SHORT}, {"segment_tokens": ROW_TOKENS // 3}])
def test_a_stage_is_stopped_and_goes_on_to_the_same_weights(
    given: dict[str, object], road: Road, tmp_path: Path
) -> None:
    for name in ("whole", "stopped"):
        stage = small_stage(road, tmp_path / name, **given)
        if name == "stopped":
            train_until(stage, step=3)
        summary = train_stage(small_stage(road, tmp_path / name, **given), Group())
    bytes_of = [(tmp_path / name / "output" / "model.safetensors").read_bytes() for name in ("whole", "stopped")]

    assert summary["tokens"] == 8 * STEP_TOKENS
    assert bytes_of[0] == bytes_of[1]


def test_segments_are_another_way_to_the_same_losses(road: Road, tmp_path: Path) -> None:
    """Held-out loss is measured with the whole row in sight, and the first step starts from the same weights."""
    losses = []
    for name, tokens in (("rows", None), ("segments", ROW_TOKENS // 3)):
        _, told = train_and_listen(small_stage(road, tmp_path / name, segment_tokens=tokens, epochs=None))
        losses.append([record["loss"] for record in told if record["name"] == "train_metrics"])

    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-5)
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"segment_tokens": 8, "objective": {"name": "masked"}}, "segment_tokens is for the objective causal"),
        ({"segment_tokens": 8, "compile": "on"}, "segment_tokens is not for compiled kernels"),
        ({"segment_tokens": 8, "updates": "by_block"}, "segment_tokens has steps of several parts"),
        ({"length_warm_up": SHORT, "keep_before_cool_down": True}, "leave length_warm_up out"),
        ({"length_warm_up": SHORT, "objective": {"name": "span_denoising"}}, "length_warm_up is not for pairs"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StageConfig(**given)


def test_noise_corruption_and_cuts_all_happen(road: Road, tmp_path: Path) -> None:
    """Each of them to the batches that the one before has changed."""
    noisy = {"objective": {"name": "prefix_lm"}, "corrupt_inputs": {"drop": 0.5}, "length_warm_up": SHORT}
    plain = row_feed(small_stage(road, tmp_path), Group()).stream.batch(0)
    batch = row_feed(small_stage(road, tmp_path, **noisy), Group()).stream.batch(0)
    changed = (batch.tokens_BT.ravel() != plain.tokens_BT.ravel()).mean()

    assert batch.tokens_BT.shape[1] == ROW_TOKENS // 4
    assert batch.prefix_BT is not None
    assert batch.prefix_BT.any()
    assert 0.3 < changed < 0.6


def test_rows_that_cannot_be_halved_are_refused(road: Road, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no half of row_tokens"):
        train_stage(small_stage(road, tmp_path, length_warm_up=LengthWarmUpConfig(from_tokens=ROW_TOKENS)), Group())


MARK, VALUES, SEGMENT, SEGMENTS = 1, 8, 16, 4


def haystack(generator: np.random.Generator, place_B: np.ndarray) -> Batch:
    """Rows of noise; behind a mark at the place of each stands a value, and behind the mark at its end it is asked."""
    shape = (len(place_B), SEGMENT * SEGMENTS)
    tokens, targets = generator.integers(2 + VALUES, 40, shape), np.full(shape, IGNORED, np.int32)
    values, row = generator.integers(2, 2 + VALUES, len(place_B)), np.arange(len(place_B))
    tokens[row, place_B], tokens[row, place_B + 1], tokens[:, -1], targets[:, -1] = MARK, values, MARK, values
    positions = np.tile(np.arange(shape[1], dtype=np.int32), (len(place_B), 1))
    return Batch(tokens.astype(np.int32), targets, positions, np.zeros(shape, np.int32))


def share_found(model: Decoder, asked: Batch, *, alone: bool) -> float:
    """Needles that are named behind the last mark. alone: by the last segment without those before it."""
    *before, last = SegmentObjective(RowObjective(), SEGMENT).parts(asked, asked.num_rows)
    with torch.no_grad():
        for part in [] if alone else before:
            model.hidden_states(as_rows(part.batch)._replace(earlier=part.earlier))
        hidden = model.hidden_states(as_rows(last.batch)._replace(earlier=None if alone else last.earlier))
        told = model.compare(hidden[:, -1]).argmax(-1).numpy()
    return float((told == asked.targets_BT[:, -1]).mean())


def test_a_needle_in_an_earlier_segment_is_found() -> None:
    """And is not if the last segment stands alone, where one guess in eight is right: earlier context is used."""
    generator = np.random.default_rng(1)
    model = build_decoder(small_config(width=64, heads=4, kv_heads=4, feed_forward=128), 40, seed=1)
    optimizer, objective = build_optimizer(AdamWConfig(), model), SegmentObjective(RowObjective(), SEGMENT)
    optimizer.set_rate(3e-3)
    for step in range(80):
        for part in objective.parts(haystack(generator, generator.integers(0, SEGMENT * SEGMENTS - 2, 12)), 12):
            objective.loss(model, part, Exact()).backward()
        finish_gradient(model.parameters(), num_targets=12, loss=0.0, largest_norm=1.0, step=step)
        optimizer.step()
        optimizer.zero_grad()
    asked = haystack(generator, generator.integers(0, SEGMENT * (SEGMENTS - 1) - 2, 64))

    assert share_found(model, asked, alone=False) > 0.95
    assert share_found(model, asked, alone=True) < 0.3
