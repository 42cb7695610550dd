"""Causal attention that stays inside each document of a packed row.

Shape letters: B batch, T query time, S key time, H heads, K key-value heads, G query heads per key-value head, C head
width.

On CPU, plain batched products beat `scaled_dot_product_attention` with a mask: 18 % more tokens a second at 9 M
parameters and T = 256 (2 cores, bf16), because the compiler fuses mask and softmax between two fast bf16 products.
Query blocks skip the keys after them, which no query may see.
"""

import torch
from torch import Tensor

QUERY_BLOCK = 256


def packed_attention(query_BHTC: Tensor, key_BKTC: Tensor, value_BKTC: Tensor, document_BT: Tensor) -> Tensor:
    """Attention of every token to the tokens before it in its own document.

    document_BT: int ids, equal within a document and different for neighbours in a row. Returns (B, H, T, C) in the
    dtype of the query; the softmax runs in float32.
    """
    time = query_BHTC.shape[2]
    blocks = [
        _attend(
            query_BHTC[:, :, start : start + QUERY_BLOCK],
            key_BKTC[:, :, : start + QUERY_BLOCK],
            value_BKTC[:, :, : start + QUERY_BLOCK],
            _visible(document_BT, start, min(start + QUERY_BLOCK, time)),
        )
        for start in range(0, time, QUERY_BLOCK)
    ]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)


def cached_attention(query_BHTC: Tensor, key_BKSC: Tensor, value_BKSC: Tensor) -> Tensor:
    """Attention of the last T positions of a sequence to all S of them, earlier keys and values coming from a cache."""
    time, source = query_BHTC.shape[2], key_BKSC.shape[2]
    place_S = torch.arange(source, device=query_BHTC.device)
    visible_TS = place_S[None, :] <= place_S[source - time :, None]
    return _attend(query_BHTC, key_BKSC, value_BKSC, visible_TS[None])


def _visible(document_BT: Tensor, start: int, end: int) -> Tensor:
    """Boolean (B, end - start, end): may query t see key s?"""
    place_T = torch.arange(end, device=document_BT.device)
    same_document = document_BT[:, start:end, None] == document_BT[:, None, :end]
    return same_document & (place_T[start:end, None] >= place_T[None, :])


def _attend(query_BHTC: Tensor, key_BKSC: Tensor, value_BKSC: Tensor, visible_BTS: Tensor) -> Tensor:
    batch, heads, time, width = query_BHTC.shape
    kv_heads, source = key_BKSC.shape[1:3]
    # Query heads that share a key-value head become one longer query, so keys are never copied per head.
    query_BKNC = query_BHTC.reshape(batch, kv_heads, heads // kv_heads * time, width)
    scores_BKNS = torch.matmul(query_BKNC, key_BKSC.transpose(-1, -2)).float() * width**-0.5
    scores_BKGTS = scores_BKNS.view(batch, kv_heads, heads // kv_heads, time, source)
    scores_BKGTS = scores_BKGTS.masked_fill(~visible_BTS[:, None, None], float("-inf"))
    weights_BKNS = torch.softmax(scores_BKGTS, dim=-1).to(value_BKSC.dtype).view_as(scores_BKNS)
    return torch.matmul(weights_BKNS, value_BKSC).view(batch, heads, time, width)
