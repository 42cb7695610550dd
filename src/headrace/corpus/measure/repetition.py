"""Gopher's repetition scores: how much of a text repeats what the text already said.

Source: arXiv 2112.11446, Table A1; definitions of datatrove's GopherRepetitionFilter. Every denominator is the number
of characters of the whole text. The functions here say what the scores mean, and are what short texts are scored with;
`repeats.py` gives the same n-gram sums for long texts several times faster.
"""

import re
from collections import Counter
from collections.abc import Sequence

from headrace.corpus.measure.quality import ratio
from headrace.corpus.measure.repeats import NgramTable

TOP_NGRAMS = (2, 3, 4)
DUPLICATE_NGRAMS = (5, 6, 7, 8, 9, 10)

PARAGRAPH_BREAK = re.compile(r"\n{2,}")
LINE_BREAK = re.compile(r"\n+")

MIN_WORDS_FOR_TABLE = 150
"""Below it the table's fixed cost (about 0.2 ms) is more than the plain functions take."""


def score_repetition(text: str, words: Sequence[str]) -> dict[str, float]:
    """Every repetition score of a text whose words are `words`."""
    paragraph_ratio, paragraph_characters = duplicates(PARAGRAPH_BREAK.split(text.strip()))
    line_ratio, line_characters = duplicates(LINE_BREAK.split(text))
    size = len(text)
    scores = {
        "dup_line_ratio": line_ratio,
        "dup_line_char_ratio": ratio(line_characters, size),
        "dup_paragraph_ratio": paragraph_ratio,
        "dup_paragraph_char_ratio": ratio(paragraph_characters, size),
    }
    table = NgramTable(words) if len(words) >= MIN_WORDS_FOR_TABLE else None
    for n in TOP_NGRAMS:
        characters = table.top_characters(n) if table else top_ngram_characters(words, n)
        scores[f"top_{n}gram_char_ratio"] = ratio(characters, size)
    for n in DUPLICATE_NGRAMS:
        characters = table.duplicate_characters(n) if table else duplicate_ngram_characters(words, n)
        scores[f"dup_{n}gram_char_ratio"] = ratio(characters, size)
    return scores


def duplicates(elements: Sequence[str]) -> tuple[float, int]:
    """Second and later occurrences: their share of the elements, their characters."""
    seen: set[str] = set()
    number = characters = 0
    for element in elements:
        if element in seen:
            number += 1
            characters += len(element)
        else:
            seen.add(element)
    return ratio(number, len(elements)), characters


def top_ngram_characters(words: Sequence[str], n: int) -> int:
    """Length of the most frequent n-gram, written with spaces, times its count; the first one of equally frequent ones.

    A count of 1 counts too, so a text of few words can be all "repetition": that is how the rule was published.
    """
    ngrams = Counter([" ".join(words[i : i + n]) for i in range(len(words) - n + 1)])
    if not ngrams:
        return 0
    ngram, count = ngrams.most_common(1)[0]
    return len(ngram) * count


def duplicate_ngram_characters(words: Sequence[str], n: int) -> int:
    """Characters of n-grams that occurred before, scanning from the left and jumping over each one that is counted."""
    ngrams = ["".join(words[i : i + n]) for i in range(len(words) - n + 1)]
    if len(set(ngrams)) == len(ngrams):  # most short texts end here
        return 0
    seen: set[str] = set()
    characters = position = 0
    while position < len(ngrams):
        ngram = ngrams[position]
        if ngram in seen:
            characters += len(ngram)
            position += n
        else:
            seen.add(ngram)
            position += 1
    return characters
