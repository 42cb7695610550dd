"""Parts of texts that go while the rest of the document stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.texts import Texts

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Byte ranges of the texts of a batch, sorted by row and begin, not overlapping, on character boundaries."""

    rows: Positions
    begins: Positions
    """Bytes from the beginning of the row's text."""
    ends: Positions

    @classmethod
    def none(cls) -> "Cuts":
        empty = np.empty(0, np.int64)
        return cls(empty, empty, empty)

    def __len__(self) -> int:
        return len(self.rows)

    def of_rows(self, first: int, last: int) -> "Cuts":
        """The cuts of rows [first, last), with rows counted from `first`."""
        begin, end = np.searchsorted(self.rows, (first, last))
        return Cuts(self.rows[begin:end] - first, self.begins[begin:end], self.ends[begin:end])


def join(several: Sequence[Cuts]) -> Cuts:
    """The union: what any of them cuts, overlapping and touching ranges made one."""
    rows, begins, ends = (
        np.concatenate([getattr(cuts, name) for cuts in several] or [np.empty(0, np.int64)])
        for name in ("rows", "begins", "ends")
    )
    if not len(rows):
        return Cuts.none()
    order = np.lexsort((begins, rows))
    rows, begins, ends = rows[order], begins[order], ends[order]
    # within a row, a range begins anew where it begins after everything before it has ended
    span = int(ends.max()) + 1
    reach = np.maximum.accumulate(rows * span + ends)
    is_new = np.concatenate(([True], rows[1:] * span + begins[1:] > reach[:-1]))
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(rows)) - 1
    return Cuts(rows[first], begins[first], reach[last] - rows[last] * span)


def remove(texts: Texts, cuts: Cuts) -> Texts:
    """The texts without what the cuts name; the cuts' rows are rows of this batch."""
    left = np.empty(int(texts.sizes.sum() - (cuts.ends - cuts.begins).sum()), np.uint8)
    offsets = np.zeros(len(texts) + 1, np.int64)
    places = np.stack((cuts.rows, cuts.begins, cuts.ends))  # one kind of array, so that one kernel is compiled
    copy_rest(texts.data, texts.offsets, places, left, offsets)
    return Texts(left, offsets)


@lean_kernel
def copy_rest(
    data: np.ndarray, offsets: np.ndarray, places: np.ndarray, left: np.ndarray, new_offsets: np.ndarray
) -> None:
    """Writes what lies between the cuts, and where each text begins in it."""
    rows, begins, ends = places[0], places[1], places[2]
    cut = written = 0
    for row in range(len(offsets) - 1):
        position = offsets[row]
        while cut < len(rows) and rows[cut] == row:
            written += _copy(data, position, offsets[row] + begins[cut], left, written)
            position = offsets[row] + ends[cut]
            cut += 1
        written += _copy(data, position, offsets[row + 1], left, written)
        new_offsets[row + 1] = written


@inner_kernel
def _copy(data: np.ndarray, begin: int, end: int, left: np.ndarray, place: int) -> int:
    """Copies data[begin:end] to left[place:]; returns its size. An assignment of slices takes seconds to compile."""
    for index in range(end - begin):
        left[place + index] = data[begin + index]
    return end - begin
