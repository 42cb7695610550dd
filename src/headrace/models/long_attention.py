"""Attention in long rows on a CPU: document by document, without ever holding the scores of a whole row.

Shape letters: B batch, T query time, S key time, H heads, K key-value heads, G query heads per key-value head, C head
width.

torch's kernel for CPUs works through a document in tiles that stay in the cache, keeps one number per query for the way
back, and skips what lies behind it. It has no windows; a window is a run of calls for blocks of queries, each with the
keys that any of them may see. Where documents lie is looked up when the kernels run, so that what no query may see
costs nothing and compiled code is the same for all rows. Source of the kernel's way: Dao 2023, arXiv 2307.08691.

A row may also be a segment of a longer one, whose earlier keys and values are given besides and get no gradient. What
queries take from them and from their own segment is joined by the sums of exponentials of both.
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
    """Queries of one document of one row, and keys that any of them may see. Places count from the earliest key."""

    row: int
    queries: slice
    keys: slice
    mask_TS: Tensor | None = None
    """Added to the scores: 0 or minus infinity. None: all are seen, or all that come before."""
    causal: bool = False
    """Whether a query sees no keys behind its own."""
    joins: bool = False
    """Whether the queries have seen the keys of the piece before, and these are more of them."""


def document_attention(
    query_BHTC: Tensor,
    key_BKTC: Tensor,
    value_BKTC: Tensor,
    document_BT: Tensor,
    *,
    causal: bool,
    window: int | None,
    scale: float,
    earlier_2BKSC: Tensor | None = None,
) -> Tensor:
    """Attention (B, H, T, C) of every token to those of its own document, as `AttentionRule` has it.

    earlier_2BKSC: keys and values of S tokens that come before; document_BT is then that of all, (B, S + T).
    """
    if earlier_2BKSC is None:
        batch, heads, _, width = key_BKTC.shape
        earlier_2BKSC = key_BKTC.new_empty(2, batch, heads, 0, width)
    given = (query_BHTC, key_BKTC, value_BKTC, earlier_2BKSC, document_BT)
    mixed_BTHC, _ = _attend(*given, causal, window or 0, scale)
    result: Tensor = mixed_BTHC.transpose(1, 2)
    return result


@torch.library.custom_op("headrace::document_attention", mutates_args=())
def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    earlier: Tensor,
    document: Tensor,
    causal: bool,
    window: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """What is mixed (B, T, H, C), and the logarithm of each query's sum of exponentials (B, T, H), float32."""
    batch, heads, time, width = query.shape
    start = earlier.shape[3]
    mixed_BTHC = query.new_empty(batch, time, heads, width)
    logsumexp_BTH = query.new_empty(batch, time, heads, dtype=torch.float32)
    for piece in _pieces(document, query.dtype, start=start, causal=causal, window=window):
        inputs = _inputs(piece, query, (earlier[0], key), (earlier[1], value))
        mixed_1HTC, logsumexp_1HT = FORWARD(*inputs, 0.0, piece.causal, attn_mask=piece.mask_TS, scale=scale)
        mixed_THC, logsumexp_TH = mixed_1HTC[0].transpose(0, 1), logsumexp_1HT[0].transpose(0, 1)
        here = (piece.row, _behind(piece.queries, start))
        if piece.joins:
            total_TH = torch.logaddexp(logsumexp_BTH[here], logsumexp_TH)
            shares_TH1 = (logsumexp_BTH[here] - total_TH).exp()[..., None]
            mixed_THC = torch.lerp(mixed_THC.float(), mixed_BTHC[here].float(), shares_TH1)
            logsumexp_TH = total_TH
        mixed_BTHC[here], logsumexp_BTH[here] = mixed_THC, logsumexp_TH
    return mixed_BTHC, logsumexp_BTH


@torch.library.custom_op("headrace::document_attention_backward", mutates_args=())
def _attend_backward(
    gradient: Tensor, kept: list[Tensor], causal: bool, window: int, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries (B, T, H, C), keys and values (B, T, K, C).

    kept: what went into `_attend`, and what came out.
    """
    query, key, value, earlier, document, mixed, logsumexp = kept
    batch, heads, time, width = query.shape
    start, kv_heads = earlier.shape[3], key.shape[1]
    # What pieces share is summed in float32: keys of windows, and queries that see earlier segments.
    query_BTHC = query.new_zeros(batch, time, heads, width, dtype=torch.float32 if start else query.dtype)
    key_BTKC = query.new_zeros(batch, time, kv_heads, width, dtype=torch.float32)
    value_BTKC = torch.zeros_like(key_BTKC)
    for piece in _pieces(document, query.dtype, start=start, causal=causal, window=window):
        here = (slice(piece.row, piece.row + 1), _behind(piece.queries, start))
        outputs = [each[here].transpose(1, 2) for each in (mixed, logsumexp)]
        inputs = _inputs(piece, query, (earlier[0], key), (earlier[1], value))
        by_query, by_key, by_value = BACKWARD(
            gradient[here].transpose(1, 2), *inputs, *outputs, 0.0, piece.causal, attn_mask=piece.mask_TS, scale=scale
        )
        query_BTHC[here] += by_query.transpose(1, 2)
        num_earlier = max(0, min(start, piece.keys.stop) - piece.keys.start)
        for total_BTKC, part_BHSC in ((key_BTKC, by_key), (value_BTKC, by_value)):
            own_HSC = part_BHSC[0, :, num_earlier:]
            part_SKC = own_HSC.unflatten(0, (kv_heads, heads // kv_heads)).sum(1, dtype=torch.float32)
            total_BTKC[piece.row, _behind(piece.keys, start)] += part_SKC.transpose(0, 1)
    return query_BTHC.to(query.dtype), key_BTKC.to(key.dtype), value_BTKC.to(value.dtype)


def _behind(places: slice, start: int) -> slice:
    """The places of a segment that begins at `start`, counted from there."""
    return slice(max(0, places.start - start), max(0, places.stop - start))


def _inputs(
    piece: Piece, query_BHTC: Tensor, keys: tuple[Tensor, Tensor], values: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """A piece's queries, keys and values, (1, H, T or S, C): the kernel wants as many heads of these as of those.

    keys, values: those of earlier segments, and those of this one.
    """
    start, row = keys[0].shape[2], slice(piece.row, piece.row + 1)
    group = query_BHTC.shape[1] // keys[0].shape[1]

    def chosen(earlier_BKSC: Tensor, own_BKTC: Tensor) -> Tensor:
        here = own_BKTC[row, :, _behind(piece.keys, start)]
        if piece.keys.start < start:
            there = earlier_BKSC[row, :, piece.keys]
            here = torch.cat([there, here], dim=2) if here.shape[2] else there
        return here.repeat_interleave(group, 1) if group > 1 else here

    return query_BHTC[row, :, _behind(piece.queries, start)], chosen(*keys), chosen(*values)


def _pieces(document_BT: Tensor, dtype: torch.dtype, *, start: int, causal: bool, window: int) -> Iterator[Piece]:
    """The pieces of all queries from place `start` on."""
    for row, first, end in documents_of(document_BT):
        begin = max(first, start)
        if end <= start:
            continue
        if not window or window >= end - first:
            if first < start:
                yield Piece(row, slice(begin, end), slice(first, start))
            yield Piece(row, slice(begin, end), slice(begin, end), causal=causal, joins=first < start)
            continue
        size = max(LEAST_BLOCK, window)
        for place in range(begin, end, size):
            queries = slice(place, min(place + size, end))
            last = queries.stop if causal else min(end, queries.stop + window - 1)
            keys = slice(max(first, place - window + 1), last)
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
    found = _attend_backward(gradient, list(ctx.saved_tensors), *ctx.rule)
    by_query, by_key, by_value = (each.transpose(1, 2) for each in found)
    return by_query, by_key, by_value, None, None, None, None, None


_attend.register_autograd(_differentiate, setup_context=_remember)
