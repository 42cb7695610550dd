"""Hashes of many documents on disk: one `.npy` file a unit, (columns, rows of the unit), each column in one piece.

Columns are read with plain reads of bounded size, not mapped, so that the memory of a process is what it says it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.errors import StoreError

Keys = npt.NDArray[np.uint64]

BLOCK_ROWS = 1 << 17


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where a file's numbers lie."""

    path: Path
    num_columns: int
    num_rows: int
    begin: int
    """Byte at which the numbers begin."""

    def column(self, column: int, first: int, last: int) -> Keys:
        """Rows [first, last) of a column."""
        place = self.begin + 8 * (column * self.num_rows + first)
        keys = np.fromfile(self.path, np.uint64, last - first, offset=place)
        if len(keys) < last - first:
            raise _damaged(self.path)
        return keys

    def rows(self, rows: npt.NDArray[np.int64]) -> Keys:
        """(rows, columns): all columns of a few rows."""
        mapped: Keys = np.load(self.path, mmap_mode="r")
        return np.ascontiguousarray(mapped[:, rows].T)


def write_keys(path: Path, keys: Keys) -> None:
    """Writes (N, columns) keys."""
    np.save(path, np.ascontiguousarray(keys.T), allow_pickle=False)


def open_keys(path: Path) -> KeyFile:
    """Looks at a file's header. Raises StoreError if the file is no such file or too short."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            assert version == (1, 0), "headers this short are of the first version"
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
            begin = file.tell()
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if dtype != np.uint64 or is_fortran or len(shape) != 2 or path.stat().st_size < begin + 8 * shape[0] * shape[1]:
        raise _damaged(path)
    return KeyFile(path, shape[0], shape[1], begin)


def read_keys(path: Path) -> Keys:
    """(N, columns), a mapped view."""
    open_keys(path)
    mapped: Keys = np.load(path, mmap_mode="r").T
    return mapped


def blocks(files: Sequence[KeyFile], column: int) -> Iterator[tuple[int, Keys]]:
    """A column of all files in order, piece by piece, each with the number of rows before it."""
    before = 0
    for file in files:
        for first in range(0, file.num_rows, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, file.num_rows)
            yield before + first, file.column(column, first, last)
        before += file.num_rows


def read_rows(files: Sequence[KeyFile], rows: npt.NDArray[np.int64]) -> Keys:
    """(rows, columns): the keys of a few rows of all files together, in any order."""
    ends = np.cumsum([file.num_rows for file in files])
    of_file = np.searchsorted(ends, rows, side="right")
    keys = np.empty((len(rows), files[0].num_columns), np.uint64)
    for index in np.unique(of_file).tolist():
        here = of_file == index
        keys[here] = files[index].rows(rows[here] - (ends[index] - files[index].num_rows))
    return keys


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path}: not the keys that were written. Delete the file and run again: it will be rebuilt.")
