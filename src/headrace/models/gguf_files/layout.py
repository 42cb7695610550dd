"""How llama.cpp names and turns the tensors that transformers has."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.errors import InputError
from headrace.models.config import ModelConfig

Array = NDArray[np.float32]
KINDS = ("llama", "qwen2", "qwen3", "gpt2")
TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
"""Of GPT-2: transformers keeps them the other way round."""


def package() -> Any:
    """The `gguf` package. Raises InputError, with the remedy, if it is not installed."""
    try:
        import gguf
    except ImportError as error:
        raise InputError("GGUF needs the package gguf: pip install 'headrace[export]'.") from error
    return gguf


def their_name(name: str, kind: str, depth: int) -> str:
    """llama.cpp's name of a tensor of transformers."""
    found = _names(kind, depth).get_name(name, try_suffixes=(".weight", ".bias"))
    assert found is not None, f"llama.cpp has no name for {name} of {kind}"
    return str(found)


@cache
def _names(kind: str, depth: int) -> Any:
    gguf = package()
    return gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, kind.upper()), depth)


def to_theirs(name: str, array: Array, *, kind: str, config: ModelConfig) -> Array:
    """A tensor as llama.cpp has it."""
    if kind == "llama" and (heads := _rotated_heads(name, config)):
        halves = array.reshape(heads, 2, config.head_width // 2, *array.shape[1:])
        return halves.swapaxes(1, 2).reshape(array.shape)
    return np.ascontiguousarray(array.T) if kind == "gpt2" and name.endswith(TRANSPOSED) else array


def from_theirs(name: str, array: Array, *, kind: str, config: ModelConfig) -> Array:
    """A tensor of llama.cpp as transformers has it."""
    if kind == "llama" and (heads := _rotated_heads(name, config)):
        pairs = array.reshape(heads, config.head_width // 2, 2, *array.shape[1:])
        return pairs.swapaxes(1, 2).reshape(array.shape)
    return np.ascontiguousarray(array.T) if kind == "gpt2" and name.endswith(TRANSPOSED) else array


def _rotated_heads(name: str, config: ModelConfig) -> int:
    """Heads of a projection whose channels llama.cpp rotates in neighbouring pairs; 0 for other tensors."""
    if ".self_attn.q_proj." in name:
        return config.heads
    return config.kv_heads if ".self_attn.k_proj." in name else 0
