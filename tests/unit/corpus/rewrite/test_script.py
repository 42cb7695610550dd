"""Chinese in one script, by phrases for output and by characters for comparison."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.rewrite.script import fold_script, fold_text, traditional_to_simplified_table
from headrace.corpus.texts import Texts


@pytest.mark.parametrize(
    ("simplified", "traditional"),
    [
        ("头发发现", "頭髮發現"),
        ("皇后在后面", "皇后在後面"),
        ("干燥的干部", "乾燥的幹部"),
        ("乾隆", "乾隆"),
        ("几公里", "幾公里"),
    ],
)
def test_phrases_decide_which_character_is_meant(simplified: str, traditional: str) -> None:
    assert list(fold_script(Texts.from_strings(["plain", simplified]), "traditional")) == ["plain", traditional]
    assert list(fold_script(Texts.from_strings([traditional]), "simplified")) == [simplified]


def test_texts_without_chinese_are_the_batch_itself() -> None:
    texts = Texts.from_strings(["plain", "naïve", "", "日本"])

    assert fold_script(texts, "simplified") is texts


def test_the_table_maps_characters_one_to_one_and_only_once() -> None:
    table = traditional_to_simplified_table()

    assert table.dtype == np.int32
    assert chr(table[ord("頭")]) == "头"
    assert chr(table[ord("a")]) == "a"
    assert np.array_equal(table[table], table)


@given(st.text("頭髮發現皇后在後面乾燥的幹部幾公里書寫漢字简体字混合", min_size=1, max_size=12))
def test_both_scripts_of_a_text_compare_equal(text: str) -> None:
    table = traditional_to_simplified_table()
    other = fold_text(text, "simplified")

    assert len(other) == len(text)
    same = [table[ord(one)] == table[ord(two)] for one, two in zip(text, other, strict=True)]
    assert all(same) or "乾" in text
