"""What the scores mean, in plain Python: slow, and the judge of the kernels. Not the code under test."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from math import isqrt
from typing import Any

from headrace.corpus.measure.characters import HAN_RANGES, NO_SENTENCE_STOP, SYMBOLS, TERMINAL_PUNCTUATION
from headrace.corpus.measure.stop_words import FUNCTION_WORDS, STOP_WORDS
from headrace.corpus.measure.tools import LONGEST_TOLD_APART

PUNCTUATION = SYMBOLS | TERMINAL_PUNCTUATION
SENTENCE_ENDS = TERMINAL_PUNCTUATION - NO_SENTENCE_STOP
CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
ENDS = (".", "?", "!", '"', "'")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads"
    r"|views|followers)\W*$"
)
NOTICES = tuple(
    re.compile(notice, re.I | re.A) for notice in (r"\s?read more\.\.\.$", r"^sign-in\s?", r"\s?items in cart")
)


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def duplicates(elements: Sequence[str]) -> tuple[int, int]:
    """Second and later occurrences, and their characters."""
    seen: set[str] = set()
    again = []
    for element in elements:
        if element in seen:
            again.append(element)
        seen.add(element)
    return len(again), sum(map(len, again))


def top_ngram_characters(words: Sequence[str], n: int) -> int:
    ngrams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if not ngrams:
        return 0
    ngram, count = ngrams.most_common(1)[0]
    return len(" ".join(ngram)) * count


def duplicate_ngram_characters(words: Sequence[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    characters = position = 0
    while position + n <= len(words):
        ngram = tuple(words[position : position + n])
        if ngram in seen:
            characters += sum(map(len, ngram))
            position += n
        else:
            seen.add(ngram)
            position += 1
    return characters


def repeated_ngrams(words: Sequence[str], n: int) -> int:
    counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return sum(count for count in counts.values() if count > 1)


def character_repetition(text: str, n: int) -> float:
    counts = sorted(Counter(text[i : i + n] for i in range(len(text) - n + 1)).values(), reverse=True)
    repeated = sum(count > 1 for count in counts)
    return ratio(sum(counts[: min(isqrt(len(counts)), repeated)]), sum(counts))


def num_sentences(words: Sequence[str]) -> int:
    number, stopped = int(bool(words)), False
    for word in words:
        if word in SENTENCE_ENDS:
            stopped = True
        elif stopped and not all(unicodedata.category(character)[0] == "P" for character in word):
            number, stopped = number + 1, False
    return number


def fineweb(text: str, num_words: int) -> dict[str, float]:
    lines = [line for line in text.split("\n") if line.strip()]
    return {
        "terminal_line_ratio": ratio(sum(line[-1] in TERMINAL_PUNCTUATION for line in lines), len(lines)),
        "short_line_ratio": ratio(sum(len(line) <= 30 for line in lines), len(lines)),
        "dup_nonblank_line_char_ratio": ratio(duplicates(lines)[1], len(text.replace("\n", ""))),
        "new_line_ratio": ratio(text.count("\n"), num_words),
    }


def c4_lines(text: str, *, terminal_punctuation: bool) -> tuple[list[str], int, int]:
    """The lines that C4 keeps, and how many of them have lorem ipsum and curly brackets."""
    kept, num_lorem, num_curly = [], 0, 0
    for line in map(str.strip, text.splitlines()):
        words = line.split()
        cleaned = CITATION.sub("", line)
        lower = cleaned.lower()
        if any(len(word) > 1000 for word in words) or len(words) < 3:
            continue
        if terminal_punctuation and (not cleaned.endswith(ENDS) or cleaned.endswith("...")):
            continue
        if "lorem ipsum" in lower:
            num_lorem += 1
        elif "javascript" in lower:
            continue
        elif "{" in cleaned:
            num_curly += 1
        elif any(phrase in lower for phrase in POLICY):
            continue
        kept.append(cleaned)
    return kept, num_lorem, num_curly


def refinedweb_text(text: str) -> str:
    """What RefinedWeb's line rules leave, but for the squeezing of empty lines."""
    kept = []
    for line in text.split("\n"):
        words = line.split()
        if line and (sum(map(str.isupper, line)) > 0.5 * len(line) or COUNTER.search(line.lower()) or len(words) < 2):
            continue
        found = next(filter(None, (notice.search(line) for notice in NOTICES)), None) if len(words) <= 10 else None
        rest = line[: found.start()] + line[found.end() :] if found else line
        if line.strip() and not rest.strip():
            continue
        kept.append(rest)
    return "\n".join(kept)


def score_words(words: list[str], language: str) -> dict[str, Any]:
    plain = [word for word in words if not PUNCTUATION.issuperset(word)]
    lengths = sorted(map(len, plain))
    cut = [min(length, LONGEST_TOLD_APART) for length in lengths]
    little = FUNCTION_WORDS.get(language, "").split()
    forms = {form for word in little for form in (word, word.capitalize(), word.upper())}
    return {
        "num_words": len(plain),
        "mean_word_length": ratio(sum(lengths), len(lengths)),
        "median_word_length": (cut[(len(cut) - 1) // 2] + cut[len(cut) // 2]) / 2 if cut else 0,
        "max_word_length": max(lengths, default=0),
        "alpha_word_ratio": ratio(sum(any(map(str.isalpha, word)) for word in words), len(words)),
        "num_stop_words": len(set(STOP_WORDS.get(language, ())) & set(words)),
        "stop_word_ratio": ratio(sum(word in forms for word in words), len(words)),
        "num_sentences": num_sentences(words),
        **{f"top_{n}gram_chars": top_ngram_characters(words, n) for n in (2, 3, 4)},
        **{f"dup_{n}gram_chars": duplicate_ngram_characters(words, n) for n in range(5, 11)},
        **{f"repeated_{n}gram_ratio": ratio(repeated_ngrams(words, n), max(len(words) - n + 1, 0)) for n in (5, 10)},
    }


def score_lines(text: str) -> dict[str, float]:
    lines = text.splitlines()
    pieces, paragraphs = re.split(r"\n+", text), re.split(r"\n{2,}", text.strip())
    words_left = len(refinedweb_text(text).split())
    return {
        "num_lines": len(lines),
        "mean_line_length": ratio(len(text), len(lines)),
        "max_line_length": max(map(len, lines), default=0),
        "bullet_line_ratio": ratio(sum(line.lstrip().startswith(("•", "-")) for line in lines), len(lines)),
        "ellipsis_line_ratio": ratio(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "dup_line_ratio": ratio(duplicates(pieces)[0], len(pieces)),
        "dup_line_char_ratio": ratio(duplicates(pieces)[1], len(text)),
        "dup_paragraph_ratio": ratio(duplicates(paragraphs)[0], len(paragraphs)),
        "dup_paragraph_char_ratio": ratio(duplicates(paragraphs)[1], len(text)),
        "line_rule_word_ratio": ratio(len(text.split()) - words_left, len(text.split())),
    }


def score_characters(text: str, words: list[str]) -> dict[str, float]:
    size, lower = len(text), text.lower()
    return {
        "num_characters": size,
        "num_bytes": len(text.encode()),
        "digit_ratio": ratio(sum(map(str.isdecimal, text)), size),
        "whitespace_ratio": ratio(sum(map(str.isspace, text)), size),
        "uppercase_ratio": ratio(sum(map(str.isupper, text)), size),
        "alphanumeric_ratio": ratio(sum(map(str.isalnum, text)), size),
        "han_ratio": ratio(sum(any(a <= ord(sign) <= b for a, b in HAN_RANGES) for sign in text), size),
        "hash_ratio": ratio(text.count("#"), len(words)),
        "ellipsis_ratio": ratio(text.count("...") + text.count("…"), len(words)),
        "num_lorem_ipsum": lower.count("lorem ipsum"),
        "num_javascript": lower.count("javascript"),
        "num_curly_brackets": text.count("{"),
    }


def score(text: str, words: list[str], language: str) -> dict[str, float]:
    """Every score that has a plain definition, by the name of its column."""
    of_words = score_words(words, language)
    sums = {name: of_words.pop(name) for name in list(of_words) if name.endswith("_chars")}
    chinese = language == "zh"
    return {
        **of_words,
        **{name.replace("_chars", "_char_ratio"): ratio(value, len(text)) for name, value in sums.items()},
        **score_lines(text),
        **score_characters(text, words),
        **fineweb(text, len(words)),
        "character_repetition_ratio": character_repetition(text, 3 if chinese else 10),
    }
