"""Attention that stays inside each document of a packed row.

Shape letters: B batch, T query time, S key time, H heads, K key-value heads, G query heads per key-value head, C head
width.

On CPU, plain batched products beat `scaled_dot_product_attention` with a mask: 18 % more tokens a second at 9 M
parameters and T = 256 (2 cores, bf16), because the compiler fuses mask and softmax between two fast bf16 products.
Query blocks skip the keys that none of their queries may see, and a query is told the first and the last key it sees:
with document ids to compare, masks took a fifth of attention's time.
Long rows, of which not all scores can be kept, go document by document (`long_attention.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from headrace.models.counts import LONG_ROW
from headrace.models.dropout import drop
from headrace.models.long_attention import document_attention

QUERY_BLOCK = 256
COMPILED_QUERY_BLOCK, LONGEST_OF_THESE = 128, 1024
"""Compiled code takes smaller blocks, of which more is skipped; longer rows would take as much longer to compile."""
LONG_FOR_BF16 = 256


Sight = Callable[[slice, slice], Tensor]


@dataclass(frozen=True)
class AttentionRule:
    """What a query may see, and how it is compared."""

    causal: bool = True
    """Sees nothing behind itself."""
    window: int | None = None
    """Sees this many tokens, itself included; if not causal, as many on either side."""
    scale: float | None = None
    """Factor of the product with a key. None: 1 / sqrt(head width)."""


CAUSAL = AttentionRule()


def packed_attention(
    query_BHTC: Tensor,
    key_BKTC: Tensor,
    value_BKTC: Tensor,
    document_BT: Tensor,
    *,
    rule: AttentionRule = CAUSAL,
    prefix_BT: Tensor | None = None,
    bias_HTT: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attention of every token to those of its own document that the rule lets it see.

    Keys and values that come before those of the row's tokens are seen by all; they go with no bias and no window.
    document_BT: int ids, equal within a document and different for neighbours in a row. prefix_BT: bool, tokens that
    all of their document may see, whatever the rule says about order. Returns (B, H, T, C) in the dtype of the query;
    the softmax runs in float32.
    """
    time = query_BHTC.shape[2]
    ahead = key_BKTC.shape[2] - time
    is_plain = not ahead and prefix_BT is None and bias_HTT is None and not dropout
    if is_plain and _is_long(query_BHTC):
        scale = rule.scale or query_BHTC.shape[-1] ** -0.5
        causal, window = rule.causal, rule.window
        return document_attention(
            query_BHTC, key_BKTC, value_BKTC, document_BT, causal=causal, window=window, scale=scale
        )
    # An exported graph has rows of any length, so it cannot have a number of blocks.
    size = time if torch.compiler.is_exporting() else _query_block(time)
    sight = _sight(document_BT, prefix_BT, rule)
    blocks = []
    for start in (0,) if size == time else range(0, time, size):
        query, key = _reach(rule, start, start + size, ordered=prefix_BT is None)
        blocks.append(
            _attend(
                query_BHTC[:, :, query],
                _behind(key_BKTC, ahead, key),
                _behind(value_BKTC, ahead, key),
                _visible_behind(ahead, sight(query, key)),
                scale=rule.scale,
                bias_HTS=None if bias_HTT is None else bias_HTT[:, query, key],
                dropout=dropout,
            )
        )
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)


def segment_attention(
    query_BHTC: Tensor,
    key_BKTC: Tensor,
    value_BKTC: Tensor,
    earlier_2BKSC: Tensor,
    document_BT: Tensor,
    *,
    rule: AttentionRule = CAUSAL,
) -> Tensor:
    """The same for a segment of longer rows, whose S earlier tokens have left keys and values; on CPUs.

    document_BT: of the earlier tokens and of the segment's, (B, S + T).
    """
    time, total = query_BHTC.shape[2], document_BT.shape[1]
    if total <= LONG_ROW:  # kernels for each length of a document would take more memory than all scores
        keys, values = (torch.cat(parts, dim=2) for parts in zip(earlier_2BKSC, (key_BKTC, value_BKTC), strict=True))
        visible_BTS = _sight(document_BT, None, rule)(slice(total - time, total), slice(0, total))
        return _attend(query_BHTC, keys, values, visible_BTS, scale=rule.scale)
    scale = rule.scale or query_BHTC.shape[-1] ** -0.5
    causal, window = rule.causal, rule.window
    return document_attention(
        query_BHTC,
        key_BKTC,
        value_BKTC,
        document_BT,
        causal=causal,
        window=window,
        scale=scale,
        earlier_2BKSC=earlier_2BKSC,
    )


def cross_attention(
    query_BHTC: Tensor,
    key_BKSC: Tensor,
    value_BKSC: Tensor,
    visible_BTS: Tensor,
    *,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attention of a target's tokens to the source tokens they may see; zero for a token that may see none."""
    return _attend(query_BHTC, key_BKSC, value_BKSC, visible_BTS, scale=scale, dropout=dropout, may_be_empty=True)


def _behind(key_BKTC: Tensor, ahead: int, key: slice) -> Tensor:
    """The keys of a block, and before them those that all see."""
    if not ahead:
        return key_BKTC[:, :, key]
    return torch.cat([key_BKTC[:, :, :ahead], key_BKTC[:, :, ahead:][:, :, key]], dim=2)


def _visible_behind(ahead: int, visible_BTS: Tensor) -> Tensor:
    if not ahead:
        return visible_BTS
    return torch.cat([visible_BTS.new_ones(*visible_BTS.shape[:2], ahead), visible_BTS], dim=2)


def _reach(rule: AttentionRule, start: int, end: int, *, ordered: bool) -> tuple[slice, slice]:
    """A block of queries, and the keys that any of them may see."""
    first = 0 if rule.window is None or not ordered else max(0, start - rule.window + 1)
    if rule.causal and ordered:
        return slice(start, end), slice(first, end)
    last = None if rule.window is None or not ordered else end + rule.window - 1
    return slice(start, end), slice(first, last)


def _query_block(time: int) -> int:
    return COMPILED_QUERY_BLOCK if torch.compiler.is_compiling() and time <= LONGEST_OF_THESE else QUERY_BLOCK


def _sight(document_BT: Tensor, prefix_BT: Tensor | None, rule: AttentionRule) -> Sight:
    """What tells, for a block of queries and keys, which key a query may see: boolean (B, queries, keys)."""
    if prefix_BT is not None or torch.compiler.is_exporting():  # ONNX has no running maximum
        return lambda query, key: _visible(document_BT, prefix_BT, rule, query, key)
    low_BT, high_BT = _bounds(document_BT, rule)
    place_T = torch.arange(document_BT.shape[1], dtype=torch.int32, device=document_BT.device)

    def within_bounds(query: slice, key: slice) -> Tensor:
        return (place_T[key] >= low_BT[:, query, None]) & (place_T[key] <= high_BT[:, query, None])

    return within_bounds


def _bounds(document_BT: Tensor, rule: AttentionRule) -> tuple[Tensor, Tensor]:
    """The first and the last place that each query sees, int32: of these, compiled code compares 16 at once."""
    time = document_BT.shape[1]
    place_T = torch.arange(time, dtype=torch.int32, device=document_BT.device)
    changes_BT = document_BT[:, 1:] != document_BT[:, :-1]
    low_BT = torch.where(functional.pad(changes_BT, (1, 0), value=True), place_T, 0).cummax(1).values
    if rule.causal:
        high_BT = place_T.expand_as(low_BT)
    else:
        last_BT = torch.where(functional.pad(changes_BT, (0, 1), value=True), place_T, time)
        high_BT = last_BT.flip(1).cummin(1).values.flip(1)
    if rule.window is not None:
        low_BT = torch.maximum(low_BT, place_T - (rule.window - 1))
        high_BT = torch.minimum(high_BT, place_T + (rule.window - 1))
    return low_BT, high_BT


def _visible(document_BT: Tensor, prefix_BT: Tensor | None, rule: AttentionRule, query: slice, key: slice) -> Tensor:
    """The same as `_sight`, from document ids."""
    # Compared, not subtracted: the compiler works the mask out anew in every head, and differences of int64 are slow.
    place_T = torch.arange(document_BT.shape[1], device=document_BT.device)
    query_T1, key_1S = place_T[query, None], place_T[None, key]
    visible = document_BT[:, query, None] == document_BT[:, None, key]
    if rule.causal:
        in_order = query_T1 >= key_1S
        visible = visible & (in_order if prefix_BT is None else in_order | prefix_BT[:, None, key])
    if rule.window is not None:
        visible = visible & (key_1S > query_T1 - rule.window)
        if not rule.causal or prefix_BT is not None:
            visible = visible & (key_1S < query_T1 + rule.window)
    return visible


def _is_long(query_BHTC: Tensor) -> bool:
    exporting = torch.compiler.is_exporting()
    return query_BHTC.shape[2] > LONG_ROW and query_BHTC.device.type == "cpu" and not exporting


def _suits_kernel(query_BHTC: Tensor) -> bool:
    """Whether torch's kernel is the quicker one: nothing fuses the operations, and its blocks of bf16 are long enough.

    Forward and backward, one core, 8 rows of 12 heads of 32: 126 ms and 81 for T = 256 in bf16, 135 and 56 in float32;
    but 59 and 103 for T = 128 in bf16.
    """
    if torch.compiler.is_compiling():
        return False
    is_exact = query_BHTC.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return is_exact or query_BHTC.shape[2] >= LONG_FOR_BF16


def _attend(
    query_BHTC: Tensor,
    key_BKSC: Tensor,
    value_BKSC: Tensor,
    visible_BTS: Tensor,
    *,
    scale: float | None,
    bias_HTS: Tensor | None = None,
    dropout: float = 0.0,
    may_be_empty: bool = False,
) -> Tensor:
    if bias_HTS is None and not dropout and not may_be_empty and _suits_kernel(query_BHTC):
        mask = visible_BTS[:, None]
        return functional.scaled_dot_product_attention(
            query_BHTC, key_BKSC, value_BKSC, attn_mask=mask, scale=scale, enable_gqa=True
        )
    batch, heads, time, width = query_BHTC.shape
    kv_heads, source = key_BKSC.shape[1:3]
    # Query heads that share a key-value head become one longer query, so keys are never copied per head.
    query_BKNC = query_BHTC.reshape(batch, kv_heads, heads // kv_heads * time, width)
    scores_BKNS = torch.matmul(query_BKNC, key_BKSC.transpose(-1, -2)).float() * (scale or width**-0.5)
    scores_BKGTS = scores_BKNS.view(batch, kv_heads, heads // kv_heads, time, source)
    if bias_HTS is not None:
        scores_BKGTS = scores_BKGTS + bias_HTS.float().view(kv_heads, heads // kv_heads, time, source)
    # Softmax over nothing but minus infinity has no value; the least number has one, and it is not used.
    least = torch.finfo(torch.float32).min if may_be_empty else float("-inf")
    hidden_BTS = ~visible_BTS[:, None, None]
    if torch.compiler.is_compiling():
        scores_BKGTS = scores_BKGTS.masked_fill(hidden_BTS, least)
    else:  # the same, and nothing is done on the way back: 3.3 ms of CPU time for 6.3 (8 rows of 12 heads, T = 68)
        scores_BKGTS = scores_BKGTS + torch.zeros_like(hidden_BTS, dtype=torch.float32).masked_fill_(hidden_BTS, least)
    weights_BKGTS = torch.softmax(scores_BKGTS, dim=-1)
    if may_be_empty:
        weights_BKGTS = weights_BKGTS.masked_fill(hidden_BTS, 0.0)
    if dropout:
        weights_BKGTS = drop(weights_BKGTS, dropout)
    weights_BKNS = weights_BKGTS.to(value_BKSC.dtype).view_as(scores_BKNS)
    return torch.matmul(weights_BKNS, value_BKSC).view(batch, heads, time, width)
