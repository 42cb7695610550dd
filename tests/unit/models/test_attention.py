"""Attention against sums written out one query at a time, in blocks and from a cache."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from headrace.models import attention
from headrace.models.attention import AttentionRule, cross_attention, packed_attention
from headrace.models.cached_attention import cached_attention, seen_positions


def attend_slowly(
    query_BHTC: Tensor,
    key_BKTC: Tensor,
    value_BKTC: Tensor,
    document_BT: Tensor,
    *,
    rule: AttentionRule = AttentionRule(),  # noqa: B008  (frozen)
    prefix_BT: Tensor | None = None,
    bias_HTT: Tensor | None = None,
) -> Tensor:
    """Softmax over the tokens that each query sees, in float64."""
    query, key, value = (x.double() for x in (query_BHTC, key_BKTC, value_BKTC))
    batch, heads, time, width = query.shape
    result = torch.zeros_like(query)

    def sees(b: int, t: int, s: int) -> bool:
        in_order = not rule.causal or s <= t or (prefix_BT is not None and bool(prefix_BT[b, s]))
        near = rule.window is None or abs(t - s) < rule.window
        return bool(document_BT[b, s] == document_BT[b, t]) and in_order and near

    for b in range(batch):
        for h in range(heads):
            group = h * key.shape[1] // heads
            for t in range(time):
                seen = [s for s in range(time) if sees(b, t, s)]
                scores = torch.stack([query[b, h, t] @ key[b, group, s] for s in seen]) * (rule.scale or width**-0.5)
                if bias_HTT is not None:
                    scores = scores + bias_HTT[h, t, seen].double()
                weights = (scores - scores.max()).exp()
                result[b, h, t] = (weights / weights.sum()) @ value[b, group, seen]
    return result


def random_case(time: int, heads: int, kv_heads: int, *, seed: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(2, heads, time, 6, generator=generator) * 2
    key, value = (torch.randn(2, kv_heads, time, 6, generator=generator) * 2 for _ in range(2))
    document = torch.randint(0, 3, (2, time), generator=generator).sort(dim=1).values
    return query, key, value, document


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize("block", [1, 3, 4, 256])
@pytest.mark.parametrize("time", [1, 4, 11])
def test_packed_attention_is_what_the_slow_sums_give(
    time: int, block: int, heads: int, kv_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "QUERY_BLOCK", block)
    case = random_case(time, heads, kv_heads)

    torch.testing.assert_close(packed_attention(*case), attend_slowly(*case).float(), rtol=1e-5, atol=1e-5)


@given(
    rule=st.builds(
        AttentionRule,
        causal=st.booleans(),
        window=st.none() | st.integers(1, 12),
        scale=st.none() | st.sampled_from([0.1, 1.0]),
    ),
    block=st.sampled_from([1, 3, 4, 256]),
    has_prefix=st.booleans(),
    has_bias=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_every_rule_is_what_the_slow_sums_give(
    rule: AttentionRule, block: int, has_prefix: bool, has_bias: bool, seed: int
) -> None:
    case = random_case(9, 4, 2, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    more: dict[str, Any] = {
        "rule": rule,
        "prefix_BT": torch.rand(2, 9, generator=generator) < 0.3 if has_prefix else None,
        "bias_HTT": torch.randn(4, 9, 9, generator=generator) if has_bias else None,
    }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "QUERY_BLOCK", block)
        found = packed_attention(*case, **more)

    torch.testing.assert_close(found, attend_slowly(*case, **more).float(), rtol=1e-5, atol=1e-5)


def test_a_row_longer_than_a_block_of_the_real_size_is_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(2 * attention.QUERY_BLOCK + 5, 2, 1)
    in_blocks = packed_attention(*case)
    monkeypatch.setattr(attention, "QUERY_BLOCK", 10**6)

    torch.testing.assert_close(in_blocks, packed_attention(*case), rtol=1e-5, atol=1e-5)


@given(cut=st.integers(0, 8), window=st.none() | st.integers(1, 10), seed=st.integers(0, 10**6))
def test_attention_from_a_cache_is_the_end_of_the_whole(cut: int, window: int | None, seed: int) -> None:
    query, key, value, _ = random_case(9, 4, 2, seed=seed)
    rule, bias = AttentionRule(window=window), torch.randn(4, 9, 9, generator=torch.Generator().manual_seed(seed))
    one_document = torch.zeros(2, 9, dtype=torch.int64)
    whole = attend_slowly(query, key, value, one_document, rule=rule, bias_HTT=bias).float()

    seen = seen_positions(cut, 9, dtype=torch.float32, window=window, bias_HTS=bias[:, cut:])
    found = cached_attention(query[:, :, cut:], key, value, seen)

    torch.testing.assert_close(found, whole[:, :, cut:], rtol=1e-5, atol=1e-5)


def test_other_documents_and_later_tokens_change_nothing() -> None:
    query, key, value, _ = random_case(8, 2, 2)
    document = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2]] * 2)
    before = packed_attention(query, key, value, document)
    for place in (0, 1, 2, 5, 6, 7):  # all that token 4 must not see
        key[:, :, place], value[:, :, place] = 1e4, -1e4

    assert torch.equal(packed_attention(query, key, value, document)[:, :, 4], before[:, :, 4])


@given(seed=st.integers(0, 10**6))
def test_attention_to_a_source_is_the_slow_sum_over_what_may_be_seen(seed: int) -> None:
    query, key, value, _ = random_case(7, 4, 2, seed=seed)
    visible = torch.rand(2, 7, 7, generator=torch.Generator().manual_seed(seed)) < 0.4

    found = cross_attention(query, key, value, visible, scale=0.3)

    for b, h, t in [(b, h, t) for b in range(2) for h in range(4) for t in range(7)]:
        seen = visible[b, t].nonzero()[:, 0]
        weights = torch.softmax(key[b, h // 2, seen] @ query[b, h, t] * 0.3, dim=0)
        torch.testing.assert_close(found[b, h, t], weights @ value[b, h // 2, seen], rtol=1e-4, atol=1e-5)


def test_a_token_without_a_source_takes_nothing_and_spoils_no_gradient() -> None:
    query, key, value, _ = random_case(3, 2, 2)
    key.requires_grad_()
    visible = torch.tensor([[[True, False, False], [False] * 3, [True] * 3]] * 2)

    found = cross_attention(query, key, value, visible)
    found.square().sum().backward()

    assert torch.equal(found[:, :, 1], torch.zeros_like(found[:, :, 1]))
    assert key.grad is not None
    assert bool(key.grad.isfinite().all())


def test_dropped_weights_keep_their_mean() -> None:
    torch.manual_seed(1)
    query, key, value, document = random_case(6, 2, 2)
    wanted = packed_attention(query, key, value, document)

    found = sum(packed_attention(query, key, value, document, dropout=0.3) for _ in range(4_000)) / 4_000

    assert not torch.equal(packed_attention(query, key, value, document, dropout=0.3), wanted)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.15)
