"""N-grams read straight from bytes are those that plain Python finds."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_shingles import shingles_of, words_of

from headrace.corpus.deduplicate.config import Unit
from headrace.corpus.deduplicate.folding import folding_table
from headrace.corpus.deduplicate.shingles import PIECE_WORDS, shingle_sets
from headrace.corpus.texts import Texts

UNITS: tuple[Unit, ...] = ("auto", "words", "characters")

# what each branch of the kernels is about, dense enough for neighbours to meet
PIECES = st.one_of(
    st.sampled_from(["a", "B", "ß", "É", "e\u0301", "İ", "ς", "Σ", "²", "한", "क़", "don't", "😀", "豈", "𠀀"]),
    st.sampled_from([" ", "\n", "\u3000", "-", ".", ",", "1", "23", "٣", "٫", "４"]),
    st.sampled_from(["水", "カ", "ｶ", "ไ", "ี", "\u00ad", "\u200d", "\ufe0f", "\U000e0100"]),
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def sets_of(texts: list[str], unit: Unit, ngram: int) -> list[list[int]]:
    shingles, offsets = shingle_sets(Texts.from_strings(texts), folding_table(unit), ngram)
    return [shingles[begin:end].tolist() for begin, end in pairwise(offsets)]


@given(texts=st.lists(TEXTS, max_size=4), unit=st.sampled_from(UNITS), ngram=st.integers(1, 6))
def test_shingles_are_those_of_plain_python(texts: list[str], unit: Unit, ngram: int) -> None:
    assert sets_of(texts, unit, ngram) == [sorted(shingles_of(text, unit, ngram)) for text in texts]


@given(text=st.text(st.characters(codec="utf-8", max_codepoint=0x3347F)), unit=st.sampled_from(UNITS))
def test_shingles_are_those_of_plain_python_for_any_character(text: str, unit: Unit) -> None:
    assert sets_of([text], unit, 2) == [sorted(shingles_of(text, unit, 2))]


@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
@pytest.mark.parametrize("ngram", [1, 5])
def test_no_shingle_is_lost_where_a_piece_ends(extra: int, ngram: int) -> None:
    generator = random.Random(extra)
    text = " ".join(generator.choice(["水", "ab", "1.5", "é"]) for _ in range(2 * PIECE_WORDS + extra))

    assert sets_of([text], "auto", ngram) == [sorted(shingles_of(text, "auto", ngram))]


def test_words_are_what_datatrove_makes_of_a_text() -> None:
    text = "The Café's 1,234.56 № ٣٫٥ “naïve” well-known\tthing—ΤΈΛΟΣ"

    assert words_of(text, "auto") == ["the", "cafe", "s", "0", "0", "0", "naive", "well", "known", "thing", "τελοσ"]


def test_characters_without_spaces_are_words_of_their_own_among_others() -> None:
    assert words_of("用Python 3.11写代码", "auto") == ["用", "python", "0", "写", "代", "码"]
    assert words_of("用Python 3.11写代码", "words") == ["用python", "0写代码"]
    assert words_of("ab 水", "characters") == ["a", "b", "水"]


def test_texts_that_fold_alike_have_the_same_shingles() -> None:
    one, other = sets_of(["Él paga 1.000 euros!", "el paga 27,5 EUROS"], "auto", 3)

    assert one == other


def test_texts_without_words_equal_only_themselves() -> None:
    one, same, other, empty = sets_of(["***", "***", "---", ""], "auto", 5)

    assert one == same
    assert one != other
    assert empty not in (one, other)


def test_traditional_characters_count_as_simplified_ones_with_a_table() -> None:
    texts = Texts.from_strings(["書籍與電腦", "书籍与电脑"])

    plain, offsets = shingle_sets(texts, folding_table("auto"), 2)
    folded, _ = shingle_sets(texts, folding_table("auto", ("書與電腦", "书与电脑")), 2)

    assert set(plain[: offsets[1]]).isdisjoint(plain[offsets[1] :])
    assert folded[: offsets[1]].tolist() == folded[offsets[1] :].tolist()
