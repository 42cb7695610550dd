"""What blocks keep of a row for its gradient, and how long they take: measured on blocks of the model itself.

Formulas for this have to follow every change of a kernel; a row through one block of each kind takes milliseconds.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headrace.models.block import Block
from headrace.models.segments import EarlierSegments
from headrace.models.self_attention import Row, Source
from headrace.models.transformer import Transformer
from headrace.objectives.objective import Computing, Objective
from headrace.train.memory.live import peak_bytes

ROWS = (1, 2)


@dataclass(frozen=True)
class BlockCosts:
    """Of one block and one row, in bytes and seconds; forward only."""

    stream_bytes: int
    """What enters it."""
    attention_bytes: int
    """What its first half keeps besides that."""
    feed_forward_bytes: int
    attention_seconds: float
    feed_forward_seconds: float
    working_bytes: int = 0
    """What is alive besides what it keeps while it is gone through backwards."""
    fixed_bytes: int = 0
    """What it keeps however many rows there are: weights in another precision."""
    fixed_seconds: float = 0.0
    """What it takes however few rows there are."""


def measure_blocks(
    model: nn.Module, part: Any, *, objective: Objective, how: Computing
) -> tuple[list[BlockCosts], int]:
    """The costs of every block in the order in which they run, for a row of so many tokens. Blocks that are built alike
    are measured once.

    part: some rows, as few as the stage ever takes together. No costs for a model that has none of our blocks.
    """
    body = next((module for module in model.modules() if isinstance(module, Transformer)), None)
    if body is None:
        return [], 1
    first = {kind_of(block): block for block in reversed(list(body.all_blocks))}
    with _watched(list(first.values())) as seen, torch.no_grad(), suppress(_AllSeenError):
        objective.loss(model, part, how)
    with how.autocast():
        found = {kind: _costs(block, *seen[block]) for kind, block in first.items()}
    return [found[kind_of(block)] for block in body.all_blocks], max(x_1TD.shape[1] for x_1TD, _ in seen.values())


def kind_of(block: Block) -> tuple[Any, ...]:
    """Equal for blocks that are built alike."""
    return block.attention.rule, hasattr(block, "source_attention")


class _AllSeenError(Exception):
    """Ends a forward pass of which the rest tells nothing, and would bring weights into memory that lie on disk."""


@contextmanager
def _watched(blocks: Collection[Block]) -> Iterator[dict[Block, tuple[Tensor, Row]]]:
    """What enters each of some blocks, of the first row, when a model reads something; which ends with the last."""
    seen: dict[Block, tuple[Tensor, Row]] = {}

    def look(block: nn.Module, given: tuple[Any, ...]) -> None:
        assert isinstance(block, Block), "only blocks are watched"
        seen[block] = (given[0][:1].clone(), given[1])
        if len(seen) == len(blocks):
            raise _AllSeenError

    handles = [block.register_forward_pre_hook(look) for block in blocks]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _costs(block: Block, x_1TD: Tensor, row: Row) -> BlockCosts:
    sizes: list[tuple[int, int]] = []
    seconds: list[tuple[float, float]] = []
    peaks: list[int] = []
    learnt: list[Tensor] = [parameter for parameter in block.parameters() if parameter.requires_grad]
    for count in ROWS:
        x_BTD, rows = x_1TD.repeat(count, 1, 1), _repeated(row, count)
        with torch.no_grad():
            middle_BTD = block.attend(x_BTD, rows)
        parts: tuple[tuple[Callable[..., Tensor], tuple[Any, ...]], ...] = (
            (block.attend, (x_BTD, rows)),
            (block.transform, (middle_BTD,)),
        )
        kept = [_kept_bytes(part, *given) for part, given in parts]
        took = [_seconds(part, *given) for part, given in parts]
        peaks.append(peak_bytes(block.forward, x_BTD, rows, learnt=learnt))
        sizes.append((kept[0], kept[1]))
        seconds.append((took[0], took[1]))
    (one, two), stream = sizes, x_1TD.nbytes
    grown = [max(0, more - less) for less, more in zip(one, two, strict=True)]
    slower = [max(more - less, more / 4) for less, more in zip(*seconds, strict=True)]
    return BlockCosts(
        stream_bytes=stream,
        attention_bytes=grown[0],
        feed_forward_bytes=grown[1],
        attention_seconds=slower[0],
        feed_forward_seconds=slower[1],
        working_bytes=max(0, peaks[1] - peaks[0] - sum(grown)),
        fixed_bytes=max(0, sum(one) - sum(grown)),
        fixed_seconds=max(0.0, sum(seconds[0]) - sum(slower)),
    )


def _repeated(row: Row, count: int) -> Row:
    """A row of rows that says the same of several copies of its first."""

    def copies(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor[:1].repeat(count, *[1] * (tensor.dim() - 1))

    source = row.source and Source(*(tensor[:1].repeat(count, 1, 1) for tensor in row.source))
    rotation = row.rotation and type(row.rotation)(*(tensor[:1].repeat(count, 1, 1, 1) for tensor in row.rotation))
    document = copies(row.document_BT)
    assert document is not None, "rows have documents"
    repeated = row._replace(document_BT=document, rotation=rotation, prefix_BT=copies(row.prefix_BT), source=source)
    return repeated._replace(earlier=row.earlier and EarlierSegments(document))


def _kept_bytes(part: Callable[..., Tensor], x_BTD: Tensor, *row: Row) -> int:
    """Bytes that are kept for the gradient besides what enters, and besides parameters as they are."""
    kept: dict[int, int] = {}
    without = {x_BTD.untyped_storage().data_ptr()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in without and not isinstance(tensor, nn.Parameter):
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    alive = []
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # Held, so that no address is given away a second time.
        alive.append(part(x_BTD.requires_grad_(), *row))
    x_BTD.requires_grad_(False)
    return sum(kept.values())


def _seconds(part: Callable[..., Tensor], *given: Any) -> float:
    best = float("inf")
    with torch.no_grad():
        for _ in range(2):
            start = time.perf_counter()
            part(*given)
            best = min(best, time.perf_counter() - start)
    return best
