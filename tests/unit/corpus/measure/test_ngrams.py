"""Sums over n-grams are those of the definition, on texts that repeat themselves in every way."""

import numpy as np
import plain_scores as plain
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.corpus.kernel import lean_kernel
from headrace.corpus.measure.ngrams import (
    NUM_NGRAM_COUNTS,
    Scratch,
    count_character_ngrams,
    count_ngrams,
    empty_scratch,
)
from headrace.corpus.measure.segment import Words, empty_words
from headrace.corpus.measure.stop_words import hash_word

# few and short words, so that n-grams repeat
WORDS = st.lists(st.sampled_from(["a", "aa", "b", "ab", "The"]), max_size=120)
PHRASES = st.lists(st.sampled_from([["a"], ["b", "c"], ["on", "a", "b", "c", "d"], list("efghijklmnop")]), max_size=20)
SCRATCH = empty_scratch(10_000)


@lean_kernel
def ngrams_of(words: Words, number: int, scratch: Scratch, counts: np.ndarray) -> None:
    count_ngrams(words, number, scratch, counts)


@lean_kernel
def character_ngrams_of(points: np.ndarray, n: int, scratch: Scratch) -> tuple[int, int, int]:
    return count_character_ngrams(points, n, scratch)


@settings(deadline=None, max_examples=150)
@given(words=WORDS | PHRASES.map(lambda phrases: [word for phrase in phrases for word in phrase]))
def test_sums_of_word_ngrams_are_those_of_the_definition(words: list[str]) -> None:
    found = empty_words(len(words))
    found.hashes[:] = [hash_word(np.frombuffer(word.encode(), np.uint8)) for word in words]
    found.sums[1:] = np.cumsum([len(word) for word in words])
    counts = np.zeros(NUM_NGRAM_COUNTS, np.int64)
    ngrams_of(found, len(words), SCRATCH, counts)

    assert counts.tolist() == [
        *(plain.top_ngram_characters(words, n) for n in (2, 3, 4)),
        *(plain.duplicate_ngram_characters(words, n) for n in (5, 6, 7, 8, 9, 10)),
        *(plain.repeated_ngrams(words, n) for n in (5, 10)),
    ]


@settings(deadline=None, max_examples=150)
@given(text=st.text("abc", max_size=300), n=st.sampled_from([3, 10, 13]))
def test_sums_of_character_ngrams_are_those_of_the_definition(text: str, n: int) -> None:
    points = np.frombuffer(text.encode(), np.uint8).astype(np.int32)

    number, later, frequent = character_ngrams_of(points, n, SCRATCH)

    pieces = [text[i : i + n] for i in range(len(text) - n + 1)]
    assert (number, later) == (len(pieces), len(pieces) - len(set(pieces)))
    assert plain.ratio(frequent, number) == plain.character_repetition(text, n)
