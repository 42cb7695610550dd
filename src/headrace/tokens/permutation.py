"""An order that is computed, not stored: a keyed permutation of [0, n) in constant memory.

A four-round Feistel network on the smallest even number of bits that holds n, walked until the value falls below n
(at most four walks on average). Source: Black & Rogaway 2002, Ciphers with Arbitrary Finite Domains, method 2 and
section 4.
"""

import numpy as np
import xxhash
from numpy.typing import NDArray

ROUNDS = 4


def permute(index: NDArray[np.int64], size: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Where each index lands in the order of this seed and epoch: a bijection of [0, size).

    index: any shape, each in [0, size). Good enough to shuffle data; not a cipher.
    """
    assert size > 0, "nothing to permute"
    assert index.size == 0 or (index.min() >= 0 and index.max() < size), f"index out of [0, {size})"
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = [xxhash.xxh3_64_intdigest(f"{seed}/{epoch}/{number}".encode()) for number in range(ROUNDS)]
    value = _encrypt(index.astype(np.uint64), half_bits, keys)
    while (outside := value >= size).any():
        value[outside] = _encrypt(value[outside], half_bits, keys)
    return value.astype(np.int64)


def _encrypt(value: NDArray[np.uint64], half_bits: int, keys: list[int]) -> NDArray[np.uint64]:
    shift, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = value >> shift, value & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ np.uint64(key)) & mask)
    return (left << shift) | right


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64: every input bit reaches every output bit. Source: Steele et al. 2014, OOPSLA."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
