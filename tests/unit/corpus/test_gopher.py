"""One crafted text for every reason of Gopher to drop, and one of each language that passes everything."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.decide.rules import failing_by_reason
from headrace.corpus.measure.scores import score_text
from headrace.corpus.presets import PRESETS

PROSE = """The mill stands where the river leaves the hills, and the people of the valley have always said that it is
older than the church. Water reaches the wheel through a narrow channel cut in stone; whoever built it knew how much the
stream would carry in spring, and gave the overflow a way around.

In summer there is little to grind. The miller repairs the gates, clears leaves from the grating and waits for rain with
the patience of his trade. Children come to swim below the weir, although their mothers forbid it every year.

When autumn storms arrive everything changes within an hour. Brown water presses against the boards, the old axle begins
to groan, and sacks pile up faster than two men can empty them. Nobody sleeps much before the first frost."""

CHINESE = """水渠从山脚下引来一股清水，推动着村口那座古老的磨坊。每年春天，雪水融化，河道涨满，
磨坊主人就会早早起来检查闸门。
他说，水太少，轮子转不动；水太多，又会把木板冲坏，所以引水的渠道必须修得恰到好处。

夏天的时候，村里没有多少粮食要磨。孩子们喜欢在水坝下面游泳，老人坐在树荫里聊天，谈论过去发生的事情和今年的收成。
磨坊主人清理树叶，修补石缝，耐心地等待下雨。

到了秋天，一切都不同了。暴雨使河水变得浑浊，旧的木轴发出声音，人们排着队把粮食送来。那几天大家都睡得很少，
直到第一场霜降下来，整个山谷才重新安静。后来有人写了一本书，记录这条水渠的历史，也记录了那些在这里工作过的人。"""

SENTENCES = [line.strip() for line in PROSE.replace("\n", " ").split(".") if line.strip()]
WORDS = PROSE.split()


def repeated(part: str, times: int) -> str:
    """Prose in which one phrase keeps coming back between words that do not."""
    return PROSE + " " + " ".join(f"{part} {word}{n}x" for n, word in enumerate(WORDS[:times]))


DROPPED = {
    "gopher_short_doc": "The wheel turns and the water runs to the sea that lies below.",
    "gopher_long_doc": " ".join(f"word{n}" for n in range(100_001)),
    "gopher_below_avg_threshold": "it is to be as we go on by an ox " * 10,
    "gopher_above_avg_threshold": " ".join(f"{word}{word}{word}{word}" for word in WORDS if word.isalpha()),
    "gopher_too_many_hashes": PROSE.replace(" the ", " #the #").replace(" and ", " #and #").replace(" to ", " #to #"),
    "gopher_too_many_ellipsis": PROSE.replace(" the ", "... the... ").replace(",", "...").replace(" of ", " … of "),
    "gopher_too_many_bullets": "\n".join(f"- {sentence}" for sentence in SENTENCES),
    "gopher_too_many_end_ellipsis": "\n".join(f"{sentence} …" for sentence in SENTENCES),
    "gopher_below_alpha_threshold": " ".join(f"{word} {n} +" for n, word in enumerate(WORDS)),
    "gopher_enough_stop_words": " ".join(word for word in WORDS if len(word) > 4),
    "dup_para_frac": "\n\n".join([*SENTENCES, *["Back to top"] * 6]),
    "dup_para_char_frac": PROSE + "\n\n" + PROSE.split("\n\n")[0],
    "dup_line_frac": "\n".join([*SENTENCES, *["Back to top"] * 6]),
    "dup_line_char_frac": "\n".join([*SENTENCES, *SENTENCES[:4]]),
    "top_2_gram": repeated("waterwheel keeper", 60),
    "top_3_gram": repeated("the waterwheel keeper", 60),
    "top_4_gram": repeated("so the waterwheel keeper", 60),
}


def reasons(text: str, language: str) -> list[str]:
    scores = {"language": language, **score_text(text, language)}
    fails = failing_by_reason(PRESETS["gopher"])
    return [name for name, failed in pl.DataFrame([scores]).select(**fails).row(0, named=True).items() if failed]


def test_english_prose_passes_every_rule() -> None:
    assert reasons(PROSE, "en") == []


def test_chinese_prose_passes_the_chinese_rules_and_fails_the_english_ones() -> None:
    assert reasons(CHINESE, "zh") == []
    assert "gopher_below_avg_threshold" in reasons(CHINESE, "en")


def test_chinese_that_repeats_itself_fails_the_chinese_rules() -> None:
    assert "duplicated_10_n_grams" in reasons(CHINESE + "\n" + CHINESE[:150] * 2, "zh")


@pytest.mark.parametrize("reason", DROPPED)
def test_each_rule_drops_the_text_made_for_it(reason: str) -> None:
    assert reason in reasons(DROPPED[reason], "en")


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9, 10])
def test_each_n_gram_rule_drops_phrases_of_its_length_that_come_twice(n: int) -> None:
    words = [word.strip(",.;") for word in WORDS]
    phrases = [" ".join(words[start : start + n]) for start in range(0, 60, n)]
    text = " ".join(words) + "".join(f" Extra{i} {phrase}" for i, phrase in enumerate(phrases))

    assert f"duplicated_{n}_n_grams" in reasons(text, "en")
    assert n == 10 or f"duplicated_{n + 1}_n_grams" not in reasons(text, "en")


def test_stop_words_are_not_asked_of_languages_without_a_list() -> None:
    german = " ".join(f"Mühle{n} dreht sich langsam" for n in range(20))

    assert "gopher_enough_stop_words" not in reasons(german, "de")


def test_the_sums_are_those_of_the_paper_on_a_small_text() -> None:
    words = ["a", "b", "c", "d", "e", "a", "b", "c", "d", "e", "f"]
    text = " ".join(words)

    scores = score_text(text, "en")

    assert scores["top_2gram_char_ratio"] == len("a b") * 2 / len(text)
    assert scores["dup_5gram_char_ratio"] == len("abcde") / len(text)
    assert scores["dup_6gram_char_ratio"] == 0


@given(words=st.lists(st.sampled_from(["a", "aa", "b", "ab", "水", "😀", "The"]), max_size=120))
def test_repeats_never_make_up_more_than_the_text(words: list[str]) -> None:
    scores = score_text(" ".join(words), "en")

    assert all(0 <= value <= 1 for name, value in scores.items() if name.startswith("dup_"))
