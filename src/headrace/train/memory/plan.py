"""The cheapest way of training that fits: what each block keeps, how many rows are taken at once, and where state lies.

Three things make room and take time. A block, or a half of it, computed again on the way back costs its forward pass.
Fewer rows at once cost what a block takes however few they are. State that is read from the disk costs the disk. All
three are priced in seconds a step and tried together; in each trial the part that frees most for its time goes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.config import Config
from headrace.errors import CapacityError
from headrace.models.recompute import Recomputed
from headrace.train.memory.kept import BlockCosts

DISK_BYTES_PER_SECOND = 5e8
"""What a plain solid-state disk reads or writes."""
RETURN = 0.12
"""Time of a step that giving memory back costs (measured at 9 M parameters)."""
BACKWARD = 2.0
"""Time of a backward pass, in forward passes."""
SLACK_BYTES, SLACK_SHARE = 64 << 20, 0.03
"""What kernels take besides: threads' scratch, and small tensors."""
GAPS = 0.7
"""Gaps between tensors where freed memory is kept, in parts of what training takes (measured 0.1 to 0.7)."""

NOTHING: tuple[Recomputed, ...] = ("nothing",)

Placed = Literal["memory", "disk"]


class MemoryPlan(Config):
    """How a stage stays within its memory. Kept with it, because a resumed stage must add up alike."""

    micro_batch_rows: int
    recomputed: tuple[Recomputed, ...] = ()
    """Of each block in the order in which they run; empty where nothing is."""
    state: Placed = "memory"
    """Where what the optimiser remembers lies."""
    weights: Placed = "memory"
    copied_checkpoints: bool = True
    """Whether state is copied in memory and then written while training goes on; else training waits."""
    returned: bool = False
    """Whether freed memory goes back to the system at once: an eighth slower; else gaps stay between tensors."""
    forecast_bytes: int
    """Most that a process will hold."""
    limit_bytes: int
    seconds: float = 0.0
    """What the plan costs a step, as forecast, and what a step takes."""
    step_seconds: float = 0.0

    @property
    def num_recomputed(self) -> int:
        return sum(part != "nothing" for part in self.recomputed)

    def given_back(self) -> "MemoryPlan":
        """The plan with freed memory going back to the system."""
        return self.model_copy(update={"returned": True, "seconds": self.seconds + RETURN * self.step_seconds})

    def with_gaps(self, resident: int) -> "MemoryPlan":
        """The plan with what the allocator loses in gaps, where it keeps freed memory."""
        gaps = int(GAPS * (self.forecast_bytes - resident))
        return self.model_copy(update={"forecast_bytes": self.forecast_bytes + gaps})

    def keeps_all(self, rows: int) -> bool:
        """Whether nothing has to be done for it, where the recipe takes so many rows at once."""
        is_plain = self.copied_checkpoints and (self.state, self.weights) == ("memory", "memory")
        return is_plain and not self.returned and not self.num_recomputed and self.micro_batch_rows >= rows

    def describe(self, *, all_rows: int) -> str:
        """One line: what was chosen, and why."""
        chosen = []
        if self.num_recomputed:
            kinds = sorted(set(self.recomputed) - {"nothing"})
            counts = ", ".join(f"{self.recomputed.count(kind)} x {kind}" for kind in kinds)
            chosen.append(f"{self.num_recomputed} of {len(self.recomputed)} blocks are computed again ({counts})")
        if self.micro_batch_rows < all_rows:
            chosen.append(f"{self.micro_batch_rows} rows at once instead of {all_rows}")
        if not self.copied_checkpoints:
            chosen.append("training waits while checkpoints are written")
        if self.returned:
            chosen.append("freed memory is given back at once")
        if "disk" in (self.state, self.weights):
            what = "weights and optimiser state" if self.weights == "disk" else "optimiser state"
            chosen.append(f"{what} on disk")
        sizes = f"{self.forecast_bytes / 1e9:.2f} GB forecast, {self.limit_bytes / 1e9:.2f} GB allowed"
        if not chosen:
            return f"memory: everything is kept; {sizes}"
        share = self.seconds / self.step_seconds if self.step_seconds else 0.0
        return f"memory: {'; '.join(chosen)}: about {share:.0%} more time a step; {sizes}"


@dataclass(frozen=True)
class Needs:
    """What a stage holds besides what blocks keep, in bytes."""

    resident: int
    """What the process holds before training; weights, where they lie in memory."""
    gradients: int
    state: int
    section_state: int
    """Of the largest section, where state lies on the disk."""
    snapshot: int
    """A copy of all that a checkpoint holds."""
    update: int
    """What an update makes room for in passing; nothing is kept of activations then."""
    row: int
    """Of one row: embedding, last states and their gradients."""
    head: int
    """Of the head's gradient, whatever the number of rows."""
    logits: int = 0
    """Of a chunk of logits: between the way forward and the way back, when no block is gone through."""


@dataclass(frozen=True)
class Choices:
    """What may be chosen from."""

    micro_batch_rows: Sequence[int]
    """From the largest down."""
    rows_a_step: int
    halves: bool
    """Whether halves of blocks may be recomputed."""
    page: Literal["auto", "nothing", "state"]
    may_copy: bool = True
    checkpoint_seconds: float = 30.0


KINDS: tuple[Recomputed, ...] = ("nothing", "attention", "feed_forward")
"""How much less than a whole block is recomputed."""


def choose(blocks: Sequence[BlockCosts], needs: Needs, choices: Choices, *, limit_bytes: int) -> MemoryPlan:
    """The plan that takes least time within a limit; the one with the most rows at once where several do.

    Raises CapacityError, with what the leanest needs, where none fits.
    """
    plans = list(_plans(blocks, needs, choices, limit_bytes=limit_bytes))
    fitting = [plan for plan in plans if plan.forecast_bytes <= limit_bytes]
    if not fitting:
        least = min(plan.forecast_bytes for plan in plans)
        raise CapacityError(
            f"training needs at least {least / 1e9:,.2f} GB of memory and may take {limit_bytes / 1e9:,.2f} GB, with "
            "every block recomputed and one row at once. Use a smaller model or vocabulary, shorter rows, "
            "optimizer.state_precision: int8, or updates: by_block, which holds one block's gradient at a time."
        )
    return min(fitting, key=lambda plan: plan.seconds)


def _plans(blocks: Sequence[BlockCosts], needs: Needs, choices: Choices, *, limit_bytes: int) -> Iterator[MemoryPlan]:
    """The best for every number of rows and every place of state; those that do not fit at their leanest."""
    for state, copied in _places(choices):
        for rows in choices.micro_batch_rows:
            fixed = _fixed_bytes(needs, rows, state=state, copied=copied)
            room = int((limit_bytes - needs.resident - SLACK_BYTES) / (1 + SLACK_SHARE)) - (fixed - needs.resident)
            parts = _recomputed(blocks, rows, room=room, halves=choices.halves, needs=needs)
            kept = max(_kept(blocks, parts, rows, logits=needs.logits), needs.update)
            step = (1 + BACKWARD) * sum(_forward(block, choices.rows_a_step) for block in blocks)
            plan = MemoryPlan(
                micro_batch_rows=rows,
                recomputed=tuple(parts) if any(part != "nothing" for part in parts) else (),
                state=state,
                copied_checkpoints=copied,
                forecast_bytes=int((fixed + kept - needs.resident) * (1 + SLACK_SHARE)) + needs.resident + SLACK_BYTES,
                limit_bytes=limit_bytes,
                step_seconds=step,
            )
            yield plan.model_copy(update={"seconds": _price(plan, blocks, needs, choices)})


def _places(choices: Choices) -> list[tuple[Placed, bool]]:
    """Where state lies, and whether it is copied for checkpoints; in the order of what they cost."""
    places: list[tuple[Placed, bool]] = []
    if choices.page != "state":
        places += [("memory", True)] if choices.may_copy else []
        places.append(("memory", False))
    if choices.page != "nothing":
        places.append(("disk", False))
    return places


def _fixed_bytes(needs: Needs, rows: int, *, state: Placed, copied: bool) -> int:
    held = needs.state if state == "memory" else needs.section_state
    return needs.resident + needs.gradients + held + (needs.snapshot if copied else 0) + needs.head + rows * needs.row


def _recomputed(blocks: Sequence[BlockCosts], rows: int, *, room: int, halves: bool, needs: Needs) -> list[Recomputed]:
    """Which parts are recomputed so that the rest fits: one after the other, the most bytes for their time first."""
    parts: list[Recomputed] = ["nothing"] * len(blocks)
    while max(_kept(blocks, parts, rows, logits=needs.logits), needs.update) > room:
        steps = [
            (_freed(block, part, to) / max(1e-9, _again(block, to) - _again(block, part)), -place, to)
            for place, (block, part) in enumerate(zip(blocks, parts, strict=True))
            for to in _further(part, halves=halves)
        ]
        if not steps:
            return parts
        _, place, to = max(steps)
        parts[-place] = to
    return _eased(blocks, parts, rows, room=room, halves=halves, needs=needs)


def _eased(
    blocks: Sequence[BlockCosts], parts: list[Recomputed], rows: int, *, room: int, halves: bool, needs: Needs
) -> list[Recomputed]:
    """The parts without what later ones have made needless: the dearest is taken back first, as long as all fits."""
    while True:
        found: tuple[float, list[Recomputed]] | None = None
        of_each_kind = {(block, part): place for place, (block, part) in enumerate(zip(blocks, parts, strict=True))}
        for (block, part), place in of_each_kind.items():
            for to in KINDS if halves else ("nothing",):
                gain = _again(block, part) - _again(block, to)
                eased = [*parts[:place], to, *parts[place + 1 :]]
                if gain > (found[0] if found else 0.0) and (
                    max(_kept(blocks, eased, rows, logits=needs.logits), needs.update) <= room
                ):
                    found = gain, eased
        if found is None:
            return parts
        parts = found[1]


def _further(part: Recomputed, *, halves: bool) -> tuple[Recomputed, ...]:
    if part == "block":
        return ()
    return ("attention", "feed_forward", "block") if halves and part == "nothing" else ("block",)


def _row_bytes(block: BlockCosts, part: Recomputed) -> int:
    """What a block keeps of a row."""
    kept = {
        "nothing": block.attention_bytes + block.feed_forward_bytes,
        "attention": block.feed_forward_bytes + block.stream_bytes,
        "feed_forward": block.attention_bytes + block.stream_bytes,
        "block": 0,
    }
    return block.stream_bytes + kept[part]


def _again(block: BlockCosts, part: Recomputed) -> float:
    """Seconds a row that a block takes a second time."""
    attention, feed_forward = block.attention_seconds, block.feed_forward_seconds
    taken = {"nothing": 0.0, "attention": attention, "feed_forward": feed_forward, "block": attention + feed_forward}
    return taken[part]


def _freed(block: BlockCosts, part: Recomputed, to: Recomputed) -> int:
    return _row_bytes(block, part) - _row_bytes(block, to)


def _kept(blocks: Sequence[BlockCosts], parts: Sequence[Recomputed], rows: int, *, logits: int = 0) -> int:
    """Activations at their most: all that is kept, and what the one block that is gone through, or the loss, takes."""
    kept = sum(
        rows * _row_bytes(block, part) + (0 if part == "block" else block.fixed_bytes)
        for block, part in zip(blocks, parts, strict=True)
    )
    inside = [
        rows * block.working_bytes
        + rows * (_row_bytes(block, "nothing") - _row_bytes(block, part))
        + (block.fixed_bytes if part == "block" else 0)
        for block, part in zip(blocks, parts, strict=True)
    ]
    return int(kept + max([*inside, logits]))


def _forward(block: BlockCosts, rows: int) -> float:
    return rows * (block.attention_seconds + block.feed_forward_seconds)


def _price(plan: MemoryPlan, blocks: Sequence[BlockCosts], needs: Needs, choices: Choices) -> float:
    """Seconds a step that a plan costs beside one that keeps everything and takes as many rows at once as may be."""
    parts = plan.recomputed or NOTHING * len(blocks)
    again = sum(choices.rows_a_step * _again(block, part) for block, part in zip(blocks, parts, strict=True))
    times, least = (-(-choices.rows_a_step // rows) for rows in (plan.micro_batch_rows, choices.micro_batch_rows[0]))
    fixed = (1 + BACKWARD) * (times - least) * sum(block.fixed_seconds for block in blocks)
    disk = 2 * needs.state / DISK_BYTES_PER_SECOND if plan.state == "disk" else 0.0
    if not plan.copied_checkpoints:
        disk += (
            needs.snapshot / DISK_BYTES_PER_SECOND * min(1.0, plan.step_seconds / max(1e-9, choices.checkpoint_seconds))
        )
    return again + fixed + disk
