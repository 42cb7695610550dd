"""The group of processes a training job runs in; of size one unless torchrun started it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

TIMEOUT = timedelta(seconds=300)  # torch's own default of 30 minutes is how long a hang would stay silent


@dataclass(frozen=True)
class Group:
    """Which process this is, and how to add up over all of them."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its sum over all processes, one message per dtype. All processes get equal bits."""
        if self.size == 1:
            return
        for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):
            chosen = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in chosen])
            dist.all_reduce(flat)
            for tensor, part in zip(chosen, flat.split([t.numel() for t in chosen]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def agree(self, number: int) -> int:
        """The leader's number, in every process."""
        if self.size == 1:
            return number
        tensor = torch.tensor(number)
        dist.broadcast(tensor, src=0)
        return int(tensor)

    def gather(self, number: int) -> list[int]:
        """Every process's number, in every process."""
        if self.size == 1:
            return [number]
        numbers = [torch.zeros((), dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(numbers, torch.tensor(number))
        return [int(each) for each in numbers]


@contextmanager
def join_group() -> Iterator[Group]:
    """The group of this process for the length of the block: torchrun's, or a group of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group()
        return
    dist.init_process_group("gloo", timeout=TIMEOUT)
    try:
        yield Group(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
