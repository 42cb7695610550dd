"""Texts, or pairs of texts, and the classes they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from headrace.errors import InputError
from headrace.examples.encoded import EncodedExamples, Sequences, flat
from headrace.examples.text_ids import check_length, encodings_of_inputs, frame, ids_of_texts


@dataclass(frozen=True)
class ClassifySettings:
    """How texts to classify are encoded."""

    labels: Sequence[str]
    """Names of the classes, in the order of their numbers."""
    max_tokens: int
    """Longest sequence; the longer of two texts is cut first."""
    begin_tokens: tuple[int, ...] = ()
    """What a sequence begins with if the vocabulary adds nothing by itself."""


def encode_classify(table: pa.Table, tokenizer: Tokenizer, settings: ClassifySettings) -> EncodedExamples:
    """Inputs as the vocabulary wants them; labels from `label` (N,) or `labels` (N, C), if the table has one of them.

    Raises InputError for a label that is none of the settings'.
    """
    texts = table["text"].to_pylist()
    pairs = table["text_pair"].to_pylist() if "text_pair" in table.column_names else []
    encode = _encode_pairs if any(pair is not None for pair in pairs) else _encode_texts
    inputs, num_truncated = encode(tokenizer, texts, pairs, settings)
    return EncodedExamples(inputs, labels=label_numbers(table, settings.labels), num_truncated=num_truncated)


def _encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], _: Sequence[str | None], settings: ClassifySettings
) -> tuple[Sequences, int]:
    """Texts alone, and how many were cut."""
    before, behind = frame(tokenizer, begin_tokens=settings.begin_tokens)
    check_length(settings.max_tokens, len(before) + len(behind))
    room = settings.max_tokens - len(before) - len(behind)
    found = ids_of_texts(tokenizer, texts)
    inputs = Sequences.join([[*before, *ids[:room], *behind] for ids in found])
    return inputs, sum(len(ids) > room for ids in found)


def _encode_pairs(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str | None], settings: ClassifySettings
) -> tuple[Sequences, int]:
    """Texts of which some have a second one, and how many were cut."""
    begin = () if tokenizer.num_special_tokens_to_add(True) else settings.begin_tokens
    found = encodings_of_inputs(tokenizer, texts, pairs=pairs, max_tokens=settings.max_tokens - len(begin))
    inputs = Sequences.join([[*begin, *encoding.ids] for encoding in found])
    types = flat(([0] * len(begin) + encoding.type_ids for encoding in found), np.int8)
    if types.any():
        inputs = replace(inputs, token_types=types)
    return inputs, sum(bool(encoding.overflowing) for encoding in found)


def label_numbers(table: pa.Table, labels: Sequence[str]) -> NDArray[Any] | None:
    """Labels as numbers (N,) int32, or as 0 and 1 for each class (N, C) float32; None if the table has none."""
    numbers = {name: number for number, name in enumerate(labels)}
    if "label" in table.column_names:
        return np.array([_number(name, numbers) for name in table["label"].to_pylist()], np.int32)
    if "labels" not in table.column_names:
        return None
    hold = np.zeros((table.num_rows, len(labels)), np.float32)
    for row, names in enumerate(table["labels"].to_pylist()):
        hold[row, [_number(name, numbers) for name in names]] = 1
    return hold


def _number(name: str, numbers: dict[str, int]) -> int:
    if name not in numbers:
        raise InputError(f"label: got {name!r}, wanted one of {', '.join(numbers)}.")
    return numbers[name]
