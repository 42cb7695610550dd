"""Words of a tagged sentence as text: where a space stands before a word, and where none does."""

import unicodedata
from collections.abc import Sequence

UNSPACED = ("CJK UNIFIED", "CJK COMPATIBILITY", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "FULLWIDTH")
"""Beginnings of the names of characters that are written without spaces between words."""


def spaced_words(words: Sequence[str]) -> list[str]:
    """The words, each with the space that stands before it: none at the beginning or beside unspaced script."""
    before = ("", *words)
    return [
        word if not last or (_is_unspaced(last[-1]) or _is_unspaced(word[:1])) else f" {word}"
        for last, word in zip(before, words, strict=False)
    ]


def sentence(words: Sequence[str]) -> str:
    """The words as one text."""
    return "".join(spaced_words(words))


def _is_unspaced(character: str) -> bool:
    if character < "\u0e00":
        return False
    return "\u3000" <= character <= "\u303f" or unicodedata.name(character, "").startswith(UNSPACED)
