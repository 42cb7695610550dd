"""How many bytes of tensors are alive at once while something is computed."""

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts what operations make while this is entered; what a kernel makes for itself alone is not seen."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[int, int] = {}
        self._alive = 0
        self.peak = 0

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        given = {_key(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (key := _key(tensor)) not in given and key not in self._sizes:
                storage = tensor.untyped_storage()
                self._sizes[key] = storage.nbytes()
                self._alive += storage.nbytes()
                weakref.finalize(storage, self._end, key)
        self.peak = max(self.peak, self._alive)
        return result

    def _end(self, key: int) -> None:
        self._alive -= self._sizes.pop(key, 0)


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def peak_bytes(function: Callable[..., Tensor], x: Tensor, *given: Any, learnt: list[Tensor]) -> int:
    """The most that is alive while a function's gradients, by what enters and by what is learnt, are computed."""
    x.requires_grad_()
    with torch.enable_grad(), LiveBytes() as live:
        result = function(x, *given)
        found = torch.autograd.grad(result, [x, *learnt], torch.ones_like(result), allow_unused=True)
        del result, found
    x.requires_grad_(False)
    return live.peak
