"""Which examples learn and which measure, by a keyed hash of what a model would be given.

The hash is of the input alone, so equal inputs lie in one split whatever their labels, and neither the order of files
nor that of lines changes where an example goes.
"""

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from headrace.examples.kinds import Kind
from headrace.examples.standard import Example

INPUT_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "classify": ("text", "text_pair"),
    "classify_many": ("text", "text_pair"),
    "tag": ("tokens",),
    "seq2seq": ("source",),
    "prefer": ("prompt",),
}
"""What a model is given; of a conversation, everything before the first answer."""

ID_BYTES = 16


@dataclass(frozen=True)
class Splits:
    """Examples of each split, in the order of the files."""

    examples: dict[str, list[Example]]
    leaked: dict[str, int]
    """Split -> its examples that were dropped because another split measures with them."""
    shared_inputs: int
    """Training examples that differ only in their labels from one of another split; they stay."""


def example_id(example: Example) -> str:
    """128 bits of the example's content, in hex."""
    return hashlib.blake2b(orjson.dumps(example, option=orjson.OPT_SORT_KEYS), digest_size=ID_BYTES).hexdigest()


def input_key(kind: Kind, example: Example, *, seed: int) -> bytes:
    """128 bits of what a model is given, another for each seed. White space and Unicode form make no difference."""
    if kind == "instruct":
        roles = [message["role"] for message in example["messages"]]
        asked = example["messages"][: roles.index("assistant")]
        parts = [text for message in asked for text in (message["role"], message["content"])]
    else:
        values = [example[name] for name in INPUT_COLUMNS[kind]]
        parts = [text for value in values for text in (value if isinstance(value, list) else [value or ""])]
    normal = [" ".join(unicodedata.normalize("NFC", text).split()) for text in parts]
    return hashlib.blake2b(orjson.dumps(normal), digest_size=ID_BYTES, key=seed.to_bytes(16, "big")).digest()


def split_examples(
    kind: Kind, given: Mapping[str, Sequence[Example]], *, shares: Mapping[str, float], seed: int
) -> Splits:
    """The examples of every split; those with a share are taken out of `train`.

    What `test` measures with is dropped from the others, and what `validation` does from `train`: examples of the same
    input and label. A share is met but for inputs that occur several times, and by at least one example.
    """
    examples, leaked = _without_leaks(kind, given, seed=seed)
    keys = [input_key(kind, example, seed=seed) for example in examples["train"]]
    owner = _assign(keys, shares)
    learnt = examples.pop("train")
    for split in ("train", *shares):
        examples[split] = [example for key, example in zip(keys, learnt, strict=True) if owner[key] == split]
    measured = {input_key(kind, each, seed=seed) for split in examples if split != "train" for each in examples[split]}
    shared = sum(owner[key] == "train" and key in measured for key in keys)
    return Splits(examples, leaked, shared)


def _without_leaks(
    kind: Kind, given: Mapping[str, Sequence[Example]], *, seed: int
) -> tuple[dict[str, list[Example]], dict[str, int]]:
    kept: dict[str, list[Example]] = {}
    leaked: dict[str, int] = {}
    seen: set[tuple[bytes, str]] = set()
    for split in ("test", "validation", "train"):
        if split not in given:
            continue
        pairs = [(_identity(kind, example, seed=seed), example) for example in given[split]]
        kept[split] = [example for identity, example in pairs if identity not in seen]
        if dropped := len(pairs) - len(kept[split]):
            leaked[split] = dropped
        seen.update(identity for identity, _ in pairs)
    return kept, leaked


def _identity(kind: Kind, example: Example, *, seed: int) -> tuple[bytes, str]:
    """Equal for examples of the same input, but for white space, and the same label."""
    rest = {name: value for name, value in example.items() if name not in INPUT_COLUMNS.get(kind, ())}
    return input_key(kind, example, seed=seed), example_id(rest)


def _assign(keys: Iterable[bytes], shares: Mapping[str, float]) -> dict[bytes, str]:
    """The split of each key: the smallest go to the first that wants a share, until it has it."""
    counts: dict[bytes, int] = defaultdict(int)
    for key in keys:
        counts[key] += 1
    total, queue = sum(counts.values()), sorted(counts)
    owner: dict[bytes, str] = {}
    place = 0
    for split, share in shares.items():
        wanted, taken = max(1, round(share * total)), 0
        while taken < wanted and place < len(queue):
            owner[queue[place]] = split
            taken += counts[queue[place]]
            place += 1
    return owner | dict.fromkeys(queue[place:], "train")
