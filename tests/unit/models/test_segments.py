"""Rows that are read a segment at a time: as if read whole, but that gradients end where a segment begins."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import rough_decoder, small_config
from test_long_attention import random_case
from torch import Tensor

from headrace.models import attention, long_attention
from headrace.models.attention import AttentionRule, packed_attention, segment_attention
from headrace.models.decoder import Decoder
from headrace.models.segments import EarlierSegments

VOCABULARY = 40


def rows(time: int, *, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, positions and documents of two rows."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, VOCABULARY, (2, time), generator=generator)
    document = torch.randint(0, 3, (2, time), generator=generator).sort(dim=1).values
    starts = torch.cat([torch.ones(2, 1, dtype=torch.bool), document[:, 1:] != document[:, :-1]], dim=1)
    place = torch.arange(time).expand(2, time)
    return tokens, place - torch.where(starts, place, 0).cummax(1).values, document


def read_in_segments(model: Decoder, given: tuple[Tensor, Tensor, Tensor], segment: int) -> list[Tensor]:
    earlier = EarlierSegments(given[2])
    return [
        model(*(each[:, start : start + segment] for each in given), earlier=earlier.at(start))
        for start in range(0, given[0].shape[1], segment)
    ]


@given(
    window=st.none() | st.integers(1, 20),
    time=st.integers(2, 24),
    segment=st.integers(1, 25),
    heads=st.sampled_from([(4, 2), (3, 3)]),
    longest=st.sampled_from([1, 2048]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_outputs_and_gradients_are_those_of_keys_without_gradient(
    window: int | None, time: int, segment: int, heads: tuple[int, int], longest: int, seed: int
) -> None:
    """Against the same attention over whole rows, whose earlier keys and values are cut off."""
    query, key, value, document = random_case(time, *heads, seed=seed)
    start, rule = min(segment, time - 1), AttentionRule(window=window)
    found = []
    for whole in (False, True):
        new = [each[:, :, start:].clone().requires_grad_() for each in (query, key, value)]
        if whole:
            every = [
                torch.cat([each[:, :, :start], own], 2) for each, own in zip((query, key, value), new, strict=True)
            ]
            mixed = packed_attention(*every, document, rule=rule)[:, :, start:]
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(long_attention, "LEAST_BLOCK", 4)
                patch.setattr(attention, "LONG_ROW", longest)
                earlier = torch.stack([key, value])[:, :, :, :start]
                mixed = segment_attention(*new, earlier, document, rule=rule)
                mixed.square().sum().backward()
        if whole:
            mixed.square().sum().backward()
        found.append([mixed.detach(), *(each.grad for each in new)])

    for ours, wanted in zip(*found, strict=True):  # float32 rounds a sum by the size of its largest parts
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5 * max(1.0, float(wanted.abs().max())))


@pytest.mark.parametrize("segment", [1, 7, 16, 30])
@pytest.mark.parametrize("given_config", [{}, {"sliding_window": 5}, {"qk_norm": True, "positions": "learned"}])
def test_a_model_reads_segments_as_it_reads_rows(segment: int, given_config: dict[str, Any]) -> None:
    if given_config.get("positions") == "learned":
        given_config = {**given_config, "max_positions": 30}
    model, given = rough_decoder(small_config(**given_config), vocabulary_size=VOCABULARY), rows(30, seed=segment)
    with torch.no_grad():
        found = torch.cat(read_in_segments(model, given, segment), dim=1)

        torch.testing.assert_close(found, model(*given), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recomputed", ["attention", "feed_forward", "block"])
def test_what_is_computed_again_sees_the_same(recomputed: Any) -> None:
    gradients = []
    for part in ("nothing", recomputed):
        model, given = rough_decoder(small_config(), vocabulary_size=VOCABULARY), rows(30, seed=1)
        for block in model.all_blocks:
            block.recomputed = part
        earlier = EarlierSegments(given[2])
        for start in range(0, 30, 8):
            states = model(*(each[:, start : start + 8] for each in given), earlier=earlier.at(start))
            states.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])

    for once, again in zip(*gradients, strict=True):
        assert torch.equal(once, again)


def test_no_gradient_goes_into_earlier_segments() -> None:
    model, given = rough_decoder(small_config(), vocabulary_size=VOCABULARY), rows(20, seed=2)
    first, second = read_in_segments(model, given, 10)
    embedded = torch.autograd.grad(second.sum(), model.embedding.weight)[0]
    only_first = set(given[0][:, :10].flatten().tolist()) - set(given[0][:, 10:].flatten().tolist())

    assert first.requires_grad
    assert only_first
    if not model.config.tied:
        assert not embedded[sorted(only_first)].any()
