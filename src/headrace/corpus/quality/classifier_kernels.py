"""Logistic regression on hashed features: what it adds up for a text, and how it learns from one.

Features are runs of symbols and runs of bytes: words and their order say what a text is about and how it is written,
runs of bytes see damage inside words that no example had. The logit of a text with n features is bias + sum of their
weights / sqrt(n): evidence in a text repeats itself, so it is worth less than its amount, and more than its average.
"""

from math import exp, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.corpus.kernel import kernel
from headrace.corpus.quality.symbols import PRIME, Kinds, Symbols, Whole, extend, mix, read_symbols

Weights = npt.NDArray[np.float32]

NUMBER_OF_BITS = 64


class Features(NamedTuple):
    """What features are, and room for those of one text."""

    order: int
    """Longest run of symbols that is a feature; runs of unspaced scripts may be one longer."""
    run_bytes: int
    """Bytes of the runs of bytes that are features; 0 for none."""
    num_buckets: int
    """A power of two."""
    kinds: Kinds
    symbols: Symbols
    buckets: npt.NDArray[np.uint32]


@kernel
def _add(features: Features, num: int, key: Whole) -> int:
    features.buckets[num] = key & np.uint64(features.num_buckets - 1)
    return num + 1


@kernel
def add_runs_of_symbols(num_symbols: int, features: Features) -> int:
    """Fills in the buckets of the runs of symbols of a text; returns how many there are."""
    hashes, unspaced = features.symbols.hashes, features.symbols.unspaced
    num = 0
    for last in range(num_symbols):
        key = mix(hashes[last])
        num = _add(features, num, key)
        reach = features.order + 1 if unspaced[last] else features.order
        for index in range(last - 1, max(-1, last - reach), -1):
            key = extend(key, hashes[index])
            num = _add(features, num, key)
    return num


@kernel
def add_runs_of_bytes(data: np.ndarray, span: tuple[int, int], features: Features, num: int) -> int:
    """Adds the buckets of the runs of bytes of a text, capitals taken as small letters; returns how many now."""
    unused = np.uint64(NUMBER_OF_BITS - 8 * features.run_bytes)
    window = np.uint64(0)
    for position in range(span[0], span[1]):
        byte = np.uint64(data[position])
        if byte - np.uint64(65) < np.uint64(26):
            byte |= np.uint64(32)
        window = window << np.uint64(8) | byte
        if position - span[0] >= features.run_bytes - 1:
            num = _add(features, num, ((window << unused) + np.uint64(1)) * PRIME >> np.uint64(32))
    return num


@kernel
def find_features(data: np.ndarray, begin: int, end: int, features: Features) -> int:
    """Fills in the buckets of all features of a text; returns how many there are."""
    num_symbols = read_symbols(data, begin, end, features.kinds, features.symbols)
    num = add_runs_of_symbols(num_symbols, features)
    return add_runs_of_bytes(data, (begin, end), features, num) if features.run_bytes else num


@kernel
def probability_of(weights: np.ndarray, buckets: np.ndarray) -> float:
    """Probability that a text with these features is a good one. weights: (buckets + 1,), the last is the bias."""
    total = 0.0
    for bucket in buckets:
        total += weights[bucket]
    return 1.0 / (1.0 + exp(-(weights[len(weights) - 1] + total / sqrt(max(len(buckets), 1)))))


@kernel
def score_texts(
    data: np.ndarray, offsets: np.ndarray, weights: np.ndarray, features: Features, scores: np.ndarray
) -> None:
    """Fills in the probability that each text is a good one."""
    for row in range(len(offsets) - 1):
        num = find_features(data, offsets[row], offsets[row + 1], features)
        scores[row] = probability_of(weights, features.buckets[:num])


@kernel
def descend(weights: np.ndarray, squares: np.ndarray, bucket: int, gradient: float, rate: float) -> None:
    """One step of Adagrad for one weight. Source: Duchi, Hazan & Singer 2011, JMLR 12."""
    squares[bucket] += gradient * gradient
    weights[bucket] -= rate * gradient / sqrt(squares[bucket])


@kernel
def learn(
    data: np.ndarray,
    offsets: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    importance: np.ndarray,
    weights: np.ndarray,
    squares: np.ndarray,
    step: tuple[float, Features],
) -> None:
    """Learns from the texts of the given rows, in that order, with a step size.

    labels: (N,) 1 or 0; importance: (N,) what each text counts; squares: of each weight's gradients so far, added up.
    """
    rate, features = step
    for row in rows:
        num = find_features(data, offsets[row], offsets[row + 1], features)
        gradient = importance[row] * (probability_of(weights, features.buckets[:num]) - labels[row])
        scale = 1.0 / sqrt(max(num, 1))
        if gradient != 0.0:
            for index in range(num):
                descend(weights, squares, features.buckets[index], gradient * scale, rate)
            descend(weights, squares, len(weights) - 1, gradient, rate)
