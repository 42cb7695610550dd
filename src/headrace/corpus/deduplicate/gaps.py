"""White space around cuts: no double blank and no lost paragraph where something went."""

import numpy as np

from headrace.corpus.cuts import Cuts
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts

SPACE, NEWLINE, TAB, RETURN = 0x20, 0x0A, 0x09, 0x0D


def close_gaps(texts: Texts, cuts: Cuts) -> Cuts:
    """The cuts with surplus ASCII white space beside them; the cuts' rows are rows of this batch.

    Where white space stands on both sides of a cut, the side with fewer line ends goes too. At the beginning or the
    end of a text all that is beside the cut goes. A cut with white space on one side only, inside a text, stays.
    """
    begins, ends = cuts.begins.copy(), cuts.ends.copy()
    widen(texts.data, texts.offsets, cuts.rows, begins, ends)
    return Cuts(cuts.rows, begins, ends)


@kernel
def widen(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> None:
    """Moves begins and ends, bytes within a text, in place. Cuts with only white space between them are as one."""
    first = 0
    while first < len(rows):
        origin = offsets[rows[first]]
        size = offsets[rows[first] + 1] - origin
        last = first
        while last + 1 < len(rows) and rows[last + 1] == rows[first]:
            next_word = _skip_blanks(data, origin + ends[last], origin + begins[last + 1])
            if next_word < origin + begins[last + 1]:
                break
            ends[last] = begins[last + 1]
            last += 1
        floor = ends[first - 1] if first and rows[first - 1] == rows[first] else 0
        begin, end = begins[first], _skip_blanks(data, origin + ends[last], origin + size) - origin
        while begin > floor and _is_blank(data[origin + begin - 1]):
            begin -= 1
        has_both = begin < begins[first] and end > ends[last]
        lines_before = _count_lines(data, origin + begin, origin + begins[first])
        lines_after = _count_lines(data, origin + ends[last], origin + end)
        if end == size or (has_both and begin > 0 and lines_before < lines_after):
            begins[first] = begin
        if end == size or begin == 0 or (has_both and lines_before >= lines_after):
            ends[last] = end
        first = last + 1


@kernel
def _skip_blanks(data: np.ndarray, position: int, limit: int) -> int:
    """The first position that is no white space, or the limit."""
    while position < limit and _is_blank(data[position]):
        position += 1
    return position


@kernel
def _count_lines(data: np.ndarray, begin: int, end: int) -> int:
    num = 0
    for position in range(begin, end):
        num += data[position] == NEWLINE
    return num


@kernel
def _is_blank(byte: int) -> bool:
    return byte in (SPACE, NEWLINE, TAB, RETURN)
