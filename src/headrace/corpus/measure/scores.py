"""All scores of one text."""

import unicodedata
from typing import Literal

import xxhash

from headrace.corpus.measure.quality import score_characters, score_lines, score_words
from headrace.corpus.measure.repetition import score_repetition
from headrace.corpus.measure.words import split_words

Form = Literal["NFC", "NFKC", "none"]


def normalize_text(text: str, form: Form) -> str:
    """The text in one Unicode form and with "\\n" as its only line end, or untouched."""
    if form == "none":
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if unicodedata.is_normalized(form, text) else unicodedata.normalize(form, text)


def hash_content(text: str) -> str:
    """What equal documents share: 128-bit xxHash3 of the NFC text with every run of white space taken as one space."""
    words = " ".join(text.split())
    return xxhash.xxh3_128_hexdigest(unicodedata.normalize("NFC", words).encode())


def score_text(text: str, language: str) -> dict[str, float]:
    """Every score in `columns.TEXT_SCORES`, none of them null or NaN."""
    words = split_words(text, language)
    return {
        "num_characters": len(text),
        "num_bytes": len(text.encode()),
        **score_lines(text),
        **score_words(words, language),
        **score_characters(text, len(words)),
        **score_repetition(text, words),
    }
