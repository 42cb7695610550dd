"""Which texts may need repair: one walk over the bytes, so that clean text costs nothing more."""

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Bytes, Offsets, Texts

_LONGEST_ENTITY = 10


def suspects(texts: Texts) -> npt.NDArray[np.bool_]:
    """(N,) whether a text has anything in it that repair changes; some suspects turn out to be clean.

    Wrongly decoded text is noticed where UTF-8 was read as Latin-1 or Windows-1252, by far the most frequent mistake.
    """
    found = np.zeros(len(texts), np.bool_)
    _suspect(texts.data, texts.offsets, found)
    return found


@kernel
def _suspect(data: Bytes, offsets: Offsets, found: npt.NDArray[np.bool_]) -> None:
    for row in range(len(offsets) - 1):
        for position in range(offsets[row], offsets[row + 1]):
            byte = data[position]
            is_dull = 39 <= byte < 127 or byte == 32 or byte == 10 or 0xE3 <= byte < 0xEF or 128 <= byte < 0xC2
            if not is_dull and _is_suspicious(data, position, offsets[row + 1]):
                found[row] = True
                break


@kernel
def _is_suspicious(data: Bytes, position: int, high: int) -> bool:
    """Whether a control character, an entity, an invisible character, a ligature or a wrong decoding begins here."""
    byte = data[position]
    if byte < 128:
        if byte == 38:
            return _is_entity(data, position, high)
        return bool(byte == 127 or (byte < 32 and byte != 9 and byte != 10))
    second = data[position + 1]
    if byte == 0xC2:
        return bool(second < 0xA0 or second == 0xAD)
    if byte == 0xC3:
        is_followed = position + 2 < high and data[position + 2] >= 0xC2
        return bool(0x82 <= second <= (0xB4 if is_followed else 0x83))
    third = data[position + 2] if position + 2 < high else 0
    if byte == 0xE2:
        is_mark = second == 0x80 and (third == 0x8B or third == 0x8E or third == 0x8F or 0xA8 <= third <= 0xAE)
        return bool(is_mark or (second == 0x81 and 0xA0 <= third <= 0xAF))
    if byte == 0xEF:
        is_mark = (second == 0xBB and third == 0xBF) or (second == 0xBF and third >= 0xBC)
        return bool(is_mark or (second == 0xAC and third <= 0x86))
    return bool(byte == 0xF3 and second == 0xA0)


@kernel
def _is_entity(data: Bytes, position: int, high: int) -> bool:
    """Whether letters or digits and a semicolon follow an ampersand."""
    for place in range(position + 1, min(high, position + _LONGEST_ENTITY)):
        byte = data[place]
        if byte == 59:
            return place > position + 2
        if not (48 <= byte <= 57 or 97 <= byte | 32 <= 122 or byte == 35):
            return False
    return False
