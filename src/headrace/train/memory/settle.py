"""From a stage, its model and what is free to the plan that it follows, in this session and in those that resume it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from headrace.errors import UserError
from headrace.models.foreign import ForeignConfig
from headrace.models.machine import return_large_blocks
from headrace.models.transformer import Transformer
from headrace.objectives.cross_entropy import tokens_at_once
from headrace.parallel import Group
from headrace.store import write_file
from headrace.trace import event
from headrace.train.feed import Feed
from headrace.train.given import Stage
from headrace.train.memory.by_block import put_weights_away, sections_of
from headrace.train.memory.forecast import WEIGHT_BYTES, optimizer_bytes, section_share
from headrace.train.memory.kept import measure_blocks
from headrace.train.memory.plan import Choices, MemoryPlan, Needs, Placed, choose
from headrace.train.memory.room import free_bytes, resident_bytes
from headrace.train.memory.shelf import PAGE, Shelf
from headrace.train.numerics import Numerics
from headrace.train.optimizer import Placing
from headrace.train.optimizer_config import LionConfig
from headrace.train.trainable import trainable

PLAN = "memory.json"
KEPT_FREE = 0.1
"""Share of what is free that is left to others, where no limit is written."""
LOGIT_BYTES = 24
"""Of each logit of a chunk, with its softmax and gradient."""


@dataclass(frozen=True)
class Home:
    """Where the weights and the optimiser's memory of a stage lie."""

    weights: Placed
    shelf: Shelf | None

    @contextmanager
    def building(self) -> Iterator[None]:
        """Where a model is built: its large matrices come to lie where they belong."""
        with self.shelf.catching() if self.shelf is not None and self.weights == "disk" else nullcontext():
            yield

    def furnish(self, model: nn.Module) -> None:
        """Moves a model that is built to where it belongs."""
        if self.shelf is not None and self.weights == "disk":
            put_weights_away(model, self.shelf)

    def placing(self, model: nn.Module, *, state: Placed, by_block: bool) -> Placing:
        """How an optimiser deals with the model's parameters."""
        on_disk = self.shelf if state == "disk" else None
        return Placing(sections_of(model) if by_block or on_disk is not None else {}, on_disk)


def find_home(stage: Stage, group: Group) -> Home:
    """Settles where weights lie, which must be known before there are any. Raises UserError for what cannot be."""
    config = stage.config
    if config.updates == "by_block" and (group.size > 1 or isinstance(stage.model, ForeignConfig)):
        raise UserError("updates: by_block is for one process and a model made of headrace's own blocks; leave it out.")
    plan = kept_plan(stage)
    weights = plan.weights if plan is not None else _place_of_weights(stage)
    may_page = plan.state == "disk" if plan is not None else config.memory.page != "nothing"
    if not (may_page or weights == "disk"):
        return Home(weights, None)
    numbers = stage.model.num_parameters(stage.vocabulary_size)
    state = optimizer_bytes(config.optimizer, stage.model, stage.vocabulary_size)
    return Home(weights, Shelf(stage.workspace.kept, 8 * numbers + 2 * state + (1 << 16) * PAGE))


def _place_of_weights(stage: Stage) -> Placed:
    config, size = stage.config, stage.vocabulary_size
    if config.memory.page == "all":
        return "disk"
    if config.updates == "whole" or config.memory.page != "auto" or isinstance(stage.model, ForeignConfig):
        return "memory"
    share = section_share(stage.model, size)
    weights = WEIGHT_BYTES * stage.model.num_parameters(size)
    state = share * optimizer_bytes(config.optimizer, stage.model, size)
    activations = config.global_batch_tokens * stage.model.width * (2 * stage.model.depth + 60)
    needed = resident_bytes() + weights * (1 + 2 * share) + state + activations
    return "disk" if needed > _limit(stage, 1) else "memory"


def _limit(stage: Stage, num_processes: int) -> int:
    """What a process may hold."""
    written = stage.config.memory.limit
    if written is not None:
        return written // num_processes
    return resident_bytes() + int((1 - KEPT_FREE) * free_bytes() / num_processes)


def kept_plan(stage: Stage) -> MemoryPlan | None:
    """The plan of an earlier session of this stage."""
    path = _path(stage)
    return MemoryPlan.model_validate_json(path.read_bytes()) if path.exists() else None


def _path(stage: Stage) -> Path:
    return stage.workspace.kept / PLAN


def settle_plan(stage: Stage, model: nn.Module, feed: Feed, *, how: Numerics, group: Group, home: Home) -> MemoryPlan:
    """What an earlier session of this stage chose, or a fresh choice; the leader's, in every process.

    Raises CapacityError if nothing fits.
    """
    if group.leads and kept_plan(stage) is None:
        plan = _choose(stage, model, feed, how=how, group=group, home=home)
        write_file(_path(stage), plan.model_dump_json().encode())
        rows = _rows_now(stage, feed)
        line = plan.describe(all_rows=rows)
        event("memory_plan", line=line, told=stage.config.memory.limit is not None or not plan.keeps_all(rows))
    group.agree(0)  # nobody reads before the leader has written
    kept = kept_plan(stage)
    assert kept is not None, "the leader has written it"
    return kept


def _choose(stage: Stage, model: nn.Module, feed: Feed, *, how: Numerics, group: Group, home: Home) -> MemoryPlan:
    config, limit = stage.config, _limit(stage, group.size)
    longest = feed.num_steps - 1 if config.length_warm_up is not None else 0
    part = next(iter(feed.objective.parts(feed.stream.batch(longest), 1)))
    model.train()
    blocks, row_tokens = measure_blocks(model, part, objective=feed.objective, how=how)
    rows_a_step = max(1, feed.step_tokens // group.size // row_tokens)
    choices = Choices(
        micro_batch_rows=_row_choices(stage, feed),
        rows_a_step=rows_a_step,
        halves=not how.compiled,
        page=_page(stage, home),
        may_copy=config.updates == "whole",
        checkpoint_seconds=config.checkpoint.every_seconds,
    )
    needs = _needs(stage, model, row_tokens, how=how)
    if config.segment_tokens is not None:
        needs = replace(needs, row=needs.row + _carried_bytes(stage, feed, how=how))
    plan = choose(blocks, needs, choices, limit_bytes=limit).model_copy(update={"weights": home.weights})
    loose = plan.with_gaps(needs.resident)
    if loose.forecast_bytes <= limit:
        return loose
    return plan.given_back()


def _carried_bytes(stage: Stage, feed: Feed, *, how: Numerics) -> int:
    """Of the keys and values of a row that is read in segments."""
    assert not isinstance(stage.model, ForeignConfig), "only our models read rows in segments"
    numbers = 2 * stage.model.depth * stage.model.key_value_width * feed.row_tokens
    return numbers * (2 if how.dtype == torch.bfloat16 else 4)


def _page(stage: Stage, home: Home) -> Literal["auto", "nothing", "state"]:
    page = stage.config.memory.page
    if home.weights == "disk" or page == "all":
        return "state"
    rest = getattr(stage.config.optimizer, "rest", stage.config.optimizer)
    is_rounded = "bf16" in (stage.config.optimizer.state_precision, rest.state_precision)
    return "nothing" if is_rounded else page


def _rows_now(stage: Stage, feed: Feed) -> int:
    """Rows that a process takes at once as the recipe says."""
    return feed.micro_batch_rows or max(1, stage.config.micro_batch_tokens // feed.row_tokens)


def _row_choices(stage: Stage, feed: Feed) -> list[int]:
    most = _rows_now(stage, feed)
    if stage.config.updates == "by_block":
        return [max(1, stage.config.batch_rows(feed.row_tokens))]
    share = stage.config.batch_rows(feed.row_tokens) if feed.micro_batch_rows else most
    return [rows for rows in range(most, 0, -1) if share % rows == 0 or most % rows == 0]


def _needs(stage: Stage, model: nn.Module, row_tokens: int, *, how: Numerics) -> Needs:
    config, size = stage.config, stage.vocabulary_size
    learnt = sum(parameter.numel() for parameter in trainable(model).values())
    share = learnt / sum(parameter.numel() for parameter in model.parameters())
    state = int(share * optimizer_bytes(config.optimizer, stage.model, size))
    weights, part = WEIGHT_BYTES * learnt, section_share(stage.model, size)
    average = weights if config.average else 0
    width = stage.model.width
    largest = max(parameter.numel() for parameter in trainable(model).values())
    has_head = any(isinstance(module, Transformer) for module in model.modules()) and not config.learns_from_examples
    number = 2 if how.dtype == torch.bfloat16 else 4
    return Needs(
        resident=resident_bytes() + average,
        gradients=int(part * weights) if config.updates == "by_block" else weights,
        state=state,
        section_state=int(part * state),
        snapshot=weights + state + average,
        update=(weights if isinstance(config.optimizer, LionConfig) else 0) + 2 * WEIGHT_BYTES * largest,
        row=row_tokens * width * (8 + 4 * number),
        head=(2 * WEIGHT_BYTES + number) * size * width * has_head,
        logits=LOGIT_BYTES * min(tokens_at_once(size), config.micro_batch_tokens) * size,
    )


def with_rows(stage: Stage, feed: Feed, plan: MemoryPlan) -> Stage:
    """The stage, taking as many rows at once as the plan says."""
    if plan.micro_batch_rows == _rows_now(stage, feed):
        return stage
    config = stage.config.model_copy(update={"micro_batch_tokens": plan.micro_batch_rows * feed.row_tokens})
    return replace(stage, config=config)


def apply_plan(plan: MemoryPlan, model: nn.Module) -> None:
    """Tells a model's blocks what they keep, and the allocator what it may."""
    if plan.returned:
        return_large_blocks()
    body = next((module for module in model.modules() if isinstance(module, Transformer)), None)
    if body is not None and plan.recomputed:
        for block, part in zip(body.all_blocks, plan.recomputed, strict=True):
            block.recomputed = part
