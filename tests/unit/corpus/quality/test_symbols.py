"""Symbols are the words, single characters and line ends that a plain reading finds."""

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.corpus.quality.symbols import Symbols, character_kinds, read_symbols
from headrace.corpus.texts import Texts

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=60),
    st.text("abAB_1é水路ไทย, .\n\r\u2028가\U00020000\U0001f600", max_size=60),
)


def plain_reading(text: str) -> list[str]:
    """Symbols as strings, by Python's own means."""
    found: list[str] = []
    word = ""
    for character in text + " ":
        kind = kind_of(character)
        if kind == "word":
            word += character
            continue
        if word:
            found.append(word)
            word = ""
        if kind == "line end":
            found += [] if found and found[-1] == "\n" else ["\n"]
        elif kind != "space":
            found.append(character)
    return found


def kind_of(character: str) -> str:
    if character in "\n\r\u2028\u2029":
        return "line end"
    if ord(character) >= 0x20000:
        return "alone"
    category = unicodedata.category(character)[0]
    if category in "ZC":
        return "space"
    unspaced = any(first <= character <= last for first, _, last in map(tuple, _ranges()))
    return "alone" if (category in "PS" and character != "_") or unspaced else "word"


def _ranges() -> list[str]:
    return [UNSPACED[start : start + 3] for start in range(0, len(UNSPACED), 3)]


def read(text: str) -> tuple[list[str], list[int]]:
    """Symbols as strings, and their hashes."""
    texts = Texts.from_strings(["é", text])
    data = texts.data.tobytes()
    symbols = Symbols.room_for(len(data))
    num = read_symbols(texts.data, texts.offsets[1], texts.offsets[2], character_kinds(), symbols)
    places = zip(symbols.begins[:num], symbols.ends[:num], strict=True)
    return [data[begin:end].decode() for begin, end in places], symbols.hashes[:num].tolist()


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_symbols_are_those_of_a_plain_reading(text: str) -> None:
    found, _ = read(text)

    assert ["\n" if symbol in "\r\u2028\u2029" else symbol for symbol in found] == plain_reading(text)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_hashes_are_equal_where_symbols_are_up_to_ascii_capitals(text: str) -> None:
    found, hashes = read(text)
    small = [bytes(symbol.encode()).lower() if kind_of(symbol[0]) != "line end" else b"\n" for symbol in found]

    assert len(set(zip(small, hashes, strict=True))) == len(set(small)) == len(set(hashes))
