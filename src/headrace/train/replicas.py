"""Whether all processes of a group still hold the same weights: an error of one machine's memory shows there."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn

from headrace.errors import ReplicaError
from headrace.parallel import Group

CHECK_EVERY = 16
"""Steps; a pass over the weights is less than a hundredth of so many."""
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def check_replicas(model: nn.Module, group: Group, step: int, *, is_due: bool) -> None:
    """Compares the weights of all processes every CHECK_EVERY steps, and before the leader writes a checkpoint.

    is_due: whether it is about to; counts where the group leads. So what is written has been found equal. Raises
    ReplicaError, in every process, if weights differ.
    """
    if group.size == 1 or not (group.agree(int(is_due)) or step % CHECK_EVERY == 0):
        return
    sums = group.gather(checksum(model))
    if len(set(sums)) > 1:
        raise ReplicaError(
            f"step {step}: the weights of {_named(sums)} are not those of the others, though all got the same updates. "
            "Its memory or processor has made an error; no checkpoint holds it. Run again: training continues from the "
            "newest checkpoint. If it happens there again, do without that machine."
        )


def checksum(model: nn.Module) -> int:
    """A sum over the bits of all weights, to 64 bits: another one after any change of a single bit."""
    total = torch.zeros((), dtype=torch.int64)
    for parameter in model.parameters():
        total += parameter.detach().view(INTEGERS[parameter.element_size()]).sum(dtype=torch.int64)
    return int(total)


def _named(sums: Sequence[int]) -> str:
    """Processes that are alone with what they have, where most agree."""
    (most, count), *_ = Counter(sums).most_common()
    if 2 * count <= len(sums):
        return "one of the processes"
    return " and ".join(f"process {rank}" for rank, each in enumerate(sums) if each != most)
