"""The walk over the bytes marks everything that the patterns would find by looking everywhere."""

import random
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.corpus.redact import RedactConfig
from headrace.corpus.redact.candidates import find_windows
from headrace.corpus.redact.redaction import DETECTORS, Found, find_values, redact_text
from headrace.corpus.texts import Texts

sys.path.insert(0, str(Path(__file__).parents[3] / "faults"))
from personal_data import FORMS, KINDS, TEMPLATES, look_alikes, sentence

CONFIG = RedactConfig()
FRAGMENTS = (
    "138 0013 8000 +86 (010) 12345678 - . @ : = 1.2.3.4 8.8.8.8 2400:3200::1 00:1A:2B 3C:4D:5E "
    "AKIA sk- ghp_ _ eyJ QQ 微信 密码： "
    "password token= 京A 12345 ， １２３ ４５６ ＠ Ａ a.b c@d.org \t \n &amp; -----BEGIN 4111 1111 é 中文 E1234567 "
    "GB82 WEST 91350100M"
).split(" ")


def everywhere(text: str) -> list[Found]:
    """What the detectors find without the kernel."""
    return find_values(text, DETECTORS, CONFIG)


def test_made_up_data_is_found_wherever_it_would_be_by_looking_everywhere() -> None:
    generator = random.Random(4)
    texts = [
        f"{sentence(generator, kind, language, FORMS[form](kind, KINDS[kind](generator)))} {filler}"
        for kind in KINDS
        for language in TEMPLATES
        for form in FORMS
        for filler in ("", "word " * 40, "中文" * 50)
    ]
    for text in [*texts, *(text for _, text in look_alikes(generator, 500))]:
        assert list(redact_text(text, CONFIG).found) == everywhere(text), text


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from(FRAGMENTS) | st.text(max_size=4) | st.from_regex(r"[0-9]{1,8}", fullmatch=True), max_size=25
    )
)
def test_what_is_found_in_windows_is_found_everywhere(fragments: list[str]) -> None:
    text = "".join(fragments).encode("utf-8", "ignore").decode()

    assert set(redact_text(text, CONFIG).found) <= set(everywhere(text)) or "\0" in text


@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), max_size=6))
def test_windows_are_in_order_apart_and_between_characters(strings: list[str]) -> None:
    texts = Texts.from_strings(strings)
    windows = find_windows(texts)
    places = list(zip(windows.rows, windows.begins, windows.ends, strict=True))

    assert places == sorted(places)
    for (row, _, end), (next_row, begin, _) in pairwise(places):
        assert row < next_row or end < begin
    for row, begin, end in places:
        texts.data[texts.offsets[row] + begin : texts.offsets[row] + end].tobytes().decode()
        assert 0 <= begin < end <= texts.sizes[row]


@pytest.mark.parametrize(
    "text",
    [
        "In 2019-2020 they met.",
        "pi is 3.14159265358979",
        "2026-11-22 10:25:27",
        "他说，今天很好。",
        "a - b = c: d.",
        "@override",
    ],
)
def test_ordinary_text_has_no_windows(text: str) -> None:
    assert len(find_windows(Texts.from_strings([text])).rows) == 0


def test_a_batch_that_begins_within_its_buffer_is_read_from_there() -> None:
    texts = Texts.from_strings(["call 13800138000", "nothing", "call 13900139000"])
    rest = Texts(texts.data, texts.offsets[1:])

    assert find_windows(rest).rows.tolist() == [1]
    assert np.array_equal(find_windows(rest).begins, [0])
