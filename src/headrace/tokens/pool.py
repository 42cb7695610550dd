"""Memory for batches."""

import sys
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64
KEPT_BLOCKS = 16


@dataclass(frozen=True, slots=True)
class Block:
    """Some memory, from the first cache line that begins in it. Whoever uses it must hold `memory`."""

    memory: NDArray[np.uint8]
    start: int
    """Byte of the memory at which it begins."""
    address: int
    size_bytes: int

    @classmethod
    def of(cls, size_bytes: int) -> "Block":
        memory = np.empty(size_bytes + CACHE_LINE, np.uint8)
        start = -memory.ctypes.data % CACHE_LINE
        return cls(memory, start, memory.ctypes.data + start, size_bytes)


class Pool:
    """Memory that is used again when nobody holds it any more.

    Fresh memory for every batch would cost more than filling it: the system hands it out by the page, and clears it.
    Whatever still looks at a batch, a view or a tensor made of it, holds its memory, and Python counts who does.
    """

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._lock = Lock()

    def take(self, size_bytes: int) -> tuple[Block, NDArray[np.uint8]]:
        """A block of that size, its content whatever was there, and its memory, which is the taker's while it is held.

        The taker gets hold of the memory before others may look whether it is free.
        """
        with self._lock:
            for block in self._blocks:
                if block.size_bytes == size_bytes and sys.getrefcount(block.memory) == _UNHELD:
                    return block, block.memory
            block = Block.of(size_bytes)
            self._blocks = [*self._blocks[1 - KEPT_BLOCKS :], block]
            return block, block.memory


def _count_unheld() -> int:
    """What Python counts for memory that only its block holds."""
    block = Block.of(0)
    return sys.getrefcount(block.memory)


_UNHELD = _count_unheld()
