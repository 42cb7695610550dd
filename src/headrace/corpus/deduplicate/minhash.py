"""MinHash: a few numbers per document that agree where documents share most of their n-grams.

Of all shingles of a text, each of bands x rows hash functions keeps the smallest value; two texts agree in one of them
with the probability of their Jaccard similarity. The values of a band together are hashed into one key.
Every shingle is one 64-bit hash whose upper half is permuted by x -> multiplier * (x xor flip) modulo 2**32, multiplier
odd: one multiplication of 32 bits for each function, 16 at once on a machine with 512-bit registers. A permutation of
random numbers has its smallest value anywhere with equal chance, so every function is unbiased; the flips keep two
functions from being multiples of each other.
"""

from functools import cache

import numpy as np

from headrace.corpus.code_points import mix
from headrace.corpus.deduplicate.config import MinHashConfig
from headrace.corpus.deduplicate.folding import NO_HAN, Han, folding_table
from headrace.corpus.deduplicate.shingles import (
    IS_DONE,
    PIECE_WORDS,
    STATE_SIZE,
    Hashes,
    next_shingles,
)
from headrace.corpus.kernel import kernel
from headrace.corpus.texts import Texts, read_only

FAMILY = 0x68656164  # any number would do; another one makes all keys of earlier runs useless
LARGEST = np.uint32(0xFFFFFFFF)


@cache
def permutations(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Odd multipliers and flips, uint32 (number,), the same for ever."""
    random = np.random.Generator(np.random.PCG64(FAMILY))
    drawn = random.integers(0, 1 << 32, (number, 2), np.uint32)
    multipliers, flips = np.ascontiguousarray(drawn[:, 0] | np.uint32(1)), np.ascontiguousarray(drawn[:, 1])
    return read_only(multipliers), read_only(flips)


@kernel
def lower(minima: np.ndarray, values: np.ndarray, multipliers: np.ndarray, flips: np.ndarray) -> None:
    """Lowers each function's minimum to the smallest of its values; a reduction that compilers vectorise."""
    for function in range(len(minima)):
        multiplier, flip = multipliers[function], flips[function]
        least = minima[function]
        for index in range(len(values)):
            least = min(least, np.uint32(multiplier * (values[index] ^ flip)))
        minima[function] = least


@kernel
def narrow(shingles: np.ndarray, values: np.ndarray) -> None:
    """The upper halves."""
    for index in range(len(shingles)):
        values[index] = np.uint32(shingles[index] >> np.uint64(32))


@kernel
def hash_bands(minima: np.ndarray, keys: np.ndarray) -> None:
    """One key for each band of minima."""
    rows = len(minima) // len(keys)
    for band in range(len(keys)):
        key = np.uint64(band + 1)
        for function in range(band * rows, (band + 1) * rows):
            key = mix(key ^ np.uint64(minima[function]))
        keys[band] = key


@kernel
def sign(
    data: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    ngram: int,
    multipliers: np.ndarray,
    flips: np.ndarray,
    keys: np.ndarray,
) -> None:
    """Fills keys, uint64 (N, bands)."""
    words, shingles = np.empty(PIECE_WORDS, np.uint64), np.empty(PIECE_WORDS, np.uint64)
    values, minima = np.empty(PIECE_WORDS, np.uint32), np.empty(len(multipliers), np.uint32)
    state = np.zeros(STATE_SIZE, np.int64)
    for row in range(len(keys)):
        text = data[offsets[row] : offsets[row + 1]]
        state[:] = 0
        minima[:] = LARGEST
        while state[IS_DONE] == 0:
            number = next_shingles(text, table, words, shingles, state, ngram)
            narrow(shingles[:number], values)
            lower(minima, values[:number], multipliers, flips)
        hash_bands(minima, keys[row])


def band_keys(texts: Texts, config: MinHashConfig, *, han: Han = NO_HAN) -> Hashes:
    """(N, bands) keys; two texts are candidates if they agree in any column."""
    multipliers, flips = permutations(config.bands * config.rows)
    keys = np.empty((len(texts), config.bands), np.uint64)
    sign(
        texts.data,
        texts.offsets,
        folding_table(config.unit, han, fold_numbers=config.fold_numbers),
        config.ngram,
        multipliers,
        flips,
        keys,
    )
    return keys
