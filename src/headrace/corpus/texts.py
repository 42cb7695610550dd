"""The texts of a batch of documents as bytes that kernels can walk over: nothing is copied out of Arrow's buffers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = TypeVar("Array", bound=npt.NDArray[Any])
Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def read_only(array: Array) -> Array:
    """A view that cannot be written through. A kernel is compiled for each kind of array it sees, so there is one."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """N texts as valid UTF-8, one after the other; text i is `data[offsets[i]:offsets[i + 1]]`."""

    data: Bytes
    offsets: Offsets
    """(N + 1), ascending; the first need not be 0."""

    def __post_init__(self) -> None:
        """Makes both read-only, whoever made them."""
        for name in ("data", "offsets"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @classmethod
    def from_strings(cls, strings: Sequence[str]) -> "Texts":
        """Raises UnicodeEncodeError for a lone surrogate."""
        return cls.from_arrow(pa.array(strings, pa.large_string()))

    @classmethod
    def from_arrow(cls, array: pa.Array) -> "Texts":
        """A view of a `string` or `large_string` array without nulls; it keeps the array's buffers alive."""
        assert array.null_count == 0, "texts are never null"
        is_large = pa.types.is_large_string(array.type)
        _, offsets, data = array.buffers()
        numbers = np.frombuffer(offsets, np.int64 if is_large else np.int32) if offsets else np.zeros(1, np.int64)
        numbers = numbers[array.offset : array.offset + len(array) + 1].astype(np.int64, copy=False)
        return cls(np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8), numbers)

    def to_arrow(self) -> pa.Array:
        """A `large_string` array over the same bytes."""
        return pa.Array.from_buffers(
            pa.large_string(), len(self), [None, pa.py_buffer(self.offsets), pa.py_buffer(self.data)]
        )

    @classmethod
    def joined(cls, parts: Sequence["Texts"]) -> "Texts":
        """The texts of all parts."""
        return parts[0] if len(parts) == 1 else cls.from_arrow(_concatenate(parts))

    def take(self, rows: Offsets) -> "Texts":
        """Some of the texts."""
        return Texts.from_arrow(self.to_arrow().take(pa.array(rows)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    @property
    def sizes(self) -> Offsets:
        """(N,) bytes of each text."""
        return np.diff(self.offsets)


def replace_rows(texts: Texts, rows: dict[int, str]) -> Texts:
    """The batch with some texts replaced, in ascending order of rows; the same batch if there are none."""
    if not rows:
        return texts
    pieces: list[bytes] = []
    sizes = texts.sizes.copy()
    done = 0
    for row, text in rows.items():
        pieces += [texts.data[texts.offsets[done] : texts.offsets[row]].tobytes(), text.encode()]
        sizes[row] = len(pieces[-1])
        done = row + 1
    pieces.append(texts.data[texts.offsets[done] : texts.offsets[-1]].tobytes())
    return Texts(np.frombuffer(b"".join(pieces), np.uint8), np.concatenate(([0], np.cumsum(sizes))))


def _concatenate(parts: Sequence[Texts]) -> pa.Array:
    return pa.concat_arrays([*(part.to_arrow() for part in parts), pa.array([], pa.large_string())])
