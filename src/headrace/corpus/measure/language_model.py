"""py3langid's model as arrays for kernels: the same automaton and the same numbers, in a third of the memory.

Unpacking the model takes half a second, so the arrays are kept in the user's cache folder (70 MB), from where every
process maps the same memory in some milliseconds. The cache is checked whenever it is read, and made anew if damaged.
"""

import io
import lzma
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from py3langid.langid import MODEL_DIR, MODEL_FILE

from headrace.corpus.arrays import Arrays, cached_arrays

FORMAT = 1
"""Goes into the name of the cache: raise it when an array changes its meaning."""

UNIT = 2.0**-9
"""All log-probabilities of the model are multiples of this, so 16-bit integers hold them exactly."""

CLASSES_PADDED = 144
"""142 classes, and two that are never chosen, to fill whole vector registers."""

WRITTEN_CHINESE = frozenset({"zh", "yue", "wuu"})
"""Taken together as "zh": the model calls 9 % of 5,000 classical poems Cantonese or Wu, and all share a segmenter.

Measured so: 99.9 % of 3,000 poems, 100 % of 1,037 pieces of 30 Bible verses and 99.6 % of single verses are right.
"""

UPPER, NOT_UPPER, COMPOSES, LETTER, SPACE = 1, 2, 4, 8, 16
"""Properties of a character: upper case; lower or title case; NFC may change it or what is before it; ..."""

CHARACTERS = 0x32400
"""The properties are tabled up to here; what lies above (private use, variation selectors, tags) has none."""


class LanguageModel(NamedTuple):
    """S states, R distinct rows of transitions, F features, C classes (padded); all arrays are read-only."""

    next_state: npt.NDArray[np.uint32]
    """(R, 256)"""
    row_of: npt.NDArray[np.uint16]
    """(S,) row of transitions of each state."""
    feature_of: npt.NDArray[np.uint32]
    """(S,) feature that a visit of the state counts for; F for none."""
    evidence: npt.NDArray[np.int16]
    """((F + 1) * C,) log-probability of each feature in each class, in `UNIT`s; the last feature is no feature."""
    prior: npt.NDArray[np.float32]
    """(142,)"""
    answer: npt.NDArray[np.int64]
    """(142,) class that a class is counted for: the first of those with its code, or written Chinese."""
    properties: npt.NDArray[np.uint8]
    """(CHARACTERS,) properties of each character."""


@cache
def load_language_model() -> tuple[LanguageModel, tuple[str, ...]]:
    """The model, and the ISO 639 code of each class."""
    name = f"language-{FORMAT}-{version('py3langid')}-{unicodedata.unidata_version}"
    arrays = cached_arrays(name, (*LanguageModel._fields, "codes"), convert_model)
    codes = tuple(arrays.pop("codes").astype(str).tolist())
    return LanguageModel(**arrays), codes


def convert_model() -> Arrays:
    """The arrays of a `LanguageModel` from the file that py3langid ships."""
    with lzma.open(MODEL_DIR / MODEL_FILE) as file, np.load(io.BytesIO(file.read()), allow_pickle=False) as model:
        log_probabilities = model["ptc"].astype(np.float32) / np.float32(UNIT)
        num_features, num_classes = log_probabilities.shape
        evidence = np.zeros((num_features + 1, CLASSES_PADDED), np.int16)
        evidence[:-1, :num_classes] = log_probabilities
        assert (evidence[:-1, :num_classes] == log_probabilities).all(), "another model than this code was written for"
        codes = model["classes"].astype(str)
        features = model["out_feat"]
        return {
            "next_state": model["nextmove"].astype(np.uint32).reshape(-1, 256),
            "row_of": model["nextmove_row"].astype(np.uint16),
            "feature_of": np.where(features < 0, num_features, features).astype(np.uint32),
            "evidence": evidence.ravel(),
            "prior": model["pc"].astype(np.float32),
            "answer": _answers(codes.tolist()),
            "properties": character_properties(),
            "codes": codes,
        }


def _answers(codes: list[str]) -> npt.NDArray[np.int64]:
    return np.array([codes.index("zh" if code in WRITTEN_CHINESE else code) for code in codes], np.int64)


def character_properties() -> npt.NDArray[np.uint8]:
    """(CHARACTERS,) what `str.isupper`, `str.isalpha`, `str.isspace` and Unicode's composition go by."""
    properties = np.zeros(CHARACTERS, np.uint8)
    for code in range(CHARACTERS):
        character = chr(code)
        properties[code] = (
            UPPER * character.isupper()
            | NOT_UPPER * (character.islower() or (character.istitle() and not character.isupper()))
            | COMPOSES * (unicodedata.combining(character) > 0)
            | LETTER * character.isalpha()
            | SPACE * character.isspace()
        )
        for part in _recomposed(character):
            properties[part] |= COMPOSES
    return properties


def _recomposed(character: str) -> Iterator[int]:
    """Characters that composition makes or changes: this one if it has a short form, and second halves of pairs."""
    decomposition = unicodedata.decomposition(character)
    if decomposition and not decomposition.startswith("<"):
        yield from (int(part, 16) for part in decomposition.split()[1:])
        if not unicodedata.is_normalized("NFC", character):
            yield ord(character)
    if 0x1161 <= ord(character) <= 0x1175 or 0x11A8 <= ord(character) <= 0x11C2:  # Korean vowels and finals
        yield ord(character)
