"""Examples in splits, as Parquet, with the texts that a vocabulary is trained on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.corpus.raw_file import RawFile
from headrace.errors import InputError
from headrace.examples.config import TEXTS, ExamplesConfig
from headrace.examples.kinds import SCHEMAS, SPLITS, Kind
from headrace.examples.read import read_examples
from headrace.examples.spans import entity_spans, tag_names
from headrace.examples.splitting import Splits, example_id, split_examples
from headrace.examples.standard import Example
from headrace.examples.words import sentence
from headrace.store import Workspace, write_file

FACTS = "examples.json"
GROUP_ROWS = 10_000


def build_examples(
    config: ExamplesConfig, files: Mapping[str, Sequence[RawFile]], *, seed: int, workspace: Workspace
) -> dict[str, Any]:
    """Writes a table per split and the texts of the training split; returns the summary.

    Raises InputError if a record is no example, the files hold different kinds, or nothing is left to learn from.
    """
    kind, given = _read_all(config, files)
    splits = split_examples(kind, given, shares=config.shares, seed=seed)
    examples = {split: splits.examples[split] for split in SPLITS if split in splits.examples}
    _check(kind, examples)
    for split, listed in examples.items():
        _write(pa.Table.from_pylist(_with_ids(listed), SCHEMAS[kind]), workspace.output / f"{split}.parquet")
    texts = pa.array([text for example in examples["train"] for text in _texts(example)], pa.large_string())
    _write(pa.table({"text": texts}), workspace.output / TEXTS / "part-00000.parquet")
    facts = {"kind": kind, "labels": _labels(kind, examples), "tags": _tags(kind, examples)}
    write_file(workspace.output / FACTS, orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return facts | _counts(kind, splits, examples)


def _read_all(config: ExamplesConfig, files: Mapping[str, Sequence[RawFile]]) -> tuple[Kind, dict[str, list[Example]]]:
    kind, train = read_examples(files["train"], config.columns)
    others = {
        split: read_examples(listed, config.columns, kind=kind)[1]
        for split, listed in files.items()
        if split != "train"
    }
    return kind, {"train": train, **others}


def _check(kind: Kind, examples: Mapping[str, Sequence[Example]]) -> None:
    """Raises InputError if a split is empty, or all training examples have the same label."""
    if empty := next((split for split, listed in examples.items() if not listed), None):
        counts = ", ".join(f"{split} {len(listed):,}" for split, listed in examples.items())
        raise InputError(
            f"examples: nothing is left for `{empty}` ({counts}). Give more examples, other shares, or files that do "
            "not repeat one another."
        )
    labels = {example["label"] for example in examples["train"]} if kind == "classify" else ()
    if len(labels) == 1:
        raise InputError(
            f"examples: every training example has the label {labels.pop()!r}, so there is nothing to tell apart. Give "
            "examples of each label."
        )


def _with_ids(examples: Sequence[Example]) -> list[Example]:
    return [{"id": example_id(example), **example} for example in examples]


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=GROUP_ROWS, write_page_checksum=True)


def _texts(example: Example) -> Iterator[str]:
    """Every text that a model would read or write of an example."""
    if "tokens" in example:
        yield sentence(example["tokens"])
        return
    for message in example.get("messages", ()):
        yield message["content"]
    for name in ("text", "text_pair", "source", "target", "prompt", "chosen", "rejected"):
        if example.get(name):
            yield example[name]


def _labels(kind: Kind, examples: Mapping[str, Sequence[Example]]) -> list[str]:
    """The labels of all splits: numbers by size, others by name."""
    everything = [example for listed in examples.values() for example in listed]
    if kind == "classify":
        names = {example["label"] for example in everything}
    elif kind == "classify_many":
        names = {label for example in everything for label in example["labels"]}
    else:
        names = set()
    are_numbers = all(name.removeprefix("-").isdecimal() for name in names)
    return sorted(names, key=lambda name: (int(name), name) if are_numbers else (0, name))


def _tags(kind: Kind, examples: Mapping[str, Sequence[Example]]) -> list[str]:
    return tag_names(example["tags"] for listed in examples.values() for example in listed) if kind == "tag" else []


def _counts(kind: Kind, splits: Splits, examples: Mapping[str, Sequence[Example]]) -> dict[str, Any]:
    """How many there are of everything."""
    train = examples["train"]
    return {
        "examples": {split: len(listed) for split, listed in examples.items()},
        "label_counts": {split: _count_labels(kind, listed) for split, listed in examples.items()},
        "leaked": splits.leaked,
        "shared_inputs": splits.shared_inputs,
        "repeated": len(train) - len({example_id(example) for example in train}),
    }


def _count_labels(kind: Kind, examples: Sequence[Example]) -> dict[str, int]:
    """Examples by label, or entities by type."""
    if kind == "tag":
        return dict(sorted(Counter(span[0] for each in examples for span in entity_spans(each["tags"])).items()))
    if kind in ("classify", "classify_many"):
        names = (label for each in examples for label in each.get("labels", [each.get("label")]))
        return dict(sorted(Counter(names).items()))
    return {}
