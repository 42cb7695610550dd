"""The kernels give py3langid's answers, whatever the text is."""

import math
import unicodedata
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier, visit_counts

from headrace.corpus.language_codes import IDENTIFIED, MEANT, TWO_LETTERS
from headrace.corpus.measure.language import EXAMINED_CHARACTERS, identify_language, identify_languages
from headrace.corpus.measure.language_kernels import MEMORY
from headrace.corpus.measure.language_model import (
    CHARACTERS,
    COMPOSES,
    WRITTEN_CHINESE,
    load_language_model,
)
from headrace.corpus.texts import Texts

SENTENCES = {
    "en": "The channel brings water to the wheel, and the wheel turns as fast as the channel feeds it.",
    "de": "Das Rad dreht sich so schnell, wie der Kanal ihm Wasser zuführt, und nicht schneller.",
    "fr": "La roue tourne aussi vite que le canal lui apporte de l'eau, et jamais plus vite que cela.",
    "ru": "Колесо вращается так быстро, как канал подаёт воду, и никогда не быстрее этого.",
    "zh": "水渠把水引到水车，水车转得有多快，全看水渠供水有多快。",
    "ja": "水路は水車に水を運び、水車は水路が供給する速さで回ります。",
    "ko": "수로는 물레방아에 물을 대고, 물레방아는 물이 오는 만큼 빨리 돈다.",
    "ar": "تدور العجلة بالسرعة التي تمدها بها القناة بالماء ولا تدور أسرع من ذلك أبدا.",
    "hi": "पहिया उतनी ही तेज़ी से घूमता है जितनी तेज़ी से नहर उसे पानी देती है।",
    "vi": "Bánh xe quay nhanh bằng tốc độ mà con kênh đưa nước đến cho nó.",
}
SCRAPS = st.one_of(
    st.sampled_from([*SENTENCES.values(), *(text.upper() for text in SENTENCES.values())]),
    st.sampled_from([unicodedata.normalize("NFD", text) for text in SENTENCES.values()]),
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.text("abcXYZ 水路に 가각ᆨ한é́ä12.,\n", max_size=40),
)
TEXTS = st.lists(SCRAPS, max_size=6).map(" ".join)
ROUNDING = 5e-5
"""py3langid adds up thousands of numbers of 32 bits: that much of its probabilities is rounding."""


@cache
def reference() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def exact_probabilities(text: str) -> dict[str, float]:
    """py3langid's probabilities, its formulas written out in 64 bits."""
    model = reference()
    encoded = model._encode(text)
    visits = visit_counts(model.tk_nextmove, model._rowbase, model.tk_output, encoded)
    if not visits:
        return {}
    scores = np.array(model.nb_pc, np.float64)
    for feature, count in visits.items():
        scores += float(np.log1p(np.float32(count))) * model.nb_ptc[feature].astype(np.float64)
    scores /= math.sqrt(len(encoded))
    shares = np.exp(scores - scores.max())
    merged: dict[str, float] = {}
    for code, share in zip(model.nb_classes, shares / shares.sum(), strict=True):
        answer = "zh" if code in WRITTEN_CHINESE else code
        merged[answer] = merged.get(answer, 0.0) + float(share)
    return merged


@settings(max_examples=100, deadline=None)
@given(TEXTS)
@example("")
@example("ABC ÄÖ")
@example("Ǆ")
@example("\U0001f600 \U0010ffff")
def test_answers_are_those_of_the_reference(text: str) -> None:
    sample = text[:EXAMINED_CHARACTERS].strip()
    probabilities = exact_probabilities(sample) if any(map(str.isalpha, sample)) else {}
    code, probability = identify_language(text)

    if not probabilities:
        assert (code, probability) == ("und", 0.0)
        return
    assert probability == pytest.approx(max(probabilities.values()), abs=1e-9)
    assert probability == pytest.approx(probabilities[code], abs=1e-9)
    ranking = [(found, share) for found, share in reference().rank(sample) if found not in WRITTEN_CHINESE]
    assert code == "zh" or probability == pytest.approx(ranking[0][1], abs=ROUNDING)


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, max_size=5), st.integers(0, 2))
def test_a_text_is_judged_alike_alone_and_in_a_batch(texts: list[str], skipped: int) -> None:
    whole = Texts.from_strings(texts)
    part = Texts(whole.data, whole.offsets[min(skipped, len(texts)) :])
    codes, probabilities = identify_languages(part)

    assert list(zip(codes, probabilities.tolist(), strict=True)) == [identify_language(text) for text in part]


@pytest.mark.parametrize(("code", "text"), SENTENCES.items())
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("change", [str, str.upper], ids=["as it is", "capitals"])
def test_sentences_are_told_apart_in_any_form(code: str, text: str, form: str, change: type[str]) -> None:
    found, probability = identify_language(unicodedata.normalize(form, change(text)))

    assert found == code
    assert probability > 0.5


def test_only_the_beginning_of_a_text_is_looked_at() -> None:
    beginning = (SENTENCES["ja"] * 100)[:EXAMINED_CHARACTERS]

    assert identify_language(beginning + SENTENCES["en"] * 500) == identify_language(beginning)
    assert identify_language("\n" * EXAMINED_CHARACTERS + SENTENCES["en"]) == ("und", 0.0)


@pytest.mark.parametrize("text", ["", " \n\t", "12345 67.8%", "！？。", "x", "A"])
def test_what_says_nothing_about_its_language_has_none(text: str) -> None:
    assert identify_language(text) == ("und", 0.0)


@given(st.binary(min_size=MEMORY, max_size=MEMORY))
@settings(max_examples=20, deadline=None)
def test_the_state_depends_on_the_last_bytes_only(data: bytes) -> None:
    model, _ = load_language_model()
    states = np.arange(len(model.row_of))
    for byte in data:
        states = model.next_state[model.row_of[states], byte]

    assert len(np.unique(states)) == 1


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=8))
def test_text_without_composing_characters_is_composed_already(text: str) -> None:
    properties = load_language_model()[0].properties
    if not any(ord(character) < CHARACTERS and properties[ord(character)] & COMPOSES for character in text):
        assert unicodedata.is_normalized("NFC", text)


def test_the_codes_that_recipes_are_checked_by_are_those_of_the_model() -> None:
    model, codes = load_language_model()

    assert {*(codes[answer] for answer in model.answer.tolist()), "und"} == IDENTIFIED
    assert {code for code in IDENTIFIED if len(code) == 2} <= TWO_LETTERS
    assert TWO_LETTERS & {*MEANT} == {"nb", "kr"}  # which exist, but no document is identified as Kanuri
    assert set(MEANT.values()) <= IDENTIFIED
