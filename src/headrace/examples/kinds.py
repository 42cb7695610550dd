"""The kinds of examples there are, and the columns that each has."""

from collections.abc import Collection
from typing import Literal, get_args

import pyarrow as pa

Kind = Literal["prefer", "instruct", "tag", "seq2seq", "classify_many", "classify"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SPLITS = ("train", "validation", "test")

COLUMNS_OF: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "prefer": (("prompt", "chosen", "rejected"),),
    "instruct": (("messages",), ("prompt", "answer")),
    "tag": (("tokens", "tags"),),
    "seq2seq": (("source", "target"),),
    "classify_many": (("text", "labels"),),
    "classify": (("text", "label"),),
}
"""The columns that a file must have, in one of the ways to write it. Where several kinds fit, the first is meant."""

COLUMNS = (
    *dict.fromkeys(name for kind in reversed(KINDS) for way in COLUMNS_OF[kind] for name in way),
    "text_pair",
)
"""Every column that means something."""

_STRINGS = pa.list_(pa.string())
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))
SCHEMAS: dict[Kind, pa.Schema] = {
    "prefer": pa.schema([(name, pa.large_string()) for name in ("id", "prompt", "chosen", "rejected")]),
    "instruct": pa.schema([("id", pa.large_string()), ("messages", _MESSAGES)]),
    "tag": pa.schema([("id", pa.large_string()), ("tokens", _STRINGS), ("tags", _STRINGS)]),
    "seq2seq": pa.schema([(name, pa.large_string()) for name in ("id", "source", "target")]),
    "classify_many": pa.schema(
        [*((name, pa.large_string()) for name in ("id", "text", "text_pair")), ("labels", _STRINGS)]
    ),
    "classify": pa.schema(
        [*((name, pa.large_string()) for name in ("id", "text", "text_pair")), ("label", pa.string())]
    ),
}
"""What the Parquet files of a kind hold: `text_pair` is null where there is none."""


def kind_of_columns(names: Collection[str]) -> Kind | None:
    """The kind of examples that columns of these names make; None if they make none."""
    return next((kind for kind in KINDS if any(set(way) <= set(names) for way in COLUMNS_OF[kind])), None)


def ways_to_write() -> str:
    """All kinds with their columns, for a message."""
    return "; ".join(f"{', '.join(way)} ({kind})" for kind in reversed(KINDS) for way in COLUMNS_OF[kind])
