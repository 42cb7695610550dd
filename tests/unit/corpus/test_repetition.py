"""The fast n-gram sums agree with the definition on every text, and so do words however they are split."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.measure.repeats import BLOCK_CHARACTERS, NgramTable
from headrace.corpus.measure.repetition import duplicate_ngram_characters, score_repetition, top_ngram_characters
from headrace.corpus.measure.words import ANY_WORD, NEEDS_ANY_WORD, SPACED_WORD, split_words

# few and short words, so that n-grams repeat and different words spell the same characters ("a" "aa", "aa" "a")
WORDS = st.lists(st.sampled_from(["a", "aa", "b", "ab", "水", "😀", "The"]), max_size=120)


@given(words=WORDS, n=st.integers(2, 10))
def test_the_table_finds_what_the_definition_finds(words: list[str], n: int) -> None:
    table = NgramTable(words)

    assert table.top_characters(n) == top_ngram_characters(words, n)
    assert table.duplicate_characters(n) == duplicate_ngram_characters(words, n)


@pytest.mark.parametrize("extra", [-1, 0, 1, 70_000])
def test_the_table_does_not_notice_where_its_blocks_end(extra: int) -> None:
    generator = random.Random(extra)
    words = ["x" * (BLOCK_CHARACTERS + extra), *(str(generator.randrange(40)) for _ in range(3_000))]
    table = NgramTable(words)

    assert [table.top_characters(n) for n in (2, 3)] == [top_ngram_characters(words, n) for n in (2, 3)]
    assert [table.duplicate_characters(n) for n in (5, 6)] == [duplicate_ngram_characters(words, n) for n in (5, 6)]


@given(words=WORDS)
def test_repeats_never_make_up_more_than_the_text(words: list[str]) -> None:
    text = " ".join(words)

    duplicated = {name: value for name, value in score_repetition(text, words).items() if name.startswith("dup_")}
    assert all(0 <= value <= 1 for value in duplicated.values())


def test_the_sums_are_those_of_the_paper_on_a_small_text() -> None:
    words = ["a", "b", "c", "d", "e", "a", "b", "c", "d", "e", "f"]
    text = " ".join(words)

    scores = score_repetition(text, words)

    assert scores["top_2gram_char_ratio"] == len("a b") * 2 / len(text)
    assert scores["dup_5gram_char_ratio"] == len("abcde") / len(text)
    assert scores["dup_6gram_char_ratio"] == 0


@given(text=st.text(st.characters(codec="utf-8")))
def test_the_fast_pattern_is_used_only_where_it_splits_alike(text: str) -> None:
    words = split_words(text, "en")

    assert words == ANY_WORD.findall(text)
    assert "".join(words) == "".join(text.split())
    assert NEEDS_ANY_WORD.search(text) or words == SPACED_WORD.findall(text)


def test_words_are_what_the_module_says() -> None:
    text = "Don't read os.path at 3.5 ... well-known -- 日本 हिन्दी"

    assert split_words(text, "en") == [
        "Don't",
        "read",
        "os.path",
        "at",
        "3.5",
        "...",
        "well",
        "-",
        "known",
        "--",
        "日",
        "本",
        "हिन्दी",
    ]
    assert split_words("我来到北京清华大学。\n", "zh") == ["我", "来到", "北京", "清华大学", "。"]
