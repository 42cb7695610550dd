"""Words from kernels are the words of the regular expressions, of jieba and of spaCy."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.corpus.kernel import lean_kernel
from headrace.corpus.measure.page import read_page
from headrace.corpus.measure.segment import (
    FoundChunks,
    found_in,
    no_chunks,
    split_chunks,
    split_found,
    split_given,
    split_unicode,
)
from headrace.corpus.measure.stop_words import hash_word
from headrace.corpus.measure.tools import Tools, make_tools
from headrace.corpus.measure.word_patterns import ANY_WORD, NEEDS_ANY_WORD, SPACED_WORD
from headrace.corpus.measure.words import segment_chinese, split_words
from headrace.corpus.texts import Texts

SIGNS = "ab_Z09é'’.,--… \t\n\r\x1c\u2028한हिं\u0300กั水々😀カ½१[]{}"
TEXTS = st.text(st.sampled_from(SIGNS), max_size=60) | st.text(st.characters(codec="utf-8"), max_size=60)


TOOLS = make_tools(20_000, no_chunks())


@lean_kernel
def unicode_words(text: np.ndarray, tools: Tools) -> int:
    read_page(text, tools.alphabet, tools.page, tools.tally)
    return split_unicode(text, tools.page, tools.alphabet, tools.words)


@lean_kernel
def given_words(text: np.ndarray, lengths: np.ndarray, tools: Tools) -> int:
    read_page(text, tools.alphabet, tools.page, tools.tally)
    return split_given(text, tools.page, tools.alphabet, tools.words, lengths)


@lean_kernel
def chunk_words(text: np.ndarray, tools: Tools) -> int:
    read_page(text, tools.alphabet, tools.page, tools.tally)
    return split_chunks(text, tools.page, tools.words, tools.chunks)


@lean_kernel
def found_words(text: np.ndarray, tools: Tools, found: FoundChunks) -> int:
    return split_found(text, tools.words, found_in(found, 0), tools.chunks)


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def word_hash(word: str) -> int:
    return int(hash_word(as_bytes(word)))


@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
@example(text="a.b..c ...d 'e' f' it''s -- a--b x.")
@example(text="plain words, then é and plain again. " * 3)
def test_the_kernel_finds_the_words_of_the_expression(text: str) -> None:
    number, words = unicode_words(as_bytes(text), TOOLS), TOOLS.words

    expected = list(ANY_WORD.finditer(text))
    assert words.begins[:number].tolist() == [len(text[: match.start()].encode()) for match in expected]
    assert np.diff(words.sums[: number + 1]).tolist() == [len(match[0]) for match in expected]
    assert words.hashes[:number].tolist() == [word_hash(match[0]) for match in expected]


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8")))
def test_the_fast_pattern_is_used_only_where_it_splits_alike(text: str) -> None:
    words = split_words(text, "en")

    assert words == ANY_WORD.findall(text)
    assert "".join(words) == "".join(text.split())
    assert NEEDS_ANY_WORD.search(text) or words == SPACED_WORD.findall(text)


@settings(deadline=None, max_examples=60)
@given(
    strings=st.lists(st.text(st.sampled_from("我来到北京清华大学。\r\n ab1，"), max_size=30), min_size=1, max_size=5)
)
def test_chinese_is_segmented_in_batches_as_it_is_alone(strings: list[str]) -> None:
    texts = Texts.from_strings(strings)
    firsts, lengths = segment_chinese(texts, np.arange(len(strings)))

    for row, string in enumerate(strings):
        number = given_words(as_bytes(string), lengths[firsts[row] : firsts[row + 1]], TOOLS)
        assert TOOLS.words.hashes[:number].tolist() == list(map(word_hash, split_words(string, "zh")))


@settings(deadline=None, max_examples=60)
@given(text=st.text(st.sampled_from("abC'’.,-()$5 \n\t\u00a0é水"), max_size=60), is_new=st.booleans())
@example(text="don't U.S.A. e.g. :-) $5.00 can't've http://a.b/c?d=e (see [1]) I.B.M.'s well-known", is_new=False)
def test_chunks_give_the_tokens_of_spacy(text: str, is_new: bool) -> None:
    tokenizer = spacy_tokenizer()
    from headrace.corpus.measure.spacy_words import add_missing, find_chunks

    chunks, found = find_chunks(Texts.from_strings(["" if is_new else text]))
    tools = TOOLS._replace(chunks=chunks)
    chunk_words(as_bytes(text), tools)
    assert is_new or not tools.chunks.num_missing[0]
    tools = tools._replace(chunks=add_missing())
    number = chunk_words(as_bytes(text), tools)

    assert not tools.chunks.num_missing[0]
    if not is_new:
        written = [values[: number + 1].copy() for values in tools.words]
        assert found_words(as_bytes(text), tools, found) == number
        assert [values[: number + 1].tolist() for values in tools.words] == [values.tolist() for values in written]
    tokens = [token.text.strip() for chunk in text.split() for token in tokenizer(chunk)]
    assert tools.words.hashes[:number].tolist() == [word_hash(token) for token in tokens if token]


@cache
def spacy_tokenizer() -> Any:
    return pytest.importorskip("spacy").blank("en").tokenizer


def test_words_are_what_the_module_says() -> None:
    text = "Don't read os.path at 3.5 ... well-known -- 日本 हिन्दी"

    assert split_words(text, "en") == [
        *("Don't", "read", "os.path", "at", "3.5", "...", "well", "-", "known", "--", "日", "本", "हिन्दी")
    ]
    assert split_words("我来到北京清华大学。\n", "zh") == ["我", "来到", "北京", "清华大学", "。"]
