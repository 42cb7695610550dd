"""Entities are those that conlleval counts, for any tags; every entity has one fate."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from headrace.errors import InputError
from headrace.evaluate.entities import find_entities, type_names
from headrace.evaluate.tagging import frequent_tags, tagging_baseline, tagging_report

TAGS = ["O", "B-PER", "I-PER", "B-地名", "I-地名", "E-PER", "S-PER"]
SENTENCES = st.lists(st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=9), max_size=6)


def conlleval_entities(tags: list[str]) -> list[tuple[str, int, int]]:
    """conlleval's two functions, case by case, and its walk over the words; S is BIOES's entity of one word."""

    def ends(before: str, before_type: str, tag: str, kind: str) -> bool:
        pairs = {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O"), ("E", "E"), ("E", "I"), ("E", "O"), ("E", "B")}
        pairs |= {("B", "S"), ("I", "S"), ("E", "S"), ("S", "B"), ("S", "I"), ("S", "E"), ("S", "S"), ("S", "O")}
        return (before, tag) in pairs or (before != "O" and before_type != kind)

    def starts(before: str, before_type: str, tag: str, kind: str) -> bool:
        pairs = {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I"), ("E", "E"), ("E", "I"), ("E", "B"), ("O", "E")}
        pairs |= {("B", "S"), ("I", "S"), ("E", "S"), ("O", "S"), ("S", "B"), ("S", "I"), ("S", "E"), ("S", "S")}
        return (before, tag) in pairs or (tag != "O" and before_type != kind)

    found, before, before_type, begun = [], "O", "", -1
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if begun >= 0 and ends(before, before_type, prefix, kind):
            found.append((before_type, begun, place))
            begun = -1
        if starts(before, before_type, prefix, kind):
            begun = place
        before, before_type = prefix, kind
    return found


def ours(tags: list[list[str]]) -> list[tuple[int, str, int, int]]:
    types = type_names(tags)
    found = find_entities(tags, types)
    offsets = [sum(map(len, tags[:n])) for n in range(len(tags))]
    rows = zip(found.sentence_S, found.type_S, found.start_S, found.end_S, strict=True)
    return [(int(n), types[kind], int(a - offsets[n]), int(b - offsets[n])) for n, kind, a, b in rows]


@settings(max_examples=100, deadline=None)
@given(sentences=SENTENCES)
def test_entities_are_those_of_conlleval(sentences: list[list[tuple[str, str]]]) -> None:
    tags = [[tag for tag, _ in sentence] for sentence in sentences]

    assert ours(tags) == [(n, *entity) for n, each in enumerate(tags) for entity in conlleval_entities(each)]


@settings(max_examples=60, deadline=None)
@given(sentences=SENTENCES.filter(bool))
def test_figures_are_those_of_counting_by_hand(sentences: list[list[tuple[str, str]]]) -> None:
    truth, guess = ([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))
    true, guessed = set(ours(truth)), set(ours(guess))

    report = tagging_report(truth, guess, tokens=truth, seed=0)

    assert report.f1.value == pytest.approx(2 * len(true & guessed) / max(1, len(true) + len(guessed)))
    for row in report.classes:
        right, wanted, given_ = (
            sum(entity[1] == row.name for entity in part) for part in (true & guessed, true, guessed)
        )
        assert row.support == wanted
        assert (row.precision, row.recall) == pytest.approx((right / max(1, given_), right / max(1, wanted)))
    supports = Counter(kind for _, kind, _, _ in true)
    for errors in report.errors:
        fates = errors.correct + errors.boundary + errors.type + errors.both + errors.missed
        assert fates == supports[errors.name]
    assert sum(map(sum, report.confusion.counts)) - sum(report.confusion.counts[-1]) == len(true)
    assert sum(sum(row[:-1]) for row in report.confusion.counts) == len(guessed)


@settings(max_examples=60, deadline=None)
@given(sentences=SENTENCES.filter(any))
def test_figures_of_words_are_those_of_scikit_learn(sentences: list[list[tuple[str, str]]]) -> None:
    truth, guess = ([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))
    flat_truth, flat_guess = ([tag for tags in side for tag in tags] for side in (truth, guess))

    report = tagging_report(truth, guess, tokens=truth, seed=0)

    assert report.token_accuracy.value == pytest.approx(metrics.accuracy_score(flat_truth, flat_guess))
    names = [row.name for row in report.token_classes]
    if names:
        expected = metrics.precision_recall_fscore_support(flat_truth, flat_guess, labels=names, zero_division=0)
        for place, row in enumerate(report.token_classes):
            wanted = [part[place] for part in expected]
            assert (row.precision, row.recall, row.f1.value, row.support) == pytest.approx(wanted)


def test_every_kind_of_error_is_told() -> None:
    truth = [["B-PER", "I-PER", "O", "B-LOC", "O", "B-PER", "I-PER", "O", "B-LOC", "O"]]
    guess = [["B-PER", "O", "O", "B-PER", "O", "B-LOC", "O", "O", "O", "B-LOC"]]

    report = tagging_report(truth, guess, tokens=[list("abcdefghij")], seed=0)

    location, person = report.errors
    assert (person.name, person.boundary, person.both, person.correct) == ("PER", 1, 1, 0)
    assert (location.name, location.type, location.missed, location.extra) == ("LOC", 1, 1, 1)
    assert report.worst[0].errors == 8


def test_an_exact_guess_is_not_taken_by_a_neighbour_that_overlaps() -> None:
    truth, guess = [["B-A", "I-A", "B-A"]], [["B-B", "I-A", "B-A"]]

    report = tagging_report(truth, guess, tokens=truth, seed=0)

    assert report.errors[0].correct == 1


def test_frequent_tags_know_the_words_of_training_only() -> None:
    guess = frequent_tags([["Rome", "is", "Rome"]], [["B-LOC", "O", "B-LOC"]], [["Rome", "was"]])

    assert guess == [["B-LOC", "O"]]
    assert tagging_baseline("frequent tags", [["B-LOC", "O"]], guess).figures == {"f1": 1.0, "macro_f1": 1.0}


def test_no_sentences_are_refused() -> None:
    with pytest.raises(InputError, match="no sentences"):
        tagging_report([], [], tokens=[], seed=0)
