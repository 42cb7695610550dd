"""py3langid's inference over bytes: which features a text has, what they say for each class, and the class they favour.

A finite automaton reads one byte at a time and counts a feature in almost every state. Its table is 40 MB and each step
waits for the one before, so four parts of a text are read in turns (2.5 times as fast). A state depends on the last
`MEMORY` bytes only, so a part can be entered anywhere by reading so many bytes before it.

The score of a class is the sum of log(1 + count) * log-probability over the features. Features of equal count are added
as integers first, so scores are exact and do not depend on an order; py3langid's own are rounded to 32 bits as it goes.
"""

from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import kernel
from headrace.corpus.measure.language_model import CLASSES_PADDED, SPACE, UNIT, LanguageModel

MEMORY = 6
"""Longest n-gram of the automaton, in bytes."""

EQUAL_COUNTS = 16
"""Features with smaller counts are added up by count."""

Whole = Any
"""A whole number in a kernel: which width and sign it has is for numba to say."""

FAR_BEHIND = -40.0
"""A class whose log-probability is so far behind the best one's is taken to be only this far: it adds nothing."""


class Workspace(NamedTuple):
    """What `identify` needs beside the model; it leaves `counts` as it found it: all zero."""

    counts: npt.NDArray[np.uint16]
    """(F + 1,)"""
    found: npt.NDArray[np.uint32]
    """(bytes of the longest sample + 1,) features found, in the order they were found in."""
    by_count: npt.NDArray[np.uint32]
    """The same, sorted by count."""
    weight: npt.NDArray[np.float64]
    """(bytes of the longest sample + 1,) log(1 + count), rounded to 32 bits as py3langid's is."""
    total: npt.NDArray[np.int32]
    """(C,)"""
    scores: npt.NDArray[np.float64]
    """(C,)"""


@kernel
def code_point(data: np.ndarray, position: int) -> tuple[Whole, int]:
    """The character that begins at a byte of valid UTF-8, and how many bytes it takes."""
    lead = np.int64(data[position])
    if lead < 0x80:
        return lead, 1
    second = np.int64(data[position + 1]) & 63
    if lead < 0xE0:
        return (lead & 31) << 6 | second, 2
    third = np.int64(data[position + 2]) & 63
    if lead < 0xF0:
        return (lead & 15) << 12 | second << 6 | third, 3
    return (lead & 7) << 18 | second << 12 | third << 6 | np.int64(data[position + 3]) & 63, 4


@kernel
def take_sample(data: np.ndarray, span: tuple[int, int], most: int, properties: np.ndarray) -> tuple[int, int, int]:
    """Begin and end of the first `most` characters without the white space around them, and what these characters are.

    What they are: the union of their properties.
    """
    position, stop = span
    begin = end = position
    union: Whole = 0
    for _ in range(most):
        if position >= stop:
            break
        character, size = code_point(data, position)
        held: Whole = np.int64(properties[character]) if character < len(properties) else 0
        position += size
        if not held & SPACE:
            end = position
        elif end == begin:  # nothing but white space so far
            begin = end = position
        union |= held
    return begin, end, union


@kernel
def take_samples(data: np.ndarray, offsets: np.ndarray, most: int, properties: np.ndarray, samples: np.ndarray) -> None:
    """Fills samples (N, 3): begin, end and union of properties of each text's sample."""
    for row in range(len(offsets) - 1):
        begin, end, union = take_sample(data, (offsets[row], offsets[row + 1]), most, properties)
        samples[row, 0], samples[row, 1], samples[row, 2] = begin, end, union


@kernel
def step(model: LanguageModel, state: Whole, byte: int) -> Whole:
    """The state after one more byte."""
    return model.next_state[model.row_of[state], byte]


@kernel
def enter(data: np.ndarray, begin: int, position: int, model: LanguageModel) -> Whole:
    """The state in which the automaton stands before the byte at `position` of a text that starts at `begin`."""
    state: Whole = np.uint32(0)
    for index in range(max(begin, position - MEMORY), position):
        state = step(model, state, data[index])
    return state


@kernel
def note(feature: Whole, num_found: int, workspace: Workspace) -> Whole:
    """Counts a feature; returns the number of different features found."""
    workspace.found[num_found] = feature
    count = workspace.counts[feature]
    workspace.counts[feature] = count + 1
    return num_found + (count == 0)


@kernel
def find_features(data: np.ndarray, span: tuple[int, int], model: LanguageModel, workspace: Workspace) -> int:
    """Counts the features of a text; returns how many different ones there are, "no feature" included."""
    begin, end = span
    quarter = (end - begin) // 4
    second, third, fourth = begin + quarter, begin + 2 * quarter, begin + 3 * quarter
    a: Whole = np.uint32(0)
    b = enter(data, begin, second, model)
    c = enter(data, begin, third, model)
    d = enter(data, begin, fourth, model)
    num = 0
    for index in range(quarter):
        a = step(model, a, data[begin + index])
        b = step(model, b, data[second + index])
        c = step(model, c, data[third + index])
        d = step(model, d, data[fourth + index])
        num = note(model.feature_of[a], num, workspace)
        num = note(model.feature_of[b], num, workspace)
        num = note(model.feature_of[c], num, workspace)
        num = note(model.feature_of[d], num, workspace)
    for index in range(fourth + quarter, end):
        d = step(model, d, data[index])
        num = note(model.feature_of[d], num, workspace)
    return num


@kernel
def sort_by_count(num_found: int, workspace: Workspace, ends: np.ndarray) -> None:
    """Fills `by_count`, and ends (EQUAL_COUNTS + 1,): where the features of each count end; the last are all others."""
    ends[:] = 0
    for index in range(num_found):
        ends[min(workspace.counts[workspace.found[index]], EQUAL_COUNTS)] += 1
    for count in range(1, EQUAL_COUNTS + 1):
        ends[count] += ends[count - 1]
    for index in range(num_found - 1, -1, -1):
        feature = workspace.found[index]
        count = min(workspace.counts[feature], EQUAL_COUNTS)
        ends[count] -= 1
        workspace.by_count[ends[count]] = feature
    for count in range(EQUAL_COUNTS):
        ends[count] = ends[count + 1]
    ends[EQUAL_COUNTS] = num_found


@kernel
def row_of(features: np.ndarray, index: int) -> Whole:
    """Where the evidence of the feature at an index begins. Unsigned: an index that may be negative is no vector's."""
    return np.uint64(features[index]) * np.uint64(CLASSES_PADDED)


@kernel
def add_evidence(features: np.ndarray, evidence: np.ndarray, total: np.ndarray) -> None:
    """Fills total (C,) with the sum of what the features say; four rows at a time, which saves most of the stores."""
    total[:] = 0
    fours = len(features) // 4 * 4
    for index in range(0, fours, 4):
        a, b = row_of(features, index), row_of(features, index + 1)
        c, d = row_of(features, index + 2), row_of(features, index + 3)
        for label in range(np.uint64(0), np.uint64(CLASSES_PADDED)):
            total[label] += (
                np.int32(evidence[a + label])
                + np.int32(evidence[b + label])
                + np.int32(evidence[c + label])
                + np.int32(evidence[d + label])
            )
    for index in range(fours, len(features)):
        a = row_of(features, index)
        for label in range(np.uint64(0), np.uint64(CLASSES_PADDED)):
            total[label] += np.int32(evidence[a + label])


@kernel
def add_weighted(weight: float, workspace: Workspace) -> None:
    """Adds a total to the scores."""
    for label in range(CLASSES_PADDED):
        workspace.scores[label] += weight * workspace.total[label]


@kernel
def add_scores(num_found: int, model: LanguageModel, workspace: Workspace, ends: np.ndarray) -> None:
    """Fills `scores` with the evidence of the features found, in `UNIT`s, and forgets their counts."""
    sort_by_count(num_found, workspace, ends)
    workspace.scores[:] = 0
    for count in range(1, EQUAL_COUNTS):
        if ends[count] > ends[count - 1]:
            add_evidence(workspace.by_count[ends[count - 1] : ends[count]], model.evidence, workspace.total)
            add_weighted(workspace.weight[count], workspace)
    for index in range(ends[EQUAL_COUNTS - 1], num_found):
        add_evidence(workspace.by_count[index : index + 1], model.evidence, workspace.total)
        add_weighted(workspace.weight[workspace.counts[workspace.by_count[index]]], workspace)
    for index in range(num_found):
        workspace.counts[workspace.found[index]] = 0


@kernel
def small_exp(x: float) -> float:
    """exp(x) for x in [-40, 0] to 1e-10 of itself: Taylor's series at x / 1024, then ten squarings.

    Arithmetic alone, so that the compiler makes vectors of it, and every machine gets the same bits.
    """
    x = x / 1024.0
    y = 1.0 + x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0)))))
    for _ in range(10):
        y = y * y
    return y


@kernel
def choose(scores: np.ndarray, model: LanguageModel, num_bytes: int) -> tuple[int, float]:
    """The likeliest class and its probability; classes that are counted for another one are added to that one.

    The exponents are divided by the square root of the length, as py3langid does to keep probabilities calibrated.
    """
    num_classes = len(model.prior)
    coolness = 1.0 / sqrt(num_bytes)
    highest = -np.inf
    for label in range(num_classes):
        scores[label] = (scores[label] * UNIT + model.prior[label]) * coolness
        highest = max(highest, scores[label])
    for label in range(num_classes):
        scores[label] = small_exp(max(scores[label] - highest, FAR_BEHIND))
    whole = 0.0
    best = 0
    for label in range(num_classes):
        whole += scores[label]
        answer = model.answer[label]
        if answer != label:
            scores[answer] += scores[label]
            scores[label] = 0.0
    for label in range(num_classes):
        if scores[label] > scores[best]:
            best = label
    return best, scores[best] / whole


@kernel
def identify(
    data: np.ndarray,
    samples: np.ndarray,
    model: LanguageModel,
    workspace: Workspace,
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> None:
    """Fills in the class and probability of each sample (begin, end, ...); class -1 where no feature was found."""
    ends = np.zeros(EQUAL_COUNTS + 1, np.int64)
    none = np.uint32(len(model.evidence) // CLASSES_PADDED - 1)
    for row in range(len(samples)):
        begin, end = samples[row, 0], samples[row, 1]
        num_found = find_features(data, (begin, end), model, workspace)
        is_blank = num_found == 0 or (num_found == 1 and workspace.found[0] == none)
        add_scores(num_found, model, workspace, ends)
        labels[row], probabilities[row] = -1, 0.0
        if not is_blank:
            labels[row], probabilities[row] = choose(workspace.scores, model, end - begin)
