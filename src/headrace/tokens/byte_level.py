"""Bytes as visible signs, the way byte-level vocabularies are written down.

Bytes that are visible in Latin-1 stand for themselves, the others for the code points from 256 on.
Source: GPT-2, encoder.py, `bytes_to_unicode`.
"""

VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(256) if byte not in set(VISIBLE)]
_SIGNS = {byte: chr(byte) for byte in VISIBLE} | {byte: chr(256 + rank) for rank, byte in enumerate(_HIDDEN)}
_BYTES = {sign: byte for byte, sign in _SIGNS.items()}

ALPHABET = sorted(_BYTES)
"""All 256 signs, in the order in which they get the first numbers of a trained vocabulary."""


def to_signs(data: bytes) -> str:
    """Bytes as signs, one each."""
    return "".join(map(_SIGNS.__getitem__, data))


def to_bytes(signs: str) -> bytes:
    """What signs stand for. Raises KeyError for a sign that stands for no byte."""
    return bytes(map(_BYTES.__getitem__, signs))
