"""Unicode forms and content hashes against the plain definitions."""

import unicodedata

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.measure.normal_form import (
    Form,
    hash_contents,
    hash_identities,
    normalize_text,
    normalize_texts,
)
from headrace.corpus.texts import Texts

SPACES = "".join(filter(str.isspace, map(chr, range(0x110000))))
COMBINING = "e\u0301\u00e9\u1161\u1100\u11a8\uac00\u09c7\u09be\ufb01\u212b\uf900\U0002f800\u2126;\u037e"
characters = st.one_of(st.sampled_from(SPACES + COMBINING + "ab中。"), st.characters(exclude_categories=["Cs"]))
texts = st.lists(st.text(characters, max_size=12), max_size=5)


def oracle_hash(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(unicodedata.normalize("NFC", " ".join(text.split())).encode())


@pytest.mark.parametrize("form", ["NFC", "NFKC", "none"])
@given(listed=texts)
def test_every_text_comes_out_in_its_form(form: Form, listed: list[str]) -> None:
    assert list(normalize_texts(Texts.from_strings(listed), form)) == [normalize_text(text, form) for text in listed]


@given(texts)
def test_content_hashes_are_those_of_the_words_of_the_nfc_text(listed: list[str]) -> None:
    normal = [unicodedata.normalize("NFC", text) for text in listed]

    assert hash_contents(Texts.from_strings(normal), "NFC") == [oracle_hash(text) for text in listed]
    assert hash_contents(Texts.from_strings(listed), "none") == [oracle_hash(text) for text in listed]


def test_every_character_that_a_form_changes_is_found() -> None:
    listed = [f"a{chr(code)}b" for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000]
    forms: tuple[Form, ...] = ("NFC", "NFKC")
    for form in forms:
        expected = [unicodedata.normalize(form, text) for text in listed]
        assert list(normalize_texts(Texts.from_strings(listed), form)) == expected


def test_clean_texts_are_not_copied() -> None:
    clean = Texts.from_strings(["plain", "naïve 中文。"])

    assert normalize_texts(clean, "NFC") is clean


def test_an_identity_is_the_hash_of_the_place_and_the_text() -> None:
    listed = ["one", "zwei 中"]

    found = hash_identities(Texts.from_strings(listed), ["a\0", "b\0"])

    assert found == [xxhash.xxh3_128_hexdigest(p + t.encode()) for p, t in zip((b"a\0", b"b\0"), listed, strict=True)]


blocks = st.lists(
    st.sampled_from(
        [" ", "\n", "\n\n", "  ", "\u3000", "\u2003 ", "a", "word", "中文", "\u2019", "\u00e9", "x" * 60, "\t" * 70]
    ),
    max_size=80,
).map("".join)


@given(st.lists(blocks, max_size=3))
def test_content_hashes_of_long_texts_are_those_of_their_words(listed: list[str]) -> None:
    assert hash_contents(Texts.from_strings(listed), "NFC") == [oracle_hash(text) for text in listed]


@given(st.lists(blocks, min_size=1, max_size=3), st.sampled_from(["\r", "\r\n", "e\u0301", "\ufa1e", "\U0002f800", ""]))
def test_suspects_are_found_anywhere_in_long_texts(listed: list[str], suspect: str) -> None:
    listed = [*listed, suspect.join(listed), suspect.join(["x" * 63, "x" * 64, listed[0]])]

    assert list(normalize_texts(Texts.from_strings(listed), "NFC")) == [normalize_text(text, "NFC") for text in listed]
