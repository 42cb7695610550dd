"""Attention document by document against sums written out one query at a time, and against that of short rows."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import rough_decoder, small_config
from torch import Tensor

from headrace.models import attention, long_attention
from headrace.models.attention import AttentionRule, packed_attention
from headrace.models.long_attention import document_attention, documents_of

Case = tuple[Tensor, Tensor, Tensor, Tensor]


def random_case(time: int, heads: int, kv_heads: int, *, seed: int, dtype: torch.dtype = torch.float32) -> Case:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(2, heads, time, 8, generator=generator).to(dtype)
    key, value = (torch.randn(2, kv_heads, time, 8, generator=generator).to(dtype) for _ in range(2))
    document = torch.randint(0, 3, (2, time), generator=generator).sort(dim=1).values
    return query, key, value, document


def attend_slowly(case: Case, *, causal: bool, window: int | None) -> Tensor:
    """Softmax over the tokens that each query sees, in float64, one query after the other."""
    query, key, value = (each.double() for each in case[:3])
    document, result = case[3].tolist(), torch.zeros_like(query)
    batch, heads, time, width = query.shape
    for b, h, t in [(b, h, t) for b in range(batch) for h in range(heads) for t in range(time)]:
        reach = window or time
        seen = [
            s for s in range(time) if document[b][s] == document[b][t] and abs(t - s) < reach and (s <= t or not causal)
        ]
        group = h * key.shape[1] // heads
        weights = torch.softmax(key[b, group, seen] @ query[b, h, t] * width**-0.5, dim=0)
        result[b, h, t] = weights @ value[b, group, seen]
    return result


@given(
    causal=st.booleans(),
    window=st.none() | st.integers(1, 14),
    time=st.integers(1, 12),
    heads=st.sampled_from([(1, 1), (4, 2), (3, 1)]),
    block=st.sampled_from([1, 3, 256]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40)
def test_it_is_what_the_slow_sums_give(
    causal: bool, window: int | None, time: int, heads: tuple[int, int], block: int, seed: int
) -> None:
    case = random_case(time, *heads, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_attention, "LEAST_BLOCK", block)
        found = document_attention(*case, causal=causal, window=window, scale=8**-0.5)

    wanted = attend_slowly(case, causal=causal, window=window)
    torch.testing.assert_close(found, wanted.float(), rtol=1e-4, atol=1e-5)


@given(
    causal=st.booleans(),
    window=st.none() | st.integers(1, 50),
    heads=st.sampled_from([(2, 2), (4, 2)]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=20)
def test_outputs_and_gradients_are_those_of_short_rows(
    causal: bool, window: int | None, heads: tuple[int, int], seed: int
) -> None:
    case, found = random_case(60, *heads, seed=seed), []
    for longest in (10**6, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attention, "LONG_ROW", longest)
            patch.setattr(long_attention, "LEAST_BLOCK", 16)
            inputs = [each.clone().requires_grad_() for each in case[:3]]
            mixed = packed_attention(*inputs, case[3], rule=AttentionRule(causal=causal, window=window))
            mixed.square().sum().backward()
            found.append([mixed, *(each.grad for each in inputs)])

    for short, long in zip(*found, strict=True):
        torch.testing.assert_close(long, short, rtol=1e-4, atol=1e-4)


def test_documents_are_runs_of_one_id() -> None:
    document = torch.tensor([[4, 4, 4, 7, 4], [1, 1, 1, 1, 1], [0, 2, 3, 3, 3]])

    assert list(documents_of(document)) == [
        *[(0, 0, 3), (0, 3, 4), (0, 4, 5)],
        *[(1, 0, 5)],
        *[(2, 0, 1), (2, 1, 2), (2, 2, 5)],
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("window", "start"), [(0, 0), (3, 0), (0, 4)])
def test_it_is_a_sound_operation_of_torch(dtype: torch.dtype, window: int, start: int) -> None:
    """Its shapes without numbers, its strides and its gradient are as torch's own checks want them for compiling."""
    query, key, value, document = random_case(9, 4, 2, seed=1, dtype=dtype)
    inputs = [each[:, :, start:].clone().requires_grad_() for each in (query, key, value)]

    torch.library.opcheck(
        torch.ops.headrace.document_attention.default,
        (*inputs, torch.stack([key, value])[:, :, :, :start], document, True, window, 0.3),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_static"),
    )


def model_losses(rows: dict[str, Any], *, longest: int, **config: Any) -> Tensor:
    model = rough_decoder(small_config(**config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "LONG_ROW", longest)
        hidden: Tensor = model(rows["token"], rows["position"], rows["document"])
    return hidden.detach()


def test_a_model_reads_a_long_row_as_it_reads_short_ones() -> None:
    tokens = torch.randint(0, 400, (1, 96), generator=torch.Generator().manual_seed(2))
    position = torch.cat([torch.arange(60), torch.arange(36)])[None]
    document = (torch.arange(96) >= 60).long()[None]
    rows = {"token": tokens, "position": position, "document": document}

    whole = model_losses(rows, longest=1)

    torch.testing.assert_close(whole, model_losses(rows, longest=10**6), rtol=1e-4, atol=1e-4)
    # A window as long as the longest document limits nothing; a shorter one does.
    torch.testing.assert_close(model_losses(rows, longest=1, sliding_window=60), whole, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model_losses(rows, longest=1, sliding_window=20), whole, atol=1e-2)
