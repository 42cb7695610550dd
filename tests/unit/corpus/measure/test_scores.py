"""Kernels give what the plain definitions give, on any text, in any batch."""

import resource
from collections.abc import Sequence

import numpy as np
import plain_scores as plain
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.corpus.columns import TEXT_SCORES
from headrace.corpus.cuts import remove
from headrace.corpus.measure.line_cuts import c4_cuts, refinedweb_cuts
from headrace.corpus.measure.scores import score_texts
from headrace.corpus.measure.words import split_words
from headrace.corpus.texts import Texts

PIECES = (
    *(
        "the ",
        "of",
        "a",
        "Word",
        "cat sat",
        "水",
        "的",
        "日本",
        "カ",
        "한",
        "ก็",
        "हिन्दी",
        "é",
        "e\u0301",
        "😀",
        "_",
        "1",
        "３",
        "½",
    ),
    *(
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\u00a0",
        "\u3000",
        "'",
        "’",
        ".",
        "..",
        "...",
        "…",
        ",",
        "-",
        "--",
        "•",
        "#",
        "!",
        "。",
        "।",
    ),
    *(
        "{",
        "[1]",
        "[]",
        "[edit] ",
        "[citation needed]",
        "lorem ipsum ",
        "JavaScript ",
        "Terms of use ",
        "we use cookies ",
    ),
    *("\n3 likes\n", "\n1.5K views!\n", "SHOUTING LOUD ", "Read more...\n", "\nSign-in ", " items in cart", "x" * 1001),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(st.characters(codec="utf-8"), max_size=80)
LANGUAGES = st.sampled_from(("en", "zh", "th"))


def scores_of(texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
    columns = score_texts(Texts.from_strings(texts), languages)
    return [{name: column[row].item() for name, column in columns.items()} for row in range(len(texts))]


@settings(deadline=None, max_examples=60)
@given(text=TEXTS, language=LANGUAGES)
@example(text="\r\n a\r\n\r\n b\x85\x1c", language="en")
@example(text="_._ ... _", language="en")
@example(text="cat sat\xa0", language="zh")
def test_every_score_is_what_its_plain_definition_gives(text: str, language: str) -> None:
    found = scores_of([text], [language])[0]

    expected = plain.score(text, split_words(text, language), language)
    assert {name: found[name] for name in expected} == expected
    assert found.keys() == TEXT_SCORES.keys()
    assert all(np.isfinite(value) for value in found.values())


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(st.tuples(TEXTS, LANGUAGES), min_size=1, max_size=6), cut=st.integers(0, 6))
def test_a_batch_gives_each_text_what_it_gets_alone(texts: list[tuple[str, str]], cut: int) -> None:
    strings, languages = zip(*texts, strict=True)
    together = scores_of(strings, languages)
    whole = Texts.from_strings(["before", *strings])
    later = score_texts(Texts(whole.data, whole.offsets[1:]), languages)

    assert together == scores_of(strings[:cut], languages[:cut]) + scores_of(strings[cut:], languages[cut:])
    assert [value.item() for value in later["num_words"]] == [scores["num_words"] for scores in together]


@settings(deadline=None, max_examples=60)
@given(text=TEXTS, terminal=st.booleans())
def test_c4_cuts_leave_what_c4_makes_of_the_text(text: str, terminal: bool) -> None:
    text = "\n".join(text.splitlines())  # other line breaks stay what they are; C4 makes newlines of them
    lines, _, _ = plain.c4_lines(text, terminal_punctuation=terminal)
    texts = Texts.from_strings([text])

    left = remove(texts, c4_cuts(texts, terminal_punctuation=terminal))[0]

    assert left.strip() == "\n".join(lines).strip()
    assert left == left.strip() or not all(line.strip() for line in lines)


@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
def test_scores_after_c4_are_those_of_the_text_that_its_cuts_leave(text: str) -> None:
    lines, num_lorem, num_curly = plain.c4_lines(text, terminal_punctuation=False)
    full, full_lorem, full_curly = plain.c4_lines(text, terminal_punctuation=True)
    left = "\n".join(lines).strip()
    words = [split_words(line, "en") for line in lines]

    found = scores_of([text], ["en"])[0]

    assert found["after_c4_num_lines"] == len(lines)
    assert found["c4_num_lines"] == len(full)
    assert found["after_c4_num_sentences"] == sum(map(plain.num_sentences, words))
    assert found["c4_num_sentences"] == sum(plain.num_sentences(split_words(line, "en")) for line in full)
    assert (found["after_c4_num_lorem_ipsum_lines"], found["after_c4_num_curly_bracket_lines"]) == (
        num_lorem,
        num_curly,
    )
    assert (found["c4_num_lorem_ipsum_lines"], found["c4_num_curly_bracket_lines"]) == (full_lorem, full_curly)
    assert found["after_c4_num_words"] == sum(map(len, words))
    if all(line.strip() for line in lines):  # a line of citations alone becomes an empty one
        expected = plain.fineweb(left, sum(map(len, words)))
        assert {name: found[f"after_c4_{name}"] for name in expected} == expected


@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
def test_refinedweb_cuts_leave_what_its_line_rules_leave(text: str) -> None:
    texts = Texts.from_strings([text])

    left = remove(texts, refinedweb_cuts(texts))[0]

    assert left.split() == plain.refinedweb_text(text).split()


def test_refinedweb_cuts_squeeze_empty_lines() -> None:
    texts = Texts.from_strings(["\na line\n\n\n\nof words\n\n"])

    assert remove(texts, refinedweb_cuts(texts))[0] == "\na line\n\nof words"


@pytest.mark.parametrize("text", ["", " ", "\n", "\n\n", "a", "水", "!", "\u00a0"])
def test_next_to_nothing_has_finite_scores(text: str) -> None:
    for language in ("en", "zh"):
        assert all(0 <= value < 100 for value in scores_of([text], [language])[0].values())


def test_no_texts_have_no_scores() -> None:
    assert {name: len(column) for name, column in score_texts(Texts.from_strings([]), []).items()} == dict.fromkeys(
        TEXT_SCORES, 0
    )


def test_one_long_word_and_one_long_text_take_bounded_memory() -> None:
    long_word = "x" * 1_000_000
    generator = np.random.default_rng(5)
    words = [f"w{n}" for n in generator.integers(0, 50_000, 1_000_000)]
    scores_of([long_word], ["en"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = scores_of([" ".join(words)], ["en"])[0]

    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert found["num_words"] == len(words)
    assert found["max_word_length"] == 6
    assert taken < 150 * len(words)  # the text itself twice, its page of 3 bytes a byte, and 70 bytes a word


@pytest.mark.parametrize("long", ["中文" * 100, "½" * 100, "x" * 300 + "\n[1] {" * 20, "a b. " * 50, "É\u2028" * 80])
def test_nothing_of_a_long_text_is_seen_in_a_shorter_one_after_it(long: str) -> None:
    for size in (*range(20), 63, 64, 65, 127, 128):
        short = ("ab c. é" * 20)[:size]
        found = score_texts(Texts.from_strings([long, short]), ["en", "en"])
        alone = score_texts(Texts.from_strings([short]), ["en"])
        assert {name: values[1] for name, values in found.items()} == {
            name: values[0] for name, values in alone.items()
        }
