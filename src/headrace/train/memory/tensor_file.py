"""Tensors written in the form of safetensors, one after the other: what lies on a shelf is never in memory together."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from headrace.train.memory.shelf import Shelf

NAMES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}
ALIGNED = 8


@dataclass(frozen=True)
class Writing:
    """How state gets from memory into a file."""

    copied: bool = True
    """In memory first, and written while training goes on; else training waits."""
    shelf: Shelf | None = None
    """Where some of it may lie."""


AT_ONCE = Writing()
"""All of it lies in memory, and there is room for a copy."""


def write_tensors(tensors: Mapping[str, Tensor], path: Path, *, shelf: Shelf | None = None) -> None:
    """Writes what `safetensors.torch.load_file` reads. Views that are not in one piece are copied, one at a time.

    shelf: where some of them lie, and are put back to when they are written.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, end = {}, 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNED)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            piece = tensors[name].detach().contiguous()
            file.write(piece.view(-1).view(torch.uint8).numpy().data)
            if shelf is not None:
                shelf.release([tensors[name]], changed=False)
