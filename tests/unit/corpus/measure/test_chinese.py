"""Chinese words are those of jieba's Rust port."""

from itertools import pairwise

import numpy as np
import pytest
import rjieba
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.corpus.measure.chinese_model import (
    CODE,
    CODE_BITS,
    MULTIPLIER,
    SLOTS_BITS,
    _insert,
)
from headrace.corpus.measure.chinese_words import find_prefix
from headrace.corpus.measure.words import segment_chinese, split_words
from headrace.corpus.texts import Texts

FREQUENT = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动"
RARE = "龘靐齉㐀䶵𠀀𪛟𫝀豈鿕鿖鿿禪韻聲夢舊鄉"
SIGNS = "abcXYZ0189+#&._%- \t\r\n\u2028，。！？《》“”…—·、（）／éßжカहि水々😀👪\u200d①％"
MIXED = st.text(st.sampled_from(FREQUENT + RARE + SIGNS), max_size=80)
WHOLE = st.lists(
    st.sampled_from(
        ["中国科学院", "计算所", "AT&T", "C++", "c#", "T恤", "B超", "3.5%", "a_b-c.d", "常在", "\r\n", "杭研"]
    ),
    max_size=12,
).map("".join)
TEXTS = (
    MIXED
    | WHOLE
    | st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF))
    | st.text(st.characters(codec="utf-8"), max_size=60)
)

SENTENCES = [
    "我来到北京清华大学，小明硕士毕业于中国科学院计算所，后在日本京都大学深造。",
    "他来到了网易杭研大厦；我们中出了一个叛徒👪",
    "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。",
    "山川常在夢，南宦祝融常在眼",  # as likely one way as the other but for the seventh digit of the emissions
    "公司拟对全资子公司增资4.3亿元，2013年实现净利润-139.13万元。",
    "用 ls -l /usr/bin/gcc-12 查看；版本WES-5.4.5、v1.2.3_rc-1、50%%、..a..b.-。",
    "䬵䬵㶁㶁度溝淺𥉌𥉍眼孔忽然開",
]


def cut(texts: list[str]) -> list[list[int]]:
    firsts, lengths = segment_chinese(Texts.from_strings(texts), np.arange(len(texts)))
    return [lengths[first:last].tolist() for first, last in pairwise(firsts)]


def expected(text: str) -> list[int]:
    return list(map(len, rjieba.cut(text)))


@settings(deadline=None, max_examples=150)
@given(text=TEXTS)
@example(text="")
@example(text="a\r\r\n\n中\r")
def test_words_are_those_of_jieba(text: str) -> None:
    assert cut([text]) == [expected(text)]
    assert split_words(text, "zh") == [word for word in rjieba.cut(text) if not word.isspace()]


def test_every_character_is_treated_as_jieba_treats_it() -> None:
    points = [point for point in range(0x30000) if not 0xD800 <= point <= 0xDFFF]
    text = "".join(f"我{chr(point)}们a{chr(point)}1。" for point in points)

    assert cut([text]) == [expected(text)]


@pytest.mark.parametrize("text", SENTENCES)
def test_real_sentences_have_the_words_of_jieba(text: str) -> None:
    assert cut([text]) == [expected(text)]


def test_a_text_is_cut_alike_alone_and_in_a_batch() -> None:
    texts = [*SENTENCES, "", "一", *SENTENCES[::-1]]

    assert cut(texts) == [cut([text])[0] for text in texts]


def test_only_the_texts_asked_are_cut() -> None:
    firsts, lengths = segment_chinese(Texts.from_strings(SENTENCES), np.array([1, 4]))

    assert np.flatnonzero(np.diff(firsts)).tolist() == [1, 4]
    assert lengths.tolist() == expected(SENTENCES[1]) + expected(SENTENCES[4])


@pytest.mark.parametrize("piece", ["我来到北京清华大学常在", "龘靐齉", "a-", "㐀", "。"])
def test_a_megabyte_without_an_end_is_cut_like_any_text(piece: str) -> None:
    text = piece * (1_000_000 // len(piece.encode()))

    assert cut([text]) == [expected(text)]


def test_prefixes_that_want_one_slot_are_told_apart() -> None:
    candidates = np.arange(1, 1 << 23, dtype=np.uint64)
    keys = candidates[candidates * np.uint64(MULTIPLIER) >> np.uint64(64 - SLOTS_BITS) >= (1 << SLOTS_BITS) - 2]
    slots = np.zeros(1 << SLOTS_BITS, np.uint64)
    places = _insert(slots, keys[:-1])
    slots.setflags(write=False)

    found = [int(find_prefix(slots, key >> np.uint64(CODE_BITS), np.uint16(key & np.uint64(CODE)))) for key in keys]
    assert len(keys) > 4
    assert places.min() == 0, "the table was to be searched beyond its end"
    assert found[:-1] == places.tolist()
    assert slots[found[-1]] == 0
