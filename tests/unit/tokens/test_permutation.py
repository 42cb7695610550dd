"""The order that is computed: a bijection for every size, another for every seed and epoch, and well shuffled."""

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from headrace.tokens.permutation import permute, permute_from, round_keys

KEYS = [(seed, epoch) for seed in (0, 1, 11, 10**12) for epoch in (0, 1, 2, 11)]


def test_every_index_lands_in_its_own_place_whatever_the_size() -> None:
    for size in (*range(1, 301), 4_095, 4_096, 4_097, 99_991):
        assert sorted(permute(np.arange(size), size, seed=7, epoch=3).tolist()) == list(range(size))


@given(start=st.integers(0, 10**12 - 1_000), seed=st.integers(0, 2**63), epoch=st.integers(0, 10**6))
def test_a_sample_of_a_huge_order_has_places_of_its_own(start: int, seed: int, epoch: int) -> None:
    places = permute(np.arange(start, start + 1_000), 10**12, seed=seed, epoch=epoch)

    assert len(np.unique(places)) == 1_000
    assert 0 <= places.min() <= places.max() < 10**12
    assert abs(np.diff(places)).min() > 1  # neighbours do not stay together


def permute_by_whole_arrays(index: np.ndarray, size: int, *, seed: int, epoch: int) -> np.ndarray:
    """The same network in NumPy, all places at once."""
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = [xxhash.xxh3_64_intdigest(f"{seed}/{epoch}/{number}".encode()) for number in range(4)]
    value = encrypt(index.astype(np.uint64), half_bits, keys)
    while (outside := value >= size).any():
        value[outside] = encrypt(value[outside], half_bits, keys)
    return value.astype(np.int64)


def encrypt(value: np.ndarray, half_bits: int, keys: list[int]) -> np.ndarray:
    shift, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = value >> shift, value & mask
    for key in keys:
        mixed = right ^ np.uint64(key)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & mask)
    return (left << shift) | right


@given(size=st.integers(1, 2**40), first=st.integers(0, 2**40), seed=st.integers(0, 2**63), epoch=st.integers(0, 99))
def test_places_are_those_of_plain_numpy(size: int, first: int, seed: int, epoch: int) -> None:
    index = np.arange(first % size, min(size, first % size + 50))
    wanted = permute_by_whole_arrays(index, size, seed=seed, epoch=epoch)

    assert np.array_equal(permute(index, size, seed=seed, epoch=epoch), wanted)
    out = np.empty(len(index), np.int64)
    permute_from(int(index[0]), out, size, round_keys(seed, epoch))
    assert np.array_equal(out, wanted)


def test_each_seed_and_epoch_has_its_own_order() -> None:
    orders = {tuple(permute(np.arange(200), 200, seed=seed, epoch=epoch).tolist()) for seed, epoch in KEYS}

    assert len(orders) == len(KEYS)


def test_a_place_depends_on_the_index_alone() -> None:
    whole = permute(np.arange(5_000), 5_000, seed=3, epoch=1)

    assert permute(np.array([[4_999, 0], [17, 2_500]]), 5_000, seed=3, epoch=1).tolist() == [
        [whole[4_999], whole[0]],
        [whole[17], whole[2_500]],
    ]


@pytest.mark.parametrize("size", [64, 1_000, 1_000_000])
def test_an_index_lands_anywhere_with_equal_chance(size: int) -> None:
    """Chi-squared over 16 regions and 4,000 epochs, for the first index, a middle one and the last."""
    for index in (0, size // 2, size - 1):
        places = np.array([permute(np.array([index]), size, seed=1, epoch=epoch)[0] for epoch in range(4_000)])
        counts = np.bincount(places * 16 // size, minlength=16)
        expected = 4_000 * np.bincount(np.arange(size) * 16 // size, minlength=16) / size

        assert ((counts - expected) ** 2 / expected).sum() < 44.3  # exceeded once in 10,000 by a uniform draw


def test_neighbours_are_spread_over_the_whole_order() -> None:
    places = permute(np.arange(10_000), 10_000, seed=1, epoch=0)

    assert abs(np.corrcoef(np.arange(10_000), places)[0, 1]) < 0.04  # four standard deviations of a random order
    assert abs(np.abs(np.diff(places)).mean() / 3_333 - 1) < 0.04
