"""The words that every text of a language has, looked up by hash."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import inner_kernel, lean_kernel
from headrace.corpus.measure.characters import signed
from headrace.corpus.measure.page import hash_bytes

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
SLOTS = 1 << 10
MASK, OTHER_HALF = np.uint64(SLOTS - 1), np.uint64(32)
MOST_MOVES = 100


VALUE_BITS, NOT_ONE_BYTE = np.uint64(8), np.uint64(56)


class Lexicon(NamedTuple):
    """(languages + 1, SLOTS) the words of each language by their hashes; the last is a language that has none.

    An entry is a hash whose lowest bits are the bits above with the number of the stop word instead. It is in one of
    two slots that its hash names, and looked up without a branch, which half of all words would mislead the processor.
    """

    entries: npt.NDArray[np.uint64]


@cache
def lexicon() -> Lexicon:
    """The words of all languages."""
    entries = np.zeros((len(LANGUAGES) + 1, SLOTS), np.uint64)
    for slots, name in zip(entries, LANGUAGES, strict=False):
        values: dict[int, int] = {}
        for word, value in _entries(name):
            key = int(hash_word(np.frombuffer(word.encode(), np.uint8)))
            values[key] = values.get(key, 0) | value
        for slot, key in _arrange(values).items():
            slots[slot] = key >> int(VALUE_BITS) << int(VALUE_BITS) | values[key]
    return Lexicon(entries)


def _arrange(keys: Iterable[int]) -> dict[int, int]:
    """Slot -> key. A new one takes the slot of another if it must, which moves to its other slot, and so on."""
    found: dict[int, int] = {}
    for key in keys:
        slot, left = key % SLOTS, key
        for _ in range(MOST_MOVES):
            crowded_out = found.get(slot)
            found[slot] = left
            if crowded_out is None:
                break
            left = crowded_out
            slot ^= left % SLOTS ^ (left >> int(OTHER_HALF)) % SLOTS
        else:
            raise AssertionError("more words than the slots can hold: raise SLOTS")
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
def look_up(word_hash: np.uint64, entries: np.ndarray) -> int:
    """The word's bits, or 0, in what the lexicon has of a language."""
    first, second = entries[word_hash & MASK], entries[word_hash >> OTHER_HALF & MASK]
    return signed(_value_if(word_hash, first) | _value_if(word_hash, second))


@inner_kernel
def _value_if(word_hash: np.uint64, entry: np.uint64) -> np.uint64:
    """By arithmetic alone: of a comparison, the compiler makes a branch here."""
    difference = (entry ^ word_hash) >> VALUE_BITS
    return entry & (difference - np.uint64(1)) >> NOT_ONE_BYTE
