"""One crafted text for each reason of C4, FineWeb, RefinedWeb, BigScience, Data-Juicer and the Chinese rules."""

import polars as pl
import pytest

from headrace.corpus.decide.rules import condition, failing_by_reason
from headrace.corpus.measure.scores import score_text
from headrace.corpus.presets import PRESET_CUTS, PRESETS

SUBJECTS = ("The miller", "A farmer", "Her brother", "The old smith", "Every child", "Our neighbour", "The priest")
VERBS = ("watched", "repaired", "forgot", "crossed", "described", "admired", "sold")
OBJECTS = ("the wheel and the gate", "a narrow bridge of stone", "his boat to the town", "the fields that lie below")
SENTENCES = [
    f"{subject} {verb} {thing} with the {word} light of number {verb[::-1]}."
    for subject, verb in zip(SUBJECTS, VERBS, strict=True)
    for thing, word in zip(OBJECTS, ("early", "grey", "last", "cold"), strict=True)
]
PROSE = "\n".join(SENTENCES)
CHINESE = "水渠从山脚下引来一股清水，推动着村口那座古老的磨坊，每年春天雪水融化。老人坐在树荫里聊天。"

DROPPED = [
    ("c4", "lorem_ipsum", PROSE + "\nThis is Lorem Ipsum as ever."),
    ("c4", "curly_bracket", PROSE + "\nA set is written as {a, b} here."),
    ("c4", "too_few_sentences", "\n".join(SENTENCES[:4])),
    ("c4", "too_few_sentences", PROSE.replace(".", "")),
    ("fineweb", "too_few_sentences", "\n".join(["We use cookies on this page."] * 9)),
    ("fineweb", "empty", "one\ntwo words\nthree"),
    ("fineweb", "line_punct_ratio", PROSE.replace(".", ",")),
    ("fineweb", "short_line_ratio", "\n".join(" ".join(sentence.split()[:4]) for sentence in SENTENCES)),
    ("fineweb", "char_dup_ratio", PROSE + "\n" + SENTENCES[3]),
    ("fineweb", "list_ratio", "\n".join(" ".join(sentence.split()[:3]) for sentence in SENTENCES)),
    (
        "dclm",
        "word_removal_ratio",
        PROSE + "\nSHARE THIS PAGE WITH ALL FRIENDS AND FOES\n3 likes\nHome\n1.2K views" * 9,
    ),
    ("bigscience", "stop_words", " ".join(word for word in PROSE.split() if len(word) > 4)),
    ("bigscience", "special_characters", "* = - + " * 80 + PROSE[:100]),
    ("bigscience", "character_repetition", "ever and ever and " * 40),
    ("bigscience", "word_repetition", "so he went on and on to the end of it all " * 10),
    ("data-juicer", "words_num_filter", "A few words only."),
    ("data-juicer", "alphanumeric_filter", "- - - " * 60 + "word"),
    ("data-juicer", "maximum_line_length_filter", "word " * 1100),
    ("data-juicer", "average_line_length_filter", "word " * 400),
    ("data-juicer", "text_length_filter", "word " * 12000),
]


def reasons(preset: str, text: str, language: str = "en") -> list[str]:
    scores = {"language": language, "language_score": 1.0, **score_text(text, language)}
    fails = failing_by_reason(PRESETS[preset])
    return [name for name, failed in pl.DataFrame([scores]).select(**fails).row(0, named=True).items() if failed]


@pytest.mark.parametrize("preset", ["c4", "fineweb_own", "dclm", "bigscience", "fineweb2"])
def test_prose_passes(preset: str) -> None:
    assert [name for name in reasons(preset, PROSE) if "gram" not in name and "repetition" not in name] == []


@pytest.mark.parametrize(("preset", "reason", "text"), DROPPED)
def test_each_rule_drops_the_text_made_for_it(preset: str, reason: str, text: str) -> None:
    assert reason in reasons(preset, text)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("too_short", CHINESE),
        ("short_lines", "\n".join(["水渠", "山脚下", "清水"] * 30)),
        ("few_chinese_characters", PROSE + CHINESE),
        ("repeated_13_characters", CHINESE * 9),
        ("special_characters", "，。" * 200 + CHINESE),
        ("character_repetition", "水水水" * 90),
        ("word_repetition", "年，" * 200),
    ],
)
def test_chinese_rules_drop_the_texts_made_for_them(reason: str, text: str) -> None:
    assert reason in reasons("chinese-web", text, "zh")
    assert reasons("chinese-web", text, "en") == []


def test_every_preset_can_be_evaluated_and_cuts_belong_to_presets() -> None:
    for rules in PRESETS.values():
        for rule in rules:
            condition(rule.rule)
    assert PRESET_CUTS.keys() <= PRESETS.keys()
