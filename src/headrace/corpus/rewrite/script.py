"""Chinese in one script: phrase by phrase for output, character by character for comparison. Source of both: OpenCC."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.corpus.rewrite.config import Script
from headrace.corpus.texts import Texts, read_only, replace_rows

_HAN_LEAD = 0xE3
_HAN = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))
_SETTINGS = {"simplified": "t2s", "traditional": "s2t"}


def fold_script(texts: Texts, script: Script) -> Texts:
    """The texts in one script. What is neither Chinese nor in the other script stays byte for byte."""
    folded: dict[int, str] = {}
    for row in range(len(texts)):
        data = texts.data[texts.offsets[row] : texts.offsets[row + 1]]
        if len(data) and data.max() >= _HAN_LEAD:
            before = texts[row]
            after = fold_text(before, script)
            if after != before:
                folded[row] = after
    return replace_rows(texts, folded)


def fold_text(text: str, script: Script) -> str:
    """One text in one script."""
    return str(_converter(script).convert(text))


@cache
def traditional_to_simplified_table() -> npt.NDArray[np.int32]:
    """For each code point the one it is compared as: the simplified character of a traditional one, else itself.

    For kernels that compare texts whatever their script: `table[code] if code < len(table) else code`. It knows no
    phrases, so it is not for output.
    """
    table = np.arange(_HAN[-1][1], dtype=np.int32)
    codes = np.concatenate([np.arange(*bounds) for bounds in _HAN])
    lines = fold_text("\n".join(map(chr, codes)), "simplified").split("\n")
    table[codes] = [ord(line) if len(line) == 1 else code for code, line in zip(codes, lines, strict=True)]
    return read_only(table[table])  # a few forms take two steps


@cache
def _converter(script: Script) -> Any:
    import opencc  # here because it reads its dictionaries, and many corpora hold no Chinese

    return opencc.OpenCC(_SETTINGS[script])
