"""What shingles and keys are, in plain Python: slow, and short enough to be seen to be right."""

import re
import unicodedata

from headrace.corpus.deduplicate.folding import UNSPACED
from headrace.corpus.deduplicate.minhash import permutations

MASK = (1 << 64) - 1
OF_CHARACTERS, OF_WORDS = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
NUMBER = re.compile(r"\d+(?:[.,،٫⎖⎗⎘]\d+)?")


def word(number: int) -> str:
    """A word of letters, as all numbers are one."""
    return "".join(chr(97 + (number >> 4 * place) % 16) for place in range(4))


def fold(text: str, *, fold_numbers: bool = True) -> str:
    """Lower case, numbers 0 or in European digits, punctuation to spaces, no accents."""
    text = text.lower().replace("ς", "σ")
    text = NUMBER.sub("0", text) if fold_numbers else "".join(map(european, text))
    return "".join(map(fold_character, text))


def european(character: str) -> str:
    return str(unicodedata.digit(character)) if unicodedata.category(character) == "Nd" else character


def fold_character(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "PSZ" or category == "Cc":
        return " "
    if category == "Cf":
        return ""
    apart = unicodedata.normalize("NFD", character)
    return unicodedata.normalize("NFC", "".join(part for part in apart if unicodedata.category(part) != "Mn"))


def is_unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in UNSPACED)


def words_of(text: str, unit: str, *, fold_numbers: bool = True) -> list[str]:
    folded = fold(text, fold_numbers=fold_numbers)
    if unit == "characters":
        return list(folded.replace(" ", ""))
    if unit == "auto":
        folded = "".join(f" {character} " if is_unspaced(character) else character for character in folded)
    return [word for word in folded.split(" ") if word]


def mix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def polynomial(values: list[int], base: int) -> int:
    total = 0
    for value in values:
        total = (total * base + value) & MASK
    return total


def shingles_of(text: str, unit: str, ngram: int) -> list[int]:
    words = [polynomial(list(map(ord, word)), OF_CHARACTERS) for word in words_of(text, unit)]
    if not words:
        return [mix(polynomial([byte + 1 for byte in text.encode()], OF_CHARACTERS))]
    runs = [words[i : i + ngram] for i in range(len(words) - ngram + 1)] or [words]
    return [mix(polynomial(run, OF_WORDS)) for run in runs]


def keys_of(text: str, unit: str, ngram: int, bands: int, rows: int) -> list[int]:
    values = [shingle >> 32 for shingle in shingles_of(text, unit, ngram)]
    multipliers, flips = (array.tolist() for array in permutations(bands * rows))
    minima = [
        min(multiplier * (value ^ flip) & 0xFFFFFFFF for value in values)
        for multiplier, flip in zip(multipliers, flips, strict=True)
    ]
    keys = []
    for band in range(bands):
        key = band + 1
        for minimum in minima[band * rows : (band + 1) * rows]:
            key = mix(key ^ minimum)
        keys.append(key)
    return keys
