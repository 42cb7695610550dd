"""Personal data out of texts, English and Chinese: in comes a batch of texts, out come the texts with placeholders.

A kernel walks over the bytes and marks the few stretches that can hold a value at all; only there do regular
expressions look, and checksums, numbering plans and the words around decide. Promised: a value beside a Chinese
character is found as one between spaces, in full-width letters and digits too; the rest of the text stays byte for
byte. Not promised: names, addresses and birthdays of people, which no pattern can tell.
"""

from headrace.corpus.redact.config import KINDS, Kind, RedactConfig

__all__ = ["KINDS", "Kind", "RedactConfig"]
