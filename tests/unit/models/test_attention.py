"""Attention against sums written out one query at a time, in blocks and from a cache."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from headrace.models import attention
from headrace.models.attention import cached_attention, packed_attention


def attend_slowly(query_BHTC: Tensor, key_BKTC: Tensor, value_BKTC: Tensor, document_BT: Tensor) -> Tensor:
    """Softmax over the tokens at or before each query in its own document, in float64."""
    query, key, value = (x.double() for x in (query_BHTC, key_BKTC, value_BKTC))
    batch, heads, time, width = query.shape
    result = torch.zeros_like(query)
    for b in range(batch):
        for h in range(heads):
            group = h * key.shape[1] // heads
            for t in range(time):
                seen = [s for s in range(t + 1) if document_BT[b, s] == document_BT[b, t]]
                scores = torch.stack([query[b, h, t] @ key[b, group, s] for s in seen]) / width**0.5
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


def test_a_row_longer_than_a_block_of_the_real_size_is_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(2 * attention.QUERY_BLOCK + 5, 2, 1)
    in_blocks = packed_attention(*case)
    monkeypatch.setattr(attention, "QUERY_BLOCK", 10**6)

    torch.testing.assert_close(in_blocks, packed_attention(*case), rtol=1e-5, atol=1e-5)


@given(cut=st.integers(0, 8), seed=st.integers(0, 10**6))
def test_attention_from_a_cache_is_the_end_of_the_whole(cut: int, seed: int) -> None:
    query, key, value, _ = random_case(9, 4, 2, seed=seed)
    whole = attend_slowly(query, key, value, torch.zeros(2, 9, dtype=torch.int64)).float()

    torch.testing.assert_close(cached_attention(query[:, :, cut:], key, value), whole[:, :, cut:], rtol=1e-5, atol=1e-5)


def test_other_documents_and_later_tokens_change_nothing() -> None:
    query, key, value, _ = random_case(8, 2, 2)
    document = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2]] * 2)
    before = packed_attention(query, key, value, document)
    for place in (0, 1, 2, 5, 6, 7):  # all that token 4 must not see
        key[:, :, place], value[:, :, place] = 1e4, -1e4

    assert torch.equal(packed_attention(query, key, value, document)[:, :, 4], before[:, :, 4])
