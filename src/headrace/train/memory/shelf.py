"""Tensors that lie in a file and are in memory only while they are used.

One sparse file, mapped once; a tensor is a range of whole pages of it. What has been used is put back: its pages are
unmapped at once, and written and dropped from the system's cache by a thread, while the next block computes.
Unmapping a shared file loses nothing, so a tensor may be used at any time; it is read again where it has to be.
"""

import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

PAGE = mmap.PAGESIZE
CAUGHT = 1 << 16
"""Matrices of fewer numbers stay in memory when a model is built on a shelf."""
FILLING = ("uniform_", "normal_", "kaiming_uniform_")
"""How weights are given their first values."""
ON_THE_WAY = 2
"""Releases that may wait to be written before the next must wait as well: so little of the cache is ever dirty."""


class Shelf:
    """Room for tensors in a file of its own without a name, which ends with the process."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        """size_bytes: the most that will lie here; takes no room on the disk before something does."""
        folder.mkdir(parents=True, exist_ok=True)
        self._opened = TemporaryFile(dir=folder)  # several processes have theirs in one folder
        self._file = self._opened.fileno()
        self._size = _whole_pages(size_bytes)
        os.ftruncate(self._file, self._size)
        self._map = mmap.mmap(self._file, self._size)
        self._places: dict[int, tuple[int, int]] = {}
        self._used = 0
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shelf")
        self._writing: list[Future[None]] = []

    def empty(self, shape: Iterable[int], dtype: torch.dtype) -> Tensor:
        """A tensor of zeros that lies here."""
        shape = tuple(shape)
        size = max(1, prod(shape) * dtype.itemsize)
        start, self._used = self._used, self._used + _whole_pages(size)
        assert self._used <= self._size, f"a shelf of {self._size:,} bytes is full"
        tensor = torch.frombuffer(self._map, dtype=dtype, count=max(1, prod(shape)), offset=start)[: prod(shape)]
        tensor = tensor.view(shape)
        self._places[tensor.data_ptr()] = (start, _whole_pages(size))
        return tensor

    def put(self, tensor: Tensor) -> Tensor:
        """The tensor as one that lies here; itself, if it does."""
        if tensor in self:
            return tensor
        copy = self.empty(tensor.shape, tensor.dtype)
        copy.copy_(tensor.detach())
        return copy

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.data_ptr() in self._places

    def fetch(self, tensors: Iterable[Tensor]) -> None:
        """Lets the system read tensors that will be used soon; returns at once."""
        for start, size in self._ranges(tensors):
            self._map.madvise(mmap.MADV_WILLNEED, start, size)

    def release(self, tensors: Iterable[Tensor], *, changed: bool) -> None:
        """Takes tensors out of memory. changed: since they were read."""
        ranges = self._ranges(tensors)
        for start, size in ranges:
            self._map.madvise(mmap.MADV_DONTNEED, start, size)
        while len(self._writing) >= ON_THE_WAY:
            self._writing.pop(0).result()
        self._writing.append(self._writer.submit(self._drop, ranges, changed=changed))

    def _drop(self, ranges: list[tuple[int, int]], *, changed: bool) -> None:
        if changed:  # the system drops only what is on the disk
            os.fdatasync(self._file)
        for start, size in ranges:
            os.posix_fadvise(self._file, start, size, os.POSIX_FADV_DONTNEED)

    def _ranges(self, tensors: Iterable[Tensor]) -> list[tuple[int, int]]:
        return [self._places[tensor.data_ptr()] for tensor in tensors if tensor in self]

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Large matrices that are made meanwhile, such as a model's weights, lie here, and hold zeros at first."""
        with _Catching(self):
            yield


class _Catching(TorchFunctionMode):
    """Gives room on a shelf where torch is asked for an empty matrix, and leaves it empty.

    torch's layers fill their weights as soon as they have them, and a model's own weights then take their place: at
    that moment all of them would have to be in memory, or be written twice.
    """

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self._shelf = shelf

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function is torch.empty and args and _is_large(args[0]):
            return self._shelf.empty(args[0], torch.get_default_dtype())
        given = kwargs or {}
        filled = args[0] if args else given.get("tensor")
        if getattr(function, "__name__", "") in FILLING and isinstance(filled, Tensor) and filled in self._shelf:
            # torch's own beginnings take numbers from nowhere in particular; those that last come from a generator.
            if given.get("generator") is not None:
                function(*args, **given)
                self._shelf.release([filled], changed=True)
            return filled
        return function(*args, **given)


def _is_large(shape: Any) -> bool:
    return isinstance(shape, tuple | list) and len(shape) == 2 and prod(shape) >= CAUGHT


def _whole_pages(size_bytes: int) -> int:
    return -(-size_bytes // PAGE) * PAGE
