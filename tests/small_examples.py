"""Encoded examples of random tokens, of every kind."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.examples.encoded import EncodedExamples, Sequences
from headrace.examples.stream import ExampleStream, Sizes
from headrace.tokens.batch import IGNORED

CLASSES = 3


def encoded(kind: str, lengths: list[int], *, seed: int, vocabulary_size: int = 60) -> EncodedExamples:
    """Examples of these lengths: `classify`, `many`, `tag`, `pairs` (source and target), `text` or `prefer`."""
    generator = np.random.default_rng(seed)
    each = 2 if kind == "prefer" else 1
    sizes = [
        int(generator.integers(2, 1 + max(2, length))) if each == 2 else length
        for length in lengths
        for _ in range(each)
    ]
    tokens = [generator.integers(0, vocabulary_size, size).tolist() for size in sizes]
    targets: list[list[int]] | None = None
    if kind in ("tag", "text", "pairs", "prefer"):
        most = CLASSES if kind == "tag" else vocabulary_size
        share = 1.0 if kind == "pairs" else 0.5
        targets = [
            np.where(generator.random(s) < share, generator.integers(0, most, s), IGNORED).tolist() for s in sizes
        ]
        for target in targets:
            target[-1] = int(generator.integers(0, most))  # something is asked of each
    labels: NDArray[Any] | None = None
    if kind == "classify":
        labels = generator.integers(0, CLASSES, len(lengths)).astype(np.int32)
    if kind == "many":
        labels = generator.integers(0, 2, (len(lengths), CLASSES)).astype(np.float32)
    sources = None
    if kind == "pairs":
        sources = Sequences.join(
            [generator.integers(0, vocabulary_size, int(generator.integers(1, 12))).tolist() for _ in lengths]
        )
    return EncodedExamples(Sequences.join(tokens, targets), sources, labels, sequences_per_example=each)


def stream_of(
    examples: EncodedExamples, *, batch: int | None = None, part_tokens: int = 10_000, **given: Any
) -> ExampleStream:
    """All examples at once, unless a batch is given."""
    sizes = Sizes(batch or len(examples), part_tokens, attention_tokens=4_000, padding_token=0)
    return ExampleStream(examples, sizes, **{"seed": 1, **given})


lengths_of_examples = st.lists(st.integers(1, 20), min_size=1, max_size=7)
