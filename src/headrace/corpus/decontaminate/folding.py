"""Which characters count as equal when a document is compared with an evaluation item.

Lower case; accents, apostrophes and invisible characters left out; full-width and other compatibility forms as the
plain ones; punctuation and symbols separate words like white space. Traditional and simplified characters differ.
"""

import unicodedata
from functools import cache

import numpy as np

from headrace.corpus.code_points import NUM_TABLED
from headrace.corpus.deduplicate.tokens import IGNORED, SINGLE, SPACE, Letters, is_unspaced
from headrace.corpus.texts import read_only

APOSTROPHES = "'’‘ʼ＇"


@cache
def folded_letters() -> Letters:
    """The table for `tokenize`."""
    return read_only(np.array([_fold(chr(code)) for code in range(NUM_TABLED)], np.uint32))


def _fold(character: str) -> int:
    if _is_ignored(character):
        return IGNORED
    plain = [part for part in unicodedata.normalize("NFKD", character.lower()) if not _is_ignored(part)]
    folded = plain[0] if len(plain) == 1 else character.lower()[0]
    category = unicodedata.category(folded)
    if category[0] not in "LN" and category != "Mc":
        return SPACE
    return ord(folded) | SINGLE if is_unspaced(ord(folded)) else ord(folded)


def _is_ignored(character: str) -> bool:
    return character in APOSTROPHES or unicodedata.category(character) in ("Mn", "Me", "Cf")
