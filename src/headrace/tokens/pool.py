"""Memory for batches."""

import math
import sys
from threading import Lock

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64
KEPT_BLOCKS = 16


class Pool:
    """Memory that is used again when nobody holds it any more.

    Fresh memory for every batch would cost more than filling it: the system hands it out by the page, and clears it.
    Whatever still looks at a batch, a view or a tensor made of it, holds its memory, and Python counts who does.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[NDArray[np.uint8], int]] = []
        """Memory, and where in it a cache line begins."""
        self._lock = Lock()

    def take(self, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """An array of that shape, its content whatever was there; it begins with a cache line."""
        size_bytes = 4 * math.prod(shape) + CACHE_LINE
        with self._lock:
            for block, start in self._blocks:
                if sys.getrefcount(block) == _UNHELD and block.nbytes == size_bytes:
                    return np.ndarray(shape, np.int32, block, start)
            block = np.empty(size_bytes, np.uint8)
            start = -block.ctypes.data % CACHE_LINE
            self._blocks = [*self._blocks[1 - KEPT_BLOCKS :], (block, start)]
            return np.ndarray(shape, np.int32, block, start)


def _count_holders() -> int:
    """What Python counts for a thing that only a tuple and a loop over a list of such hold."""
    for thing, _ in [(np.empty(0), 0)]:
        count = sys.getrefcount(thing)
    return count


_UNHELD = _count_holders()
