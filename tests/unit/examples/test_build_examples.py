"""Splits are a function of inputs and seed, and share none; what is written can be opened and learnt from."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InputError
from headrace.examples import ExamplesConfig
from headrace.examples.example_set import ExampleSet
from headrace.examples.spans import entity_spans, tag_names
from headrace.examples.splitting import example_id, input_key, split_examples
from headrace.pipeline.examples_step import make_examples
from headrace.store import Artefact, Store
from headrace.tokens.config import VocabularyConfig
from headrace.tokens.training import train_on

SHARES = {"test": 0.2, "validation": 0.1}


def mails(count: int) -> list[dict[str, Any]]:
    return [{"text": f"mail {number // 2}", "label": ["ham", "spam"][number % 2]} for number in range(count)]


def build(folder: Path, given: dict[str, Sequence[dict[str, Any]]], *, seed: int = 7, **settings: Any) -> Artefact:
    for name, records in given.items():
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    config = ExamplesConfig.model_validate({"train": "train.jsonl", **settings})
    return make_examples(config, folder=folder, seed=seed, store=Store(folder / "store"))


def test_what_was_built_can_be_opened(tmp_path: Path) -> None:
    artefact = build(tmp_path, {"train": mails(100)}, test="20%")
    examples = ExampleSet(artefact.path)

    assert (examples.kind, examples.labels, examples.tags) == ("classify", ["ham", "spam"], [])
    assert examples.splits == ["train", "validation", "test"]
    assert artefact.summary["examples"] == {"train": 70, "validation": 10, "test": 20}
    assert sum(artefact.summary["label_counts"]["test"].values()) == 20
    for split in examples.splits:
        table = examples.split(split)
        assert table.num_rows == artefact.summary["examples"][split]
        rows = [{name: value for name, value in row.items() if name != "id"} for row in table.to_pylist()]
        assert table["id"].to_pylist() == [example_id(row) for row in rows]
        assert all(len(number) == 32 for number in table["id"].to_pylist())


def test_a_vocabulary_is_trained_on_the_texts_of_the_training_split(tmp_path: Path) -> None:
    pairs = [{"source": f"the mill turns {number}", "target": f"la roue tourne {number}"} for number in range(40)]
    artefact = build(tmp_path, {"train": pairs})
    examples = ExampleSet(artefact.path)
    texts = [text for path in examples.texts for text in pq.read_table(path)["text"].to_pylist()]

    train = examples.split("train").to_pylist()
    assert texts == [text for row in train for text in (row["source"], row["target"])]
    assert train_on(examples.texts, VocabularyConfig(train=270)).encode("the mill turns").ids


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (build(tmp_path / name, {"train": mails(60)}) for name in ("a", "b"))

    assert first.manifest.files == second.manifest.files
    assert first.address == second.address


examples = st.builds(
    lambda text, label: {"text": text, "text_pair": None, "label": label},
    st.sampled_from(["a", "a ", "b", "c  d", "c d", "e\u0301", "é", *"fghijklmnop"]),
    st.sampled_from(["x", "y"]),
)


@given(st.lists(examples, max_size=40), st.integers(0, 2**64), st.randoms())
def test_equal_inputs_lie_in_one_split_whatever_their_order(
    listed: list[dict[str, Any]], seed: int, random: Any
) -> None:
    def where(order: list[dict[str, Any]]) -> dict[bytes, set[str]]:
        found: dict[bytes, set[str]] = {}
        splits = split_examples("classify", {"train": order}, shares=SHARES, seed=seed)
        for split, kept in splits.examples.items():
            for example in kept:
                found.setdefault(input_key("classify", example, seed=seed), set()).add(split)
        assert sum(map(len, splits.examples.values())) == len(order)
        return found

    first = where(listed)
    shuffled = list(listed)
    random.shuffle(shuffled)

    assert all(len(splits) == 1 for splits in first.values())
    assert where(shuffled) == first


def test_shares_are_met_and_differ_by_seed() -> None:
    listed = [{"text": str(number), "text_pair": None, "label": "x"} for number in range(1000)]
    first, second = (split_examples("classify", {"train": listed}, shares=SHARES, seed=seed) for seed in (1, 2))

    assert {split: len(kept) for split, kept in first.examples.items()} == {
        "train": 700,
        "test": 200,
        "validation": 100,
    }
    assert first.examples["test"] != second.examples["test"]


def test_what_measures_is_not_learnt(tmp_path: Path) -> None:
    train, test = mails(40), [*mails(6), {"text": " mail 9", "label": "ham"}, {"text": "mail 10", "label": "other"}]
    artefact = build(tmp_path, {"train": train, "test": test}, validation="10%", test="test.jsonl")
    learnt = {
        (row["text"], row["label"])
        for split in ("train", "validation")
        for row in ExampleSet(artefact.path).split(split).to_pylist()
    }

    assert artefact.summary["leaked"] == {"train": 7}
    assert not learnt & {(row["text"].strip(), row["label"]) for row in test}
    assert artefact.summary["shared_inputs"] == 1 + 2  # mail 9 as spam; mail 10 as ham and spam
    assert artefact.summary["examples"]["test"] == len(test)


def test_conversations_that_begin_alike_stay_together() -> None:
    def conversation(*contents: str) -> dict[str, Any]:
        roles = ("user", "assistant") * 2
        return {"messages": [{"role": role, "content": each} for role, each in zip(roles, contents, strict=False)]}

    first, second, third = conversation("hi", "a"), conversation(" hi", "b", "c", "d"), conversation("ho", "a")
    keys = [input_key("instruct", each, seed=1) for each in (first, second, third)]

    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("records", "settings", "message"),
    [
        (
            [{"text": "a", "label": "x"}, {"text": "b", "label": "x"}, {"text": "c", "label": "x"}],
            {},
            "nothing to tell",
        ),
        ([{"text": "a", "label": "x"}], {}, "nothing is left for `train`"),
        ([{"text": "a", "label": "x"}], {"validation": "0%", "test": "test.jsonl"}, "nothing is left for `train`"),
    ],
)
def test_what_leaves_nothing_to_learn_is_refused(
    tmp_path: Path, records: list[dict[str, Any]], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(tmp_path, {"train": records, "test": records[:1]}, **settings)


def test_the_files_of_all_splits_hold_one_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test.jsonl, line 1: no text; it has source"):
        build(tmp_path, {"train": mails(4), "test": [{"source": "a", "target": "b"}]}, test="test.jsonl")


def test_labels_that_are_numbers_are_sorted_as_such(tmp_path: Path) -> None:
    records = [{"text": f"a{number}", "label": number} for number in (10, 9, 2, 10, 9, 2)]

    assert ExampleSet(build(tmp_path, {"train": records}).path).labels == ["2", "9", "10"]


def test_tags_are_counted_by_entity(tmp_path: Path) -> None:
    records = [{"tokens": ["New", "York", str(n)], "tags": ["B-place", "I-place", "O"]} for n in range(10)]
    artefact = build(tmp_path, {"train": records})

    assert ExampleSet(artefact.path).tags == ["O", "B-place", "I-place"]
    assert artefact.summary["label_counts"] == {"train": {"place": 9}, "validation": {"place": 1}}


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"])))
def test_entities_are_those_of_conlleval(tags: list[str]) -> None:
    starts = [
        place
        for place, tag in enumerate(tags)
        if tag[0] == "B" or (tag[0] == "I" and (place == 0 or tags[place - 1] == "O" or tags[place - 1][2:] != tag[2:]))
    ]
    ends = [next((e for e in range(s + 1, len(tags)) if e in starts or tags[e] == "O"), len(tags)) for s in starts]

    assert entity_spans(tags) == [(tags[s][2:], s, e) for s, e in zip(starts, ends, strict=True)]
    assert set(tags) <= set(tag_names([tags]))
