"""Guessed entities held against true ones: the same, nearly the same, missed, extra."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.evaluate.entities import Entities
from headrace.evaluate.task_report import Confusion, SpanErrors

NOTHING = "(none)"


@dataclass(frozen=True)
class Match:
    """True and guessed entity that belong together, as places among the entities; -1 where one is missing."""

    true: int
    guessed: int


def exact_matches(true: Entities, guessed: Entities) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which entities of either side have an equal one on the other: extent and type."""
    base = 1 + max((int(side.end_S.max()) for side in (true, guessed) if len(side)), default=0)
    kinds = 1 + max((int(side.type_S.max()) for side in (true, guessed) if len(side)), default=0)
    assert base * base * kinds < 2**63, f"{base} words are too many for one report"
    keys = [(side.start_S * base + side.end_S) * kinds + side.type_S for side in (true, guessed)]
    return np.isin(keys[0], keys[1]), np.isin(keys[1], keys[0])


def match_entities(true: Entities, guessed: Entities) -> Iterator[Match]:
    """Every entity once: equal ones together, then each true one with the free guess it shares most words with.

    True entities choose in their order; at a tie the first guess is taken.
    """
    true_found_S, guessed_found_S = exact_matches(true, guessed)
    equal = zip(np.flatnonzero(true_found_S), np.flatnonzero(guessed_found_S), strict=True)
    yield from (Match(int(one), int(other)) for one, other in equal)
    free = ~guessed_found_S
    for one in np.flatnonzero(~true_found_S):
        first = int(np.searchsorted(guessed.end_S, true.start_S[one], side="right"))
        last = int(np.searchsorted(guessed.start_S, true.end_S[one], side="left"))
        shared = np.minimum(guessed.end_S[first:last], true.end_S[one])
        shared = (shared - np.maximum(guessed.start_S[first:last], true.start_S[one])) * free[first:last]
        if not len(shared) or not shared.max():
            yield Match(int(one), -1)
            continue
        other = first + int(shared.argmax())
        free[other] = False
        yield Match(int(one), other)
    yield from (Match(-1, int(other)) for other in np.flatnonzero(free))


def span_errors(true: Entities, guessed: Entities, types: Sequence[str]) -> tuple[Confusion, tuple[SpanErrors, ...]]:
    """The confusion of types with `(none)` at the end, and what became of the entities of each type."""
    confusion = np.zeros((len(types) + 1, len(types) + 1), np.int64)
    fates: list[Counter[str]] = [Counter() for _ in types]
    for match in match_entities(true, guessed):
        kind = int(true.type_S[match.true]) if match.true >= 0 else -1
        guess = int(guessed.type_S[match.guessed]) if match.guessed >= 0 else -1
        confusion[kind, guess] += 1
        fates[kind if kind >= 0 else guess][_fate(true, guessed, match)] += 1
    errors = tuple(
        SpanErrors(
            name=name,
            correct=fate["correct"],
            boundary=fate["boundary"],
            type=fate["type"],
            both=fate["both"],
            missed=fate["missed"],
            extra=fate["extra"],
        )
        for name, fate in zip(types, fates, strict=True)
    )
    return Confusion((*types, NOTHING), tuple(tuple(row) for row in confusion.tolist())), errors


def _fate(true: Entities, guessed: Entities, match: Match) -> str:
    one, other = match.true, match.guessed
    if one < 0 or other < 0:
        return "extra" if one < 0 else "missed"
    same_extent = bool(true.start_S[one] == guessed.start_S[other] and true.end_S[one] == guessed.end_S[other])
    same_type = bool(true.type_S[one] == guessed.type_S[other])
    return {(True, True): "correct", (False, True): "boundary", (True, False): "type"}.get(
        (same_extent, same_type), "both"
    )
