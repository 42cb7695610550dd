"""Encoded examples against what a slow reading of one example after the other gives."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import TEXTS
from small_vocabularies import WORDS, bert_like, ours, plain_ids
from tokenizers import Tokenizer, normalizers

from headrace.errors import InputError
from headrace.examples.classify import ClassifySettings, encode_classify
from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.seq2seq import Seq2SeqSettings, encode_seq2seq, encode_seq2seq_rows
from headrace.examples.spans import tag_names
from headrace.examples.tag import TagSettings, encode_tag, tags_of_words
from headrace.examples.text_ids import MANY_CHARACTERS, ids_of_texts
from headrace.examples.words import sentence, spaced_words

END = 0
IGNORED = -100
vocabularies = st.sampled_from([bert_like, ours])
words = st.sampled_from([*WORDS, "millwheel", "Zebra", "[SEP]", "<|endoftext|>", "\u200b", "\x01", "，", "O'Brien"])
texts = st.lists(words, min_size=1, max_size=12).map(" ".join)
few = settings(max_examples=60, deadline=None)


def rows_of(sequences: Sequences) -> list[tuple[list[int], list[int]]]:
    places = list(zip(sequences.bounds, sequences.bounds[1:], strict=False))
    return [(sequences.tokens[a:b].tolist(), sequences.targets[a:b].tolist()) for a, b in places]


def frame_of(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    return ([2], [3]) if tokenizer is bert_like() else ([END], [])


@few
@given(vocabularies, st.lists(texts, min_size=1, max_size=4), st.integers(3, 20))
def test_texts_are_classified_whole_or_cut_and_counted(make: Any, listed: list[str], most: int) -> None:
    tokenizer = make()
    before, behind = frame_of(tokenizer)
    state = tokenizer.to_str()
    table = pa.table({"text": listed, "label": ["b"] * len(listed)})

    found = encode_classify(table, tokenizer, ClassifySettings(labels=["a", "b"], max_tokens=most))

    whole = [plain_ids(tokenizer, text) for text in listed]
    room = most - len(before) - len(behind)
    assert [tokens for tokens, _ in rows_of(found.inputs)] == [[*before, *ids[:room], *behind] for ids in whole]
    assert found.num_truncated == sum(len(ids) > room for ids in whole)
    assert found.labels is not None
    assert found.labels.tolist() == [1] * len(listed)
    assert (found.inputs.targets == IGNORED).all()
    assert tokenizer.to_str() == state
    assert not tokenizer.encode_special_tokens


@few
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4), st.integers(5, 30))
def test_of_pairs_the_longer_text_is_cut_first(pairs: list[tuple[str, str]], most: int) -> None:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    table = pa.table({"text": first, "text_pair": second})

    found = encode_classify(table, bert_like(), ClassifySettings(labels=[], max_tokens=most))

    assert found.labels is None
    types = found.inputs.token_types
    for number, (tokens, _) in enumerate(rows_of(found.inputs)):
        a, b = (plain_ids(bert_like(), side[number]) for side in (first, second))
        kept_a, kept_b = tokens[1 : tokens.index(3)], tokens[tokens.index(3) + 1 : -1]
        assert kept_a == a[: len(kept_a)]
        assert kept_b == b[: len(kept_b)]
        assert len(tokens) == min(most, len(a) + len(b) + 3)
        start = found.inputs.bounds[number]
        wanted = [0] * (len(kept_a) + 2) + [1] * (len(kept_b) + 1)
        assert [0] * len(tokens) == wanted if types is None else types[start : start + len(tokens)].tolist() == wanted


@pytest.mark.parametrize("loses", [False, True], ids=["as it is", "in small letters"])
def test_many_texts_have_the_ids_of_each(loses: bool) -> None:
    tokenizer = Tokenizer.from_str(ours().to_str())
    if loses:
        tokenizer.normalizer = normalizers.Lowercase()
    listed = [*TEXTS.values(), "The Mill <|im_end|> turns", *(f"{word} Wheel {n}" for word in WORDS for n in range(9))]
    assert sum(map(len, listed)) < MANY_CHARACTERS
    repeated = listed * (1 + MANY_CHARACTERS // sum(map(len, listed)))

    assert ids_of_texts(tokenizer, repeated) == [plain_ids(tokenizer, text) for text in listed] * (
        len(repeated) // len(listed)
    )


def test_several_labels_are_ones_and_zeros() -> None:
    table = pa.table({"text": ["a", "b"], "labels": [["x", "z"], []]})

    found = encode_classify(table, ours(), ClassifySettings(labels=["x", "y", "z"], max_tokens=8))

    assert found.labels is not None
    assert found.labels.dtype == np.float32
    assert found.labels.tolist() == [[1, 0, 1], [0, 0, 0]]


def test_a_label_that_training_did_not_know_is_named() -> None:
    with pytest.raises(InputError, match="label: got 'c', wanted one of a, b"):
        encode_classify(pa.table({"text": ["x"], "label": ["c"]}), ours(), ClassifySettings(["a", "b"], 8))


def test_no_room_for_a_text_is_refused() -> None:
    with pytest.raises(InputError, match="max_tokens: got 2, wanted more than 2"):
        encode_classify(pa.table({"text": ["x"]}), bert_like(), ClassifySettings([], 2))


def test_a_vocabulary_that_adds_nothing_begins_as_it_is_told() -> None:
    tokenizer = Tokenizer.from_str(ours().to_str())
    tokenizer.post_processor = None
    table = pa.table({"text": ["mill"], "tokens": [["mill"]]})

    for found in (
        encode_classify(table, tokenizer, ClassifySettings([], 8, begin_tokens=(2,))),
        encode_tag(table, tokenizer, TagSettings(["O"], 8, begin_tokens=(2,))),
    ):
        assert found.inputs.tokens.tolist() == [2, *plain_ids(tokenizer, "mill")]


tagged = st.lists(st.tuples(words, st.sampled_from(["O", "B-x", "I-x", "I-y"])), min_size=1, max_size=8)


@few
@given(vocabularies, st.lists(tagged, min_size=1, max_size=4), st.integers(3, 30))
def test_the_first_sub_word_of_every_word_has_its_tag(make: Any, sentences: list[Any], most: int) -> None:
    tokenizer = make()
    before, behind = frame_of(tokenizer)
    listed = [[word for word, _ in each] for each in sentences]
    given_tags = [[tag for _, tag in each] for each in sentences]
    tags = tag_names(given_tags)

    found = encode_tag(pa.table({"tokens": listed, "tags": given_tags}), tokenizer, TagSettings(tags, most))

    num_cut, kept = 0, []
    for (tokens, targets), one, names in zip(rows_of(found.inputs), listed, given_tags, strict=True):
        ids, asked, said = [], [], []
        for word, name in zip(spaced_words(one), names, strict=True):
            part = plain_ids(tokenizer, word) or [1]
            said += [name] if len(ids) < most - len(before) - len(behind) else ["O"]
            ids += part
            asked += [tags.index(name), *[IGNORED] * (len(part) - 1)]
        room = most - len(before) - len(behind)
        num_cut += len(ids) > room
        kept.append(said)
        assert tokens == [*before, *ids[:room], *behind]
        assert targets == [*[IGNORED] * len(before), *asked[:room], *[IGNORED] * len(behind)]
    assert found.num_truncated == num_cut
    said_everywhere = np.where(found.inputs.targets == IGNORED, 0, found.inputs.targets)
    assert tags_of_words(said_everywhere, found.inputs, num_words=list(map(len, listed)), tags=tags) == kept


@given(st.lists(words, min_size=1, max_size=8))
def test_words_with_their_spaces_are_the_sentence(listed: list[str]) -> None:
    assert "".join(spaced_words(listed)) == sentence(listed)
    assert sentence(listed).replace(" ", "") == "".join(listed)


@pytest.mark.parametrize(
    ("listed", "text"),
    [(["the", "mill"], "the mill"), (["水", "轮", "。"], "水轮。"), (["用", "GPU", "算"], "用GPU算")],
)
def test_no_space_stands_beside_unspaced_script(listed: list[str], text: str) -> None:
    assert sentence(listed) == text


@few
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4), st.integers(2, 20), st.integers(2, 20))
def test_a_target_is_said_one_place_later_than_it_is_read(
    pairs: list[tuple[str, str]], most_source: int, most_target: int
) -> None:
    table = pa.table({"source": [pair[0] for pair in pairs], "target": [pair[1] for pair in pairs]})
    given_settings = Seq2SeqSettings(
        max_source_tokens=most_source,
        max_target_tokens=most_target,
        end_token=END,
        begin_tokens=(END,),
        separator_tokens=(1, 2),
    )

    apart = encode_seq2seq(table, ours(), given_settings)
    rows = encode_seq2seq_rows(table, ours(), given_settings)

    assert apart.sources is not None
    num_cut = 0
    for number, (source, target) in enumerate(pairs):
        x, y = plain_ids(ours(), source), plain_ids(ours(), target)
        num_cut += len(x) >= most_source or len(y) >= most_target
        x, y = x[: most_source - 1], y[: most_target - 1]
        assert rows_of(apart.sources)[number][0] == [*x, END]
        tokens, asked = rows_of(apart.inputs)[number]
        assert (tokens, asked) == ([END, *y], [*y, END])
        tokens, asked = rows_of(rows.inputs)[number]
        whole = [END, *x, 1, 2, *y, END]
        assert tokens == whole[:-1]
        learnt = [place for place, target in enumerate(asked) if target != IGNORED]
        assert learnt == list(range(len(x) + 2, len(whole) - 1))
        assert [asked[place] for place in learnt] == [whole[place + 1] for place in learnt]
    assert apart.num_truncated == rows.num_truncated == num_cut


def test_without_targets_decoding_starts_from_the_beginning() -> None:
    table = pa.table({"source": ["mill"]})
    given_settings = Seq2SeqSettings(9, 9, end_token=END, begin_tokens=(END,), separator_tokens=(1,))

    assert rows_of(encode_seq2seq(table, ours(), given_settings).inputs) == [([END], [IGNORED])]
    tokens, targets = rows_of(encode_seq2seq_rows(table, ours(), given_settings).inputs)[0]
    assert tokens == [END, *plain_ids(ours(), "mill"), 1]
    assert set(targets) == {IGNORED}


sequences = st.lists(st.lists(st.integers(0, 99), max_size=5), min_size=2, max_size=8).filter(lambda x: len(x) % 2 == 0)


@given(sequences, st.data())
def test_selected_examples_are_those_of_their_numbers(rows: list[list[int]], data: Any) -> None:
    joined = Sequences.join(rows, [[-number for number in row] for row in rows])
    half = len(rows) // 2
    examples = EncodedExamples(joined, labels=np.arange(half), sequences_per_example=2)
    numbers = data.draw(st.lists(st.integers(0, half - 1)))

    found = examples.select(numbers)

    wanted = [rows[place] for number in numbers for place in (2 * number, 2 * number + 1)]
    assert [tokens for tokens, _ in rows_of(found.inputs)] == wanted
    assert (found.inputs.targets == -found.inputs.tokens).all()
    assert found.labels is not None
    assert found.labels.tolist() == numbers
    assert found.lengths.tolist() == [len(rows[2 * number]) + len(rows[2 * number + 1]) for number in numbers]
