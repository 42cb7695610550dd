"""Bytes whose encoding is said wrongly or not at all."""

import codecs
from collections.abc import Iterable

REFUSED = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined"})
"""Python's codecs that are no character sets; the first two take quadratic time."""


def decode_first(data: bytes, encodings: Iterable[str | None]) -> str | None:
    """The text by the first of the encodings that reads it whole; None if none does. None among them means UTF-8."""
    for encoding in encodings:
        try:
            if codecs.lookup(encoding or "utf-8").name not in REFUSED:
                return data.decode(encoding or "utf-8")
        except (UnicodeError, LookupError, ValueError):
            continue
    return None
