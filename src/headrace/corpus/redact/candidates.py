"""The stretches of texts that can hold a personal datum at all: one walk over the bytes, a few of them looked at twice.

Ordinary prose has almost none, and that is why redaction costs almost nothing there. What is marked is whatever the
patterns could match, never less; the tests hold the marks against patterns that look everywhere.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import kernel
from headrace.corpus.redact.clues import (
    ADDRESS,
    AT,
    DIGITS,
    KEY,
    LABEL,
    PLATE,
    address_bits,
    at_bits,
    digit_cluster,
    full_width_run,
    is_key_prefix,
    is_messenger,
    is_plate,
    is_secret_label,
    private_key_end,
)
from headrace.corpus.texts import Bytes, Offsets, Texts

EVERYTHING = DIGITS | AT | ADDRESS | KEY | LABEL | PLATE
_CONTEXT = 64

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Byte ranges of texts worth a look, sorted by row and begin, not overlapping, between whole words."""

    rows: Positions
    begins: Positions
    """Bytes from the beginning of the row's text."""
    ends: Positions
    triggers: Positions
    """Which clues were seen: a sum of the bits above."""


def find_windows(texts: Texts, wanted: int = EVERYTHING) -> Windows:
    """Where the patterns of the `wanted` triggers have to look."""
    # two windows of a text lie a context apart, so there are never more
    capacity = len(texts) + int(texts.offsets[-1] - texts.offsets[0]) // _CONTEXT + 1
    rows, begins, ends, triggers = (np.empty(capacity, np.int64) for _ in range(4))
    number = _mark(texts.data, texts.offsets, wanted, (rows, begins, ends, triggers))
    return Windows(rows[:number], begins[:number], ends[:number], triggers[:number])


def _classes() -> npt.NDArray[np.uint8]:
    """For each byte value, which look it deserves: 0 none, so that most bytes cost one load and one comparison."""
    table = np.zeros(256, np.uint8)
    for number, characters in enumerate((b"0123456789", b"@", b":=", b"-.", b"_JqxvwQXVW\xae\xa3", b"A"), start=1):
        table[list(characters)] = number
    others = set(range(ord("B"), ord("Z") + 1)) - set(b"JQXVW")
    table[sorted(others)] = 7
    table[0xEF] = 8
    return table


_CLASS = _classes()


@kernel
def _is_dull(data: Bytes, position: int, low: int) -> bool:
    """Whether a byte is no clue, or a capital that is only of interest behind a Chinese character."""
    seen = _CLASS[data[position]]
    return seen == 0 or (seen == 7 and (position == low or data[position - 1] < 128))


@kernel
def _mark(data: Bytes, offsets: Offsets, wanted: int, found: tuple[Positions, Positions, Positions, Positions]) -> int:
    """Fills the four arrays of `found`; returns how many windows there are."""
    number = 0
    for row in range(len(offsets) - 1):
        low, high = offsets[row], offsets[row + 1]
        last_end = -1
        position = low
        while position < high:
            if _is_dull(data, position, low):
                position += 1
                continue
            bits, end = _look(data, position, low, high)
            bits &= wanted
            if bits:
                begin = _reach_left(data, position, low)
                until = _reach_right(data, end, high)
                if begin <= last_end:
                    number -= 1
                    begin = low + found[1][number]
                    bits |= found[3][number]
                    until = max(until, last_end)
                found[0][number] = row
                found[1][number] = begin - low
                found[2][number] = until - low
                found[3][number] = bits
                number += 1
                last_end = until
            position = end
    return number


@kernel
def _look(data: Bytes, position: int, low: int, high: int) -> tuple[int, int]:
    """(trigger bits, where the walk goes on) for a byte that may be a clue."""
    seen = _CLASS[data[position]]
    if seen == 1:
        return digit_cluster(data, position, low, high)
    if seen == 2:
        return at_bits(data, position, low, high), position + 1
    if seen == 3:
        bits = address_bits(data, position, low, high)
        return bits | (LABEL if is_secret_label(data, position, low, high) else 0), position + 1
    if seen == 4:
        end = private_key_end(data, position, high)
        bits = KEY if end or is_key_prefix(data, position, low, high) else 0
        return bits | address_bits(data, position, low, high), max(end, position + 1)
    if seen == 8:
        return full_width_run(data, position, low, high)
    return _look_at_letter(data, position, low, high), position + 1


@kernel
def _look_at_letter(data: Bytes, position: int, low: int, high: int) -> int:
    """Trigger bits of a letter that belongs to a key, to a messenger's name or to the number of a plate."""
    seen = _CLASS[data[position]]
    bits = 0
    if (seen == 5 or seen == 6) and is_key_prefix(data, position, low, high):
        bits |= KEY
    if seen == 5 and is_messenger(data, position, low, high):
        bits |= LABEL
    return bits | (PLATE if is_plate(data, position, low, high) else 0)


@kernel
def _reach_left(data: Bytes, position: int, low: int) -> int:
    """Begin of a window: enough for a label before the clue, and not within a word."""
    position = max(low, position - _CONTEXT)
    while position > low and (32 < data[position - 1] < 127 or 128 <= data[position] < 192):
        position -= 1
    return position


@kernel
def _reach_right(data: Bytes, position: int, high: int) -> int:
    """End of a window, likewise."""
    position = min(high, position + _CONTEXT)
    while position < high and (32 < data[position] < 127 or 128 <= data[position] < 192):
        position += 1
    return position
