"""Files of every format become the same examples; what is no example is named with its place."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pydantic import ValidationError

from headrace.errors import InputError
from headrace.examples import ExamplesConfig
from headrace.examples.find import find_examples
from headrace.examples.read import read_examples

MAILS = [
    {"text": 'Buy now,\n"cheap"', "label": "spam"},
    {"text": "水轮慢转", "label": "ham"},
    {"text": "See you at 5", "label": "ham"},
]
WANTED = [{"text": each["text"], "text_pair": None, "label": each["label"]} for each in MAILS]


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def delimited(delimiter: str) -> str:
    rows = ['"' + each["text"].replace('"', '""') + '"' + delimiter + each["label"] for each in MAILS]
    return "\n".join(["text" + delimiter + "label", *rows]) + "\n"


def write(path: Path, data: str) -> None:
    content = data.encode()
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = zstandard.compress(content)
    path.write_bytes(content)


def read(folder: Path, name: str, **given: Any) -> tuple[str, list[dict[str, Any]]]:
    config = ExamplesConfig(train=(name,), **given)
    return read_examples(find_examples(config, folder)["train"], config.columns)


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".csv", ".tsv"])
def test_every_format_holds_the_same_examples(tmp_path: Path, suffix: str, packed: str) -> None:
    data = {".json": json.dumps(MAILS), ".csv": delimited(","), ".tsv": delimited("\t")}.get(suffix, lines(MAILS))
    write(tmp_path / f"mails{suffix}{packed}", data)

    assert read(tmp_path, f"mails{suffix}{packed}") == ("classify", WANTED)


def test_parquet_holds_the_same_examples(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(MAILS), tmp_path / "mails.parquet")

    assert read(tmp_path, "mails.parquet") == ("classify", WANTED)


def test_columns_of_words_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("EU NNP B-org\nrejects VB O\n\n\t\nBonn\tI-place\n \n", encoding="utf-8")

    kind, found = read(tmp_path, "a.txt")

    assert kind == "tag"
    assert found == [{"tokens": ["EU", "rejects"], "tags": ["B-org", "O"]}, {"tokens": ["Bonn"], "tags": ["I-place"]}]


def test_the_letters_of_other_schemes_become_those_of_bio(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a S-x\nb B-y\nc I-y\nd E-y\n", encoding="utf-8")

    assert read(tmp_path, "a.conll")[1][0]["tags"] == ["B-x", "B-y", "I-y", "I-y"]


@pytest.mark.parametrize(
    ("record", "kind", "wanted"),
    [
        ({"text": "a", "label": 3}, "classify", {"text": "a", "text_pair": None, "label": "3"}),
        ({"text": "a", "label": True}, "classify", {"text": "a", "text_pair": None, "label": "true"}),
        ({"text": "a", "text_pair": "b", "label": "x"}, "classify", {"text": "a", "text_pair": "b", "label": "x"}),
        (
            {"text": "a", "labels": ["y", "x", "y"]},
            "classify_many",
            {"text": "a", "text_pair": None, "labels": ["x", "y"]},
        ),
        ({"text": "a", "labels": []}, "classify_many", {"text": "a", "text_pair": None, "labels": []}),
        ({"source": "mill", "target": "水轮"}, "seq2seq", {"source": "mill", "target": "水轮"}),
        (
            {"prompt": "q", "answer": "a"},
            "instruct",
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        ),
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, "prefer", {"prompt": "q", "chosen": "a", "rejected": "b"}),
    ],
)
def test_the_columns_say_the_kind(tmp_path: Path, record: dict[str, Any], kind: str, wanted: dict[str, Any]) -> None:
    write(tmp_path / "a.jsonl", lines([record | {"id": 1}]))

    assert read(tmp_path, "a.jsonl") == (kind, [wanted])


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", lines([{"body": "a", "class": "x", "text": "not this", "label": "nor this"}]))

    _, found = read(tmp_path, "a.jsonl", columns={"text": "body", "label": "class"})

    assert found == [{"text": "a", "text_pair": None, "label": "x"}]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "a"\n', r"a.jsonl, line 2: not JSON"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n\n[1]\n', r"a.jsonl, line 3: a JSON list, wanted an object"),
        (
            "a.jsonl",
            '{"body": "a", "class": "x"}\n',
            r"line 1: its columns are body, class, wanted .* `columns: .text: body",
        ),
        ("a.jsonl", '{"text": "a", "label": 0.5}\n', r"line 1: got 0.5 as a label, wanted text, a whole number"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n', r"line 2: no label; it has text"),
        ("a.jsonl", '{"text": " ", "label": "x"}\n', r"line 1: text: got ' ', wanted text"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "a"}]}\n', r"roles are user, wanted"),
        ("a.jsonl", '{"messages": [{"role": "human", "content": "a"}]}\n', r"got the role 'human', wanted one of"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["O", "O"]}\n', r"1 tokens and 2 tags"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["LOC"]}\n', r"got 'LOC' as a tag, wanted O, B-NAME"),
        ("a.json", '{"text": "a"}', r"a.json: a JSON object, wanted a list"),
        ("a.csv", 'text,label\n"a\nb",x\nc\n', r"a.csv, line 4: 1 fields, wanted 2: text, label"),
        ("a.csv", 'text,label\n"a,x\n', r"a.csv, line 2: its quotes do not end"),
        ("a.conll", "a O\nb\n", r"a.conll, line 2: wanted a word and its tag"),
        ("a.jsonl", "\n", r"a.jsonl: no examples"),
        ("a.doc", "x", r"a.doc: no suffix of a known format of examples"),
    ],
)
def test_what_is_no_example_is_named_with_its_place(tmp_path: Path, name: str, data: str, message: str) -> None:
    write(tmp_path / name, data)

    with pytest.raises(InputError, match=message):
        read(tmp_path, name)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "\xff", "label": "x"}\n')

    with pytest.raises(InputError, match=r"a.jsonl, line 1: no UTF-8"):
        read(tmp_path, "a.jsonl")


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"nothing")

    with pytest.raises(InputError, match=r"a.parquet: cannot be read as Parquet"):
        read(tmp_path, "a.parquet")


def test_splits_do_not_share_files(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", lines(MAILS))

    with pytest.raises(InputError, match=r"a.jsonl belongs to `train` and to `test`"):
        find_examples(ExamplesConfig(train=("*.jsonl",), test=("a.jsonl",)), tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"validation": 2}, "wanted a share below 1"),
        ({"validation": "120%"}, "wanted a share below 1"),
        ({"validation": "50%", "test": "50%"}, "leave some to train on"),
        ({"columns": {"body": "text"}}, "no column is called body"),
        ({"balance": True}, "Extra inputs"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ExamplesConfig.model_validate({"train": "a.jsonl", **given})


def test_splits_are_shares_or_files() -> None:
    config = ExamplesConfig.model_validate({"train": "a.jsonl", "validation": "10%", "test": "b.jsonl"})

    assert config.shares == {"validation": 0.1}
    assert config.paths == {"train": ("a.jsonl",), "test": ("b.jsonl",)}
