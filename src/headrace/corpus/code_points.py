"""Code points of UTF-8 bytes, and hashes of tokens, for kernels."""

import numpy as np

from headrace.corpus.kernel import kernel

NUM_TABLED = 0x20000
"""Code points that tables by code point have entries for; all ideographs and oddities above are alike."""


@kernel
def size_of(lead: int) -> int:
    """Bytes of the character that begins with a byte."""
    if lead < 0x80:
        return 1
    if lead < 0xE0:
        return 2
    return 3 if lead < 0xF0 else 4


@kernel
def code_point_at(data: np.ndarray, position: int, size: int) -> int:
    """The character of `size` bytes that begins at a position."""
    lead = int(data[position])
    if size == 1:
        return lead
    code = lead & (0x7F >> size)
    for follower in range(position + 1, position + size):
        code = code << 6 | int(data[follower]) & 0x3F
    return code


@kernel
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which every bit of the input moves half of the output (splitmix64's finaliser)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@kernel
def hash_some(hashes: np.ndarray, starts: np.ndarray, length: int, out: np.ndarray) -> None:
    """out[i]: what `hash_runs` gives for the run that begins at token starts[i]; it must fit."""
    for index in range(len(starts)):
        rolling = np.uint64(0)
        for token in range(starts[index], starts[index] + length):
            rolling = rolling * MULTIPLIER + hashes[token]
        out[index] = mix(rolling)


@kernel
def hash_runs(hashes: np.ndarray, firsts: np.ndarray, length: int, out: np.ndarray) -> None:
    """Hashes every `length` tokens in a row of a document; documents do not run into each other.

    hashes: uint64 (T,) of tokens. firsts: int64 (D + 1,), document d's tokens are [firsts[d], firsts[d + 1]).
    out: uint64 (T,); out[i] is the hash of tokens [i, i + length), undefined where the document ends before.
    """
    oldest = np.uint64(1)
    for _ in range(length):
        oldest *= MULTIPLIER
    for document in range(len(firsts) - 1):
        begin, end = firsts[document], firsts[document + 1]
        rolling = np.uint64(0)
        for token in range(begin, end):
            rolling = rolling * MULTIPLIER + hashes[token]
            if token >= begin + length:
                rolling -= oldest * hashes[token - length]
            if token >= begin + length - 1:
                out[token - length + 1] = mix(rolling)
