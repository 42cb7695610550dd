"""Labelled copies: made from real documents, and what a tool's choice of documents says about its recall.

A document's label is `g<number>-<kind>`; all documents of a number are copies of one another, and one should be kept.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curation.packages import Document

NEAR_SHARE, EXACT_SHARE = 0.15, 0.03
"""Of all documents of the input."""

FEWEST_EDITS, MOST_EDITS = 0.01, 0.05
"""Share of a near copy's words that are replaced, left out or inserted, drawn evenly for each."""

SHINGLE_WORDS = 5
LARGEST_SHARED = 0.3
FEWEST_WORDS = 50


def distinct(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents of which at most a part of the word 5-grams stood in an earlier one: no copies by nature."""
    seen: set[int] = set()
    for source, text in documents:
        words = re.findall(r"\w+", text.lower())
        shingles = {hash(tuple(words[at : at + SHINGLE_WORDS])) for at in range(len(words) - SHINGLE_WORDS + 1)}
        if len(words) >= FEWEST_WORDS and len(shingles & seen) <= LARGEST_SHARED * len(shingles):
            yield source, text
        seen |= shingles


def with_copies(documents: Iterable[Document], *, seed: int) -> list[Document]:
    """The documents and copies of some of them, shuffled, with labels for sources."""
    random = np.random.default_rng(seed)
    originals = [text for _, text in documents]
    vocabulary = _vocabulary(originals)
    share = 1 - NEAR_SHARE - EXACT_SHARE
    near, exact = (round(len(originals) * part / share) for part in (NEAR_SHARE, EXACT_SHARE))
    copied = random.choice(len(originals), near + exact, replace=False)
    made = [(f"g{group:06d}-original", text) for group, text in enumerate(originals)]
    for group in copied[:near]:
        edits = random.uniform(FEWEST_EDITS, MOST_EDITS)
        made.append((f"g{group:06d}-near", _edited(originals[group], vocabulary, edits, random)))
    made.extend((f"g{group:06d}-exact", originals[group]) for group in copied[near:])
    return [made[index] for index in random.permutation(len(made))]


def with_words_replaced(documents: Sequence[Document], share: float, *, seed: int) -> Iterator[Document]:
    """Each document with a share of its words replaced by words of other documents."""
    random = np.random.default_rng(seed)
    vocabulary = _vocabulary([text for _, text in documents[:1000]])
    for source, text in documents:
        parts = text.split(" ")
        places = random.integers(0, len(parts), round(len(parts) * share))
        for place, word in zip(places, random.integers(0, len(vocabulary), len(places)), strict=True):
            parts[place] = vocabulary[word]
        yield source, " ".join(parts)


@dataclass(frozen=True, slots=True)
class Found:
    """How well the copies were found, from what was kept."""

    recall: float
    """Of the documents that should go, the share that went."""
    precision: float
    """Of the documents that went, the share that left a copy behind."""


def judge(labels: Iterable[str], kept: Iterable[str]) -> Found:
    """Compares the labels of all documents with those of the documents that a tool kept."""
    members = Counter(label.split("-")[0] for label in labels)
    left = Counter(label.split("-")[0] for label in kept)
    removed = sum(members.values()) - sum(left.values())
    rightly = sum(count - max(left[group], 1) for group, count in members.items())
    wanted = sum(count - 1 for count in members.values())
    return Found(recall=rightly / wanted, precision=rightly / removed if removed else 1.0)


def _vocabulary(texts: Iterable[str]) -> list[str]:
    """Words as often as they occur, so that a drawn one is as common as in the text."""
    return [word for text in texts for word in text.split() if word.isalpha()]


def _edited(text: str, vocabulary: Sequence[str], share: float, random: np.random.Generator) -> str:
    """A text with a share of its words replaced, left out or inserted, its white space as it was."""
    parts = re.split(r"(\s+)", text)
    words = np.arange(0, len(parts), 2)
    for place in random.choice(words, max(1, round(len(words) * share)), replace=False):
        word = vocabulary[int(random.integers(len(vocabulary)))]
        parts[place] = (word, "", f"{parts[place]} {word}")[random.integers(3)]
    return "".join(parts)
