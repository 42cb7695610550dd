"""Keys agree as often as theory says, and where plain Python's do."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_shingles import keys_of

from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.minhash import band_keys
from headrace.corpus.deduplicate.shingles import PIECE_WORDS
from headrace.corpus.texts import Texts

TEXTS = st.lists(st.sampled_from(["alpha", "Beta", "7", "é", "水", " ", ". "]), max_size=40).map("".join)
SETTINGS = st.builds(
    MinHashConfig,
    bands=st.integers(1, 5),
    rows=st.integers(1, 4),
    ngram=st.integers(1, 6),
    unit=st.sampled_from(["auto", "words", "characters"]),
)


@given(texts=st.lists(TEXTS, max_size=4), config=SETTINGS)
@settings(max_examples=60)
def test_keys_are_those_of_plain_python(texts: list[str], config: MinHashConfig) -> None:
    keys = band_keys(Texts.from_strings(texts), config)

    settings = (config.unit, config.ngram, config.bands, config.rows)
    assert keys.tolist() == [keys_of(text, *settings) for text in texts]


def test_keys_of_a_long_text_are_those_of_all_its_pieces() -> None:
    text = " ".join(str(chr(97 + i % 26)) * (1 + i % 5) for i in range(2 * PIECE_WORDS + 3))
    config = MinHashConfig(bands=2, rows=2)

    assert band_keys(Texts.from_strings([text]), config).tolist() == [keys_of(text, "auto", 5, 2, 2)]


def test_keys_do_not_depend_on_the_batch_and_its_place() -> None:
    texts = Texts.from_strings([f"document {i} says this and that about {i * i}" for i in range(50)])
    config = MinHashConfig(ngram=2)

    alone = [band_keys(Texts(texts.data, texts.offsets[i : i + 2]), config) for i in range(50)]

    assert np.array_equal(band_keys(texts, config), np.concatenate(alone))


def pairs_of_similarity(share: float, number: int, num_words: int = 120) -> Texts:
    """2 * number texts of distinct words; texts 2 i and 2 i + 1 have about this similarity, exactly `jaccard`."""
    generator = random.Random(int(share * 1000))
    common = round(2 * num_words * share / (1 + share))
    texts = []
    for _ in range(number):
        words = ["".join(generator.choices("abcdefghijklmnop", k=9)) for _ in range(2 * num_words - common)]
        texts += [" ".join(words[:num_words]), " ".join(words[num_words - common :])]
    return Texts.from_strings(texts)


def jaccard(share: float, num_words: int = 120) -> float:
    common = round(2 * num_words * share / (1 + share))
    return common / (2 * num_words - common)


@pytest.mark.parametrize("share", [0.5, 0.65, 0.72, 0.8, 0.9])
def test_pairs_are_found_as_often_as_the_curve_says(share: float) -> None:
    keys = band_keys(pairs_of_similarity(share, 1500), MinHashConfig(ngram=1))

    found = float((keys[::2] == keys[1::2]).any(axis=1).mean())

    expected = 1 - (1 - jaccard(share) ** 8) ** 14
    assert abs(found - expected) <= 4 * (expected * (1 - expected) / 1500) ** 0.5 + 1e-9


@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_estimates_of_similarity_are_unbiased_and_spread_like_independent_ones(share: float) -> None:
    keys = band_keys(pairs_of_similarity(share, 600), MinHashConfig(bands=112, rows=1, ngram=1))

    estimates = (keys[::2] == keys[1::2]).mean(axis=1)

    expected = jaccard(share)
    deviation = (expected * (1 - expected) / 112) ** 0.5
    assert abs(estimates.mean() - expected) <= 4 * deviation / 600**0.5
    assert 0.85 <= estimates.std() / deviation <= 1.15


def test_one_changed_character_in_a_chinese_paragraph_is_found() -> None:
    generator = random.Random(5)
    paragraphs = ["".join(chr(generator.randrange(0x4E00, 0x6000)) for _ in range(160)) for _ in range(200)]
    changed = [text[:80] + "改" + text[81:] for text in paragraphs]
    keys = band_keys(Texts.from_strings(paragraphs + changed), MinHashConfig())

    found = (keys[:200] == keys[200:]).any(axis=1).mean()

    assert found >= 0.98  # the curve at a similarity of 151 / 161 says 0.9999
    assert len(np.unique(keys[:200, 0])) == 200


def test_traditional_and_simplified_twins_are_found_with_a_table() -> None:
    one, other = "書籍與電腦是學習的工具" * 3, "书籍与电脑是学习的工具" * 3
    keys = band_keys(Texts.from_strings([one, other]), MinHashConfig(), han=("書與電腦學習", "书与电脑学习"))

    assert keys[0].tolist() == keys[1].tolist()
