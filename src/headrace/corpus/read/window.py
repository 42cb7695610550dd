"""A stream of blocks looked at through a window: found in, taken from, never held as a whole."""

import re
from collections.abc import Iterator


class Window:
    """The bytes of a stream from `offset` on, as many as were asked for."""

    def __init__(self, blocks: Iterator[bytes], start: int) -> None:
        self._blocks = blocks
        self.offset = start
        """Where the window begins in the stream."""
        self.data = bytearray()

    def fill(self, size: int) -> bool:
        """Makes the window at least so wide; False if the stream ends before."""
        while len(self.data) < size:
            if (block := next(self._blocks, None)) is None:
                return False
            self.data += block
        return True

    def drop(self, size: int) -> None:
        """Moves the window on; not beyond what it holds."""
        del self.data[:size]
        self.offset += size

    def take(self, size: int, *, keep: int) -> tuple[bytes, int]:
        """The first `keep` of the next `size` bytes, and how many of those there were before the stream's end."""
        kept = bytearray()
        left = size
        while left and self.fill(1):
            step = min(left, len(self.data))
            kept += self.data[: min(step, keep - len(kept))]
            self.drop(step)
            left -= step
        return bytes(kept), size - left

    def take_until(self, edge: re.Pattern[bytes], *, width: int, keep: int, begin: int = 0) -> tuple[bytes, int, bytes]:
        """What lies before the next match of `edge`, its size, and the match, which stays in the window.

        `width`: the longest match. The search begins at byte `begin`. The match is empty if the stream ends before one.
        """
        kept, taken = bytearray(), 0
        while True:
            match = edge.search(self.data, begin)
            found = match.group() if match else b""  # now: what a match looks at moves away
            step = match.start() if match else max(0, len(self.data) - max(width, begin))
            kept += self.data[: max(0, min(step, keep - len(kept)))]
            self.drop(step)
            taken += step
            begin = max(0, begin - step)
            if match:
                return bytes(kept), taken, found
            if not self.fill(len(self.data) + 1):
                rest, size = self.take(len(self.data), keep=max(0, keep - len(kept)))
                return bytes(kept) + rest, taken + size, b""
