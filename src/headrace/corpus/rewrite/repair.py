"""Texts that programs broke, mended. ftfy does the work; it looks only at texts that a kernel finds suspicious."""

import re
from collections import Counter

import ftfy
import numpy as np
import numpy.typing as npt

from headrace.corpus.rewrite.suspicion import suspects
from headrace.corpus.texts import Texts, replace_rows

# Typographic quotes and full-width punctuation are no faults, and Chinese has both: ftfy by itself would undo them.
_SETTINGS = ftfy.TextFixerConfig(uncurl_quotes=False, fix_character_width=False, normalization=None, explain=False)
# U+200C and U+200D stay: they are spelling in Persian and Hindi, and hold emoji together
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffc\ufff9-\ufffb\U000e0000-\U000e007f]+"
)
_FULL_WIDTH = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code - 0xFEE0).isalnum()}
)


def repair_text(text: str) -> str:
    """One text mended. A text that needs no repair comes back as it is, and so does a repaired one."""
    for _ in range(3):  # taking something out can bring a broken sequence together
        mended = _INVISIBLE.sub("", ftfy.fix_text(text, _SETTINGS))
        if mended == text:
            break
        text = mended
    return text


def repair_texts(texts: Texts) -> tuple[Texts, npt.NDArray[np.int32]]:
    """The mended texts and how many characters of each went or came, whichever is more (N,). Clean texts have 0."""
    changed = np.zeros(len(texts), np.int32)
    mended: dict[int, str] = {}
    for row in np.flatnonzero(suspects(texts)).tolist():
        before = texts[row]
        after = repair_text(before)
        if after != before:
            mended[row] = after
            changed[row] = num_changed(before, after)
    return replace_rows(texts, mended), changed


def num_changed(before: str, after: str) -> int:
    """Characters that one text has more of than the other, wherever they stand; at least 1 if the texts differ."""
    gone, come = Counter(before), Counter(after)
    return max((gone - come).total(), (come - gone).total(), int(before != after))


def narrow_texts(texts: Texts) -> Texts:
    """The texts with full-width letters and digits as ordinary ones."""
    wide = {row: text.translate(_FULL_WIDTH) for row, text in enumerate(texts) if not text.isascii()}
    return replace_rows(texts, {row: text for row, text in wide.items() if text != texts[row]})
