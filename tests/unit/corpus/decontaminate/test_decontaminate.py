"""Evaluation items are found however they are written, and nothing else is."""

import random
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from headrace.corpus.cuts import remove
from headrace.corpus.decontaminate import DecontaminateConfig, EvaluationSet
from headrace.corpus.decontaminate.folding import folded_letters
from headrace.corpus.decontaminate.hits import Hits, find_hits, join_hits
from headrace.corpus.decontaminate.index import Index, build_index
from headrace.corpus.decontaminate.items import EvaluationItem, read_items
from headrace.corpus.decontaminate.judge import Contamination, judge
from headrace.corpus.deduplicate.tokens import tokenize
from headrace.corpus.texts import Texts
from headrace.errors import InputError

QUESTION = "Which river turns the wheel of the old mill that stands below the weir at the edge of the valley?"
CHINESE = "水渠从山脚下引来一股清水，推动着村口那座古老的磨坊，磨坊主人每天早起检查闸门。"
SHORT = "Who built the mill below the old weir?"


def make_config(**changes: Any) -> DecontaminateConfig:
    return DecontaminateConfig.model_validate({"sets": ({"name": "quiz", "path": "quiz.txt"},), **changes})


def make_items(*texts: str) -> list[EvaluationItem]:
    return [EvaluationItem("quiz", str(number), text) for number, text in enumerate(texts)]


def search(documents: list[str], items: list[EvaluationItem], **changes: Any) -> Contamination:
    config = make_config(**changes)
    index = build_index(items, config)
    hits = find_hits(Texts.from_strings(documents), np.arange(len(documents)), index)
    return judge(hits, index, items, config=config)


@pytest.mark.parametrize(
    "document",
    [
        f"Question: {QUESTION} Answer: none.",
        QUESTION.upper(),
        QUESTION.replace(" ", "\n\t"),
        "«" + QUESTION.replace(" the ", ", the “").replace("?", "”!"),
        QUESTION.replace("mill", "ｍｉｌｌ").replace("e", "é"),
        " ".join(QUESTION.split()[3:18]),
    ],
)
def test_an_item_is_found_in_other_case_spacing_and_punctuation(document: str) -> None:
    result = search(["Nothing of the kind.", document], make_items(QUESTION))

    assert result.rows.tolist() == [1]
    assert result.found["set"].to_list() == ["quiz"]


def test_chinese_is_compared_by_characters() -> None:
    documents = ["老人说：" + CHINESE.replace("，", "\n、")[:30], "推动着村口那座古老的磨坊"]

    assert search(documents, make_items(CHINESE)).rows.tolist() == [0]


def test_a_short_item_is_found_as_a_whole_only() -> None:
    documents = [f"They ask: {SHORT.lower()} and more", "Who built the mill below the old", SHORT]

    assert search(documents, make_items(SHORT, QUESTION)).rows.tolist() == [0, 2]


def test_twelve_words_in_a_row_are_no_hit() -> None:
    assert search([" ".join(QUESTION.split()[:12]) + " and so on"], make_items(QUESTION)).rows.tolist() == []


def test_a_set_in_which_nothing_can_be_looked_for_is_an_error() -> None:
    with pytest.raises(InputError, match="evaluation set quiz: none of its 2 items is long enough"):
        build_index(make_items("yes", "no"), make_config())
    with pytest.raises(InputError, match="evaluation set quiz: none of its 0 items"):
        build_index([EvaluationItem("other", "1", QUESTION)], make_config())


WORDS = st.lists(st.sampled_from(["a", "bé", "C", "ab", "水", "渠", "don't", "-"]), max_size=30).map(" ".join)


def fold(text: str) -> list[str]:
    """The compared tokens of a text, by Unicode normal forms instead of a table."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if unicodedata.category(c) != "Mn")
    spaced = "".join(
        f" {c} " if "\u3400" <= c <= "\u9fff" else c if c.isalnum() else " " for c in plain.replace("'", "")
    )
    return spaced.split()


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    tokens = fold(text)
    return {tuple(tokens[begin : begin + length]) for begin in range(len(tokens) - length + 1)}


@settings(deadline=None)
@given(items=st.lists(WORDS, min_size=1, max_size=4), documents=st.lists(WORDS, max_size=5), word=st.integers(2, 4))
def test_found_are_the_documents_that_share_a_run(items: list[str], documents: list[str], word: int) -> None:
    options = {
        "ngram_words": word,
        "shortest_words": 2,
        "ngram_characters": word + 2,
        "shortest_characters": 4,
        "least_distinct": 1,
    }
    expected = set()
    total = 0
    for item in items:
        tokens = fold(item)
        unspaced = 2 * sum(token in "水渠" for token in tokens) > len(tokens)
        if len(tokens) < (4 if unspaced else 2):
            continue
        total += 1
        length = min(word + 2 * unspaced, len(tokens))
        expected |= {row for row, text in enumerate(documents) if runs(item, length) & runs(text, length)}
    if not total:
        return

    assert search(documents, make_items(*items), **options).rows.tolist() == sorted(expected)


def prose(num_words: int, seed: int) -> str:
    generator = random.Random(seed)
    return " ".join(f"w{generator.randrange(5_000)}" for _ in range(num_words))


def test_rows_of_zeros_are_no_evaluation_data() -> None:
    zeros = "0 1 " * 30

    assert search([zeros], make_items(QUESTION + zeros)).rows.tolist() == []
    assert search([zeros], make_items(QUESTION + zeros), least_distinct=1).rows.tolist() == [0]


def test_random_text_holds_nothing() -> None:
    items = make_items(*(prose(60, seed) for seed in range(200)))

    result = search([prose(2_000, 1_000 + seed) for seed in range(50)], items)

    assert result.rows.tolist() == []
    assert result.summary.rows() == [("quiz", 200, 0, 0, 0, "")]


def test_hits_do_not_depend_on_batches() -> None:
    generator = random.Random(3)
    items = make_items(*(prose(30, seed) for seed in range(20)))
    documents = [prose(generator.randrange(40_000), 100 + seed) for seed in range(30)]
    documents = [text + " " + items[seed % 20].text if seed % 3 == 0 else text for seed, text in enumerate(documents)]
    documents += [items[0].text, items[1].text]
    index = build_index(items, make_config())

    def find(size: int) -> list[list[int]]:
        found = []
        for begin in range(0, len(documents), size):
            part = documents[begin : begin + size]
            found.append(find_hits(Texts.from_strings(part), np.arange(begin, begin + len(part)), index))
        hits = join_hits(found)
        return [getattr(hits, name).tolist() for name in Hits.__slots__]

    whole = find(len(documents))
    assert len(whole[0]) == 12 * 18
    assert find(1) == find(7) == whole


def test_cuts_take_the_hit_and_its_window_on_character_boundaries() -> None:
    before, after = "古老的水渠啊" * 60, "😀" * 200
    documents = [before + CHINESE + after]

    result = search(documents, make_items(CHINESE), mode="span", window_characters=10, shortest_piece_bytes=100)

    assert result.rows.tolist() == []
    assert [*remove(Texts.from_strings(documents), result.cuts)] == [before[:-10] + after[9:]]  # "。" is no token


def test_short_pieces_go_and_a_document_in_too_many_pieces_goes_as_a_whole() -> None:
    filler = "Something else is told here, and it is long enough to be worth its place on the page. " * 3
    documents = [f"Before. {QUESTION} {filler}", (filler + QUESTION) * 4, QUESTION]
    options = {"mode": "span", "window_characters": 0, "most_pieces": 3}

    result = search(documents, make_items(QUESTION), **options)

    assert result.rows.tolist() == [1, 2]
    assert result.cuts.rows.tolist() == [0]
    assert remove(Texts.from_strings(documents), result.cuts)[0] == "? " + filler


def test_a_share_of_the_item_can_be_asked_for() -> None:
    words = QUESTION.split()
    documents = [QUESTION, " ".join(words[:14])]

    result = search(documents, make_items(QUESTION), item_share=0.5)

    assert result.rows.tolist() == [0]
    assert result.found["share"].to_list() == [1.0]


def test_common_phrases_can_be_ignored() -> None:
    phrase = " ".join(QUESTION.split()[:13])
    documents = [f"{phrase} {number}" for number in range(5)] + [QUESTION]

    assert search(documents, make_items(QUESTION)).rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert search(documents, make_items(QUESTION), ignore_above=4).rows.tolist() == [5]


def test_the_summary_tells_sets_apart() -> None:
    items = [EvaluationItem("a", "1", QUESTION), EvaluationItem("b", "1", QUESTION), EvaluationItem("b", "2", "no")]
    sets = ({"name": "a", "path": "a"}, {"name": "b", "path": "b"})

    result = search(["x", QUESTION], items, sets=sets)

    excerpt = QUESTION[:80]
    assert result.summary.rows() == [("a", 1, 0, 1, 1, excerpt), ("b", 2, 1, 1, 1, excerpt)]


def test_the_index_survives_the_disk(tmp_path: Path) -> None:
    index = build_index(make_items(QUESTION, CHINESE, SHORT), make_config())
    index.save(tmp_path / "index.npz")

    texts = Texts.from_strings([QUESTION, CHINESE, SHORT, "x"])
    first, second = (find_hits(texts, np.arange(4), i) for i in (index, Index.load(tmp_path / "index.npz")))
    assert first.ngrams.tolist() == second.ngrams.tolist() != []


def test_items_are_lines_or_fields(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One\n\nTwo\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"question": "Q", "answer": "A", "n": 1}\n', encoding="utf-8")
    sets = (EvaluationSet(name="a", path="a.txt"), EvaluationSet(name="b", path="b.jsonl", fields=("question", "n")))

    items = read_items(sets, tmp_path)

    assert [(item.set_name, item.name, item.text) for item in items] == [
        ("a", "1", "One"),
        ("a", "3", "Two"),
        ("b", "1:question", "Q"),
    ]


@pytest.mark.parametrize(
    ("line", "message"), [("{", "bad.jsonl:1 is not JSON"), ('{"q": "x"}', "has none of the fields text; it has q")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(line, encoding="utf-8")

    with pytest.raises(InputError, match=message):
        read_items([EvaluationSet(name="bad", path="bad.jsonl")], tmp_path)
    with pytest.raises(InputError, match="evaluation set gone"):
        read_items([EvaluationSet(name="gone", path="gone.txt")], tmp_path)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="shortest_words is 9, more than the 5"):
        make_config(ngram_words=5, shortest_words=9)
    with pytest.raises(ValidationError, match="more than once: a"):
        make_config(sets=({"name": "a", "path": "x"}, {"name": "a", "path": "y"}))


@given(text=st.text(st.characters(codec="utf-8")))
def test_folding_lower_case_changes_nothing(text: str) -> None:
    lower = "".join(c for c in text if len(c.lower()) == 1 and len(c.upper()) == 1 and c.upper().lower() == c.lower())
    one, other = (tokenize(Texts.from_strings([s]), folded_letters()) for s in (lower, lower.upper()))

    assert one.hashes.tolist() == other.hashes.tolist()
