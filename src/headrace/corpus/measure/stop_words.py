"""The words that every text of a language has, looked up by hash."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.measure.characters import alphabet
from headrace.corpus.measure.lean import kernel
from headrace.corpus.measure.segment import PRIME, describe_run, find_chunk, mix

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
SLOTS = 2048


class Lexicon(NamedTuple):
    """Word hash, changed by its language's number -> the bits above and the number of the stop word."""

    keys: npt.NDArray[np.uint64]
    values: npt.NDArray[np.int32]


@cache
def lexicon() -> Lexicon:
    """The words of all languages."""
    found = Lexicon(np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.int32))
    for language, (word, value) in ((n, entry) for n, name in enumerate(LANGUAGES) for entry in _entries(name)):
        word_hash, _, _ = describe_run(np.frombuffer(word.encode(), np.uint8), alphabet())
        key = language_key(np.uint64(word_hash), language)
        slot = find_chunk(found.keys, np.uint64(key))
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


@kernel
def language_key(word_hash: np.uint64, language: int) -> np.uint64:
    """What a word of this language is looked up by."""
    return mix(word_hash ^ np.uint64(language + 1) * PRIME)


@kernel
def look_up(word_hash: np.uint64, language: int, lexicon: Lexicon) -> int:
    """The word's bits, or 0. `language`: a number, -1 for one without words."""
    if language < 0:
        return 0
    key = language_key(word_hash, language)
    slot = find_chunk(lexicon.keys, key)
    return lexicon.values[slot] if lexicon.keys[slot] == key else 0
