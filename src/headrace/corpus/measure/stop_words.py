"""The words that every text of a language has, looked up by hash."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.measure.page import PRIME, hash_bytes

STOP_WORDS: dict[str, tuple[str, ...]] = {
    "en": ("the", "be", "to", "of", "and", "that", "have", "with"),
    "zh": tuple("的年在月是和日了於·為有被人中为他與後也而由"),
}
"""Gopher's for English, FineWeb2's for Chinese; how many of them occur is asked, in these very letters."""

FUNCTION_WORDS: dict[str, str] = {
    "en": """
        i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
        herself it its itself they them their theirs themselves what which who whom whose this that these those am is
        are was were be been being have has had having do does did doing a an the and but if or because as until while
        of at by for with about against between into through during before after above below to from up down in out on
        off over under again further then once here there when where why how all any both each few more most other
        some such no nor not only own same so than too very can will just should now could would may might must shall
        upon also yet however don't doesn't didn't isn't aren't wasn't weren't won't can't couldn't wouldn't shouldn't
        it's i'm you're he's she's that's
    """,
    "zh": """
        的 了 是 在 和 也 有 就 不 都 而 及 与 與 着 或 一个 没有 我们 你们 他们 她们 我 你 他
        她 它 这 那 这个 那个 之 于 於 以 为 為 被 把 从 对 但 并 很 到 说 要 会 上 中 等 其
    """,
}
"""Common little words; their share of all words is asked, in small letters, capitals or with one."""

LANGUAGES = tuple(STOP_WORDS)
IS_FUNCTION_WORD = 1 << 6
IS_STOP_WORD = 1 << 5
NUMBER = IS_STOP_WORD - 1
MOST = (1 << 64) - 1
SLOTS = 4096


class Lexicon(NamedTuple):
    """Word hash, changed by its language's number -> the bits above and the number of the stop word.

    A word is in the slot that its hash names or in the next, so that looking it up takes no branch.
    """

    keys: npt.NDArray[np.uint64]
    values: npt.NDArray[np.int32]


@cache
def lexicon() -> Lexicon:
    """The words of all languages."""
    words = [(n, *entry) for n, name in enumerate(LANGUAGES) for entry in _entries(name)]
    keys = [hash_word(np.frombuffer(word.encode(), np.uint8)) ^ (n + 1) * int(PRIME) & MOST for n, word, _ in words]
    size = SLOTS
    while (found := _arrange(keys, [value for _, _, value in words], size)) is None:
        size *= 2
    return found


def _arrange(keys: list[int], values: list[int], size: int) -> Lexicon | None:
    """The lexicon with so many slots, if no word is crowded out of its two."""
    found = Lexicon(np.zeros(size + 1, np.uint64), np.zeros(size + 1, np.int32))
    for key, value in zip(keys, values, strict=True):
        slot = key & (size - 1)
        slot += found.keys[slot] not in (0, key)
        if found.keys[slot] not in (0, key):
            return None
        found.keys[slot] = key
        found.values[slot] |= value
    return found


def _entries(language: str) -> Iterator[tuple[str, int]]:
    for number, word in enumerate(STOP_WORDS[language]):
        yield word, IS_STOP_WORD | number
    for form in dict.fromkeys(
        form for word in FUNCTION_WORDS[language].split() for form in (word, word.capitalize(), word.upper())
    ):
        yield form, IS_FUNCTION_WORD


@lean_kernel
def hash_word(word: np.ndarray) -> int:
    """The hash of a word's UTF-8 bytes."""
    return hash_bytes(word)  # type: ignore[return-value]  # see `signed`


@inner_kernel
def look_up(word_hash: np.uint64, language: int, lexicon: Lexicon) -> int:
    """The word's bits, or 0. `language`: a number, -1 for one without words."""
    key = word_hash ^ np.uint64(language + 1) * PRIME
    slot = key & np.uint64(len(lexicon.keys) - 2)
    after = slot + np.uint64(1)
    value: int = lexicon.values[slot] * (lexicon.keys[slot] == key) | lexicon.values[after] * (
        lexicon.keys[after] == key
    )
    return value
