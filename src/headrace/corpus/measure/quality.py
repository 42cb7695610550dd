"""Gopher's quality scores: what the words and the lines of a text are like.

Source: arXiv 2112.11446, Table A1; definitions of datatrove's GopherQualityFilter.
"""

from collections import Counter
from collections.abc import Sequence

PUNCTUATION = frozenset(
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
).union(map(chr, (*range(9), 11, 12, *range(13, 32), *range(127, 160))))
"""datatrove's set, character by character (its full-width "１" included), so that counts agree with its."""

STOP_WORDS: dict[str, frozenset[str]] = {
    "en": frozenset(("the", "be", "to", "of", "and", "that", "have", "with")),
    "zh": frozenset("的年在月是和日了於·為有被人中为他與後也而由"),
}

ELLIPSES = ("...", "…")
BULLETS = ("•", "-")


def ratio(part: float, whole: float) -> float:
    """part / whole, and 0 if there is no whole."""
    return part / whole if whole else 0.0


def score_words(words: Sequence[str], language: str) -> dict[str, float]:
    """Number and mean length of words that are not punctuation, share of words with a letter, number of stop words."""
    counts = Counter(words)
    num_words = num_letters = num_alphabetic = 0
    for word, count in counts.items():
        if word.isalpha():
            num_alphabetic += count
        elif PUNCTUATION.issuperset(word):
            continue
        elif any(map(str.isalpha, word)):
            num_alphabetic += count
        num_words += count
        num_letters += count * len(word)
    return {
        "num_words": num_words,
        "mean_word_length": ratio(num_letters, num_words),
        "alpha_word_ratio": ratio(num_alphabetic, len(words)),
        "num_stop_words": len(STOP_WORDS.get(language, frozenset()).intersection(counts)),
    }


def score_characters(text: str, num_words: int) -> dict[str, float]:
    """Hash signs and ellipses per word (`num_words` with punctuation), shares of digits and of white space."""
    num_ellipses = text.count("...") + text.count("…")
    num_spaces = len(text) - sum(map(len, text.split()))
    return {
        "hash_ratio": ratio(text.count("#"), num_words),
        "ellipsis_ratio": ratio(num_ellipses, num_words),
        "digit_ratio": ratio(_count_digits(text), len(text)),
        "whitespace_ratio": ratio(num_spaces, len(text)),
    }


def score_lines(text: str) -> dict[str, float]:
    """Number of lines, share that begins with a bullet or hyphen, share that ends with an ellipsis."""
    lines = text.splitlines()
    return {
        "num_lines": len(lines),
        "bullet_line_ratio": ratio(sum(line.lstrip().startswith(BULLETS) for line in lines), len(lines)),
        "ellipsis_line_ratio": ratio(sum(line.rstrip().endswith(ELLIPSES) for line in lines), len(lines)),
    }


def _count_digits(text: str) -> int:
    if text.isascii():
        return sum(map(text.count, "0123456789"))
    return sum(map(str.isdecimal, text))
