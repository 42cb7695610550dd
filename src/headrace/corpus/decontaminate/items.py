"""Evaluation items from files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from headrace.corpus.decontaminate.config import EvaluationSet
from headrace.errors import InputError


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """One text of an evaluation set."""

    set_name: str
    name: str
    """Which one it is, for reports: its line and field."""

    text: str


def read_items(sets: Sequence[EvaluationSet], folder: Path) -> list[EvaluationItem]:
    """All items of all sets, in order; blank ones are left out. Raises InputError for what cannot be read."""
    return [item for evaluation_set in sets for item in _read_set(evaluation_set, folder / evaluation_set.path)]


def _read_set(evaluation_set: EvaluationSet, path: Path) -> Iterator[EvaluationItem]:
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"evaluation set {evaluation_set.name}: {path} cannot be read as UTF-8 text ({error})."
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if path.suffix != ".jsonl":
            yield EvaluationItem(evaluation_set.name, str(number), line)
            continue
        record = _parse(evaluation_set, path, number, line)
        for field in evaluation_set.fields:
            if isinstance(text := record.get(field), str) and text.strip():
                yield EvaluationItem(evaluation_set.name, f"{number}:{field}", text)


def _parse(evaluation_set: EvaluationSet, path: Path, number: int, line: str) -> dict[str, object]:
    where = f"evaluation set {evaluation_set.name}: {path}:{number}"
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON ({error}).") from error
    if not isinstance(record, dict) or not set(evaluation_set.fields) & record.keys():
        given = ", ".join(record) if isinstance(record, dict) else type(record).__name__
        wanted = ", ".join(evaluation_set.fields)
        raise InputError(f"{where} has none of the fields {wanted}; it has {given}. Name its text in `fields`.")
    return record
