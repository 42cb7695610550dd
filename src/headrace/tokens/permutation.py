"""An order that is computed, not stored: a keyed permutation of [0, n) in constant memory.

A four-round Feistel network on the smallest even number of bits that holds n, walked until the value falls below n
(at most four walks on average). Source: Black & Rogaway 2002, Ciphers with Arbitrary Finite Domains, method 2 and
section 4.
"""

from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from headrace.corpus.kernel import kernel

ROUNDS = 4


def permute(index: NDArray[np.int64], size: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Where each index lands in the order of this seed and epoch: a bijection of [0, size).

    index: any shape, each in [0, size). Good enough to shuffle data; not a cipher.
    """
    assert size > 0, "nothing to permute"
    assert index.size == 0 or (index.min() >= 0 and index.max() < size), f"index out of [0, {size})"
    places = index.astype(np.int64)
    permute_in_place(places.reshape(-1), size, round_keys(seed, epoch))
    return places


@lru_cache(maxsize=1024)
def round_keys(*name: int) -> NDArray[np.uint64]:
    """The keys of the order that some numbers name."""
    text = "/".join(map(str, name))
    return np.array([xxhash.xxh3_64_intdigest(f"{text}/{number}".encode()) for number in range(ROUNDS)], np.uint64)


@kernel
def permute_in_place(places_N: NDArray[np.int64], size: int, keys_R: NDArray[np.uint64]) -> None:
    """Replaces each place in [0, size) by where it lands."""
    half_bits = half_of_bits(size)
    for i in range(len(places_N)):
        places_N[i] = permuted(places_N[i], size, half_bits, keys_R)


@kernel
def permute_from(first: int, places_N: NDArray[np.int64], size: int, keys_R: NDArray[np.uint64]) -> None:
    """Where the places from `first` on land, as many as `places_N` holds."""
    half_bits = half_of_bits(size)
    for i in range(len(places_N)):
        places_N[i] = permuted(first + i, size, half_bits, keys_R)


@kernel
def half_of_bits(size: int) -> int:
    """Half the smallest even number of bits that holds every place below `size`."""
    half_bits = 1
    while (size - 1) >> (2 * half_bits):
        half_bits += 1
    return half_bits


@kernel
def permuted(place: int, size: int, half_bits: int, keys_R: NDArray[np.uint64]) -> int:
    """Where one place in [0, size) lands."""
    shift, mask = np.uint64(half_bits), (np.uint64(1) << np.uint64(half_bits)) - np.uint64(1)
    value = np.uint64(place)
    while True:
        left, right = value >> shift, value & mask
        for number in range(ROUNDS):
            left, right = right, left ^ (mix(right ^ keys_R[number]) & mask)
        value = (left << shift) | right
        if value < np.uint64(size):
            return np.int64(value)  # type: ignore[return-value]  # an int to everybody else


@kernel
def mix(value: np.uint64) -> np.uint64:
    """The finaliser of SplitMix64: every input bit reaches every output bit. Source: Steele et al. 2014, OOPSLA."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
