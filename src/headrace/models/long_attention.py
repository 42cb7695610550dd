"""Attention in long rows on a CPU: document by document, without ever holding the scores of a whole row.

Shape letters: B batch, T query time, S key time, H heads, K key-value heads, G query heads per key-value head, C head
width.

torch's kernel for CPUs works through a document in tiles that stay in the cache, keeps one number per query for the way
back, and skips what lies behind it. It has no windows; a window is a run of calls for blocks of queries, each with the
keys that any of them may see. Where documents lie is looked up when the kernels run, so that what no query may see
costs nothing and compiled code is the same for all rows. Source of the kernel's way: Dao 2023, arXiv 2307.08691.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

FORWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
LEAST_BLOCK = 256
"""Queries of a window's block, at least; where the window is longer, as many as it has tokens."""


class Piece(NamedTuple):
    """Queries of one document of one row, and the keys that any of them may see."""

    row: int
    queries: slice
    keys: slice
    mask_TS: Tensor | None
    """Added to the scores: 0 or minus infinity. None: all are seen, or all that come before."""


def document_attention(
    query_BHTC: Tensor,
    key_BKTC: Tensor,
    value_BKTC: Tensor,
    document_BT: Tensor,
    *,
    causal: bool,
    window: int | None,
    scale: float,
) -> Tensor:
    """Attention (B, H, T, C) of every token to those of its own document, as `AttentionRule` has it."""
    mixed_BTHC, _ = _attend(query_BHTC, key_BKTC, value_BKTC, document_BT, causal, window or 0, scale)
    result: Tensor = mixed_BTHC.transpose(1, 2)
    return result


@torch.library.custom_op("headrace::document_attention", mutates_args=())
def _attend(
    query: Tensor, key: Tensor, value: Tensor, document: Tensor, causal: bool, window: int, scale: float
) -> tuple[Tensor, Tensor]:
    """What is mixed (B, T, H, C), and the logarithm of each query's sum of exponentials (B, T, H), float32."""
    batch, heads, time, width = query.shape
    mixed_BTHC = query.new_empty(batch, time, heads, width)
    logsumexp_BTH = query.new_empty(batch, time, heads, dtype=torch.float32)
    for piece in _pieces(document, query.dtype, causal=causal, window=window):
        inputs = _inputs(piece, query, key, value)
        is_causal = causal and piece.mask_TS is None
        mixed, logsumexp = FORWARD(*inputs, 0.0, is_causal, attn_mask=piece.mask_TS, scale=scale)
        mixed_BTHC[piece.row, piece.queries] = mixed[0].transpose(0, 1)
        logsumexp_BTH[piece.row, piece.queries] = logsumexp[0].transpose(0, 1)
    return mixed_BTHC, logsumexp_BTH


@torch.library.custom_op("headrace::document_attention_backward", mutates_args=())
def _attend_backward(
    gradient: Tensor, kept: list[Tensor], causal: bool, window: int, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries (B, T, H, C), keys and values (B, T, K, C).

    kept: what went into `_attend`, and what came out.
    """
    query, key, value, document, mixed, logsumexp = kept
    batch, heads, time, width = query.shape
    kv_heads = key.shape[1]
    query_BTHC = query.new_empty(batch, time, heads, width)
    # Blocks of a window share keys, whose parts are summed in float32.
    key_BTKC = query.new_zeros(batch, time, kv_heads, width, dtype=torch.float32)
    value_BTKC = torch.zeros_like(key_BTKC)
    for piece in _pieces(document, query.dtype, causal=causal, window=window):
        here = (slice(piece.row, piece.row + 1), piece.queries)
        outputs = [each[here].transpose(1, 2) for each in (mixed, logsumexp)]
        inputs = _inputs(piece, query, key, value)
        is_causal = causal and piece.mask_TS is None
        by_query, by_key, by_value = BACKWARD(
            gradient[here].transpose(1, 2), *inputs, *outputs, 0.0, is_causal, attn_mask=piece.mask_TS, scale=scale
        )
        query_BTHC[here] = by_query.transpose(1, 2)
        for total_BTKC, part_BHSC in ((key_BTKC, by_key), (value_BTKC, by_value)):
            part_SKC = part_BHSC[0].unflatten(0, (kv_heads, heads // kv_heads)).sum(1, dtype=torch.float32)
            total_BTKC[piece.row, piece.keys] += part_SKC.transpose(0, 1)
    return query_BTHC, key_BTKC.to(key.dtype), value_BTKC.to(value.dtype)


def _inputs(piece: Piece, query_BHTC: Tensor, key_BKTC: Tensor, value_BKTC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A piece's queries, keys and values, (1, H, T or S, C): the kernel wants as many heads of these as of those."""
    row, group = slice(piece.row, piece.row + 1), query_BHTC.shape[1] // key_BKTC.shape[1]
    keys, values = (each[row, :, piece.keys].repeat_interleave(group, 1) for each in (key_BKTC, value_BKTC))
    return query_BHTC[row, :, piece.queries], keys, values


def _pieces(document_BT: Tensor, dtype: torch.dtype, *, causal: bool, window: int) -> Iterator[Piece]:
    for row, start, end in documents_of(document_BT):
        if not window or window >= end - start:
            yield Piece(row, slice(start, end), slice(start, end), None)
            continue
        size = max(LEAST_BLOCK, window)
        for first in range(start, end, size):
            queries = slice(first, min(first + size, end))
            last = queries.stop if causal else min(end, queries.stop + window - 1)
            keys = slice(max(start, first - window + 1), last)
            yield Piece(row, queries, keys, _window_mask(queries, keys, dtype, causal=causal, window=window))


def documents_of(document_BT: Tensor) -> Iterator[tuple[int, int, int]]:
    """Row, first token and end of every run of tokens with one document id."""
    time = document_BT.shape[1]
    changes = torch.nonzero(document_BT[:, 1:] != document_BT[:, :-1]).tolist()
    for row in range(len(document_BT)):
        places = [0, *(place + 1 for number, place in changes if number == row), time]
        for start, end in pairwise(places):
            yield row, start, end


def _window_mask(queries: slice, keys: slice, dtype: torch.dtype, *, causal: bool, window: int) -> Tensor:
    distance_TS = torch.arange(queries.start, queries.stop)[:, None] - torch.arange(keys.start, keys.stop)
    seen_TS = (distance_TS >= 0 if causal else distance_TS > -window) & (distance_TS < window)
    return torch.zeros(seen_TS.shape, dtype=dtype).masked_fill_(~seen_TS, float("-inf"))


@_attend.register_fake
def _(query: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    batch, heads, time, width = query.shape
    return query.new_empty(batch, time, heads, width), query.new_empty(batch, time, heads, dtype=torch.float32)


@_attend_backward.register_fake
def _(_: Tensor, kept: list[Tensor], *__: Any) -> tuple[Tensor, Tensor, Tensor]:
    query_BTHC, key_BTKC, value_BTKC = (
        each.new_empty(each.shape[0], each.shape[2], each.shape[1], each.shape[3]) for each in kept[:3]
    )
    return query_BTHC, key_BTKC, value_BTKC


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, causal, window, scale = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.rule = (causal, window, scale)


def _differentiate(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    by_query, by_key, by_value = _attend_backward(gradient, list(ctx.saved_tensors), *ctx.rule)
    return by_query.transpose(1, 2), by_key.transpose(1, 2), by_value.transpose(1, 2), None, None, None, None


_attend.register_autograd(_differentiate, setup_context=_remember)
