"""Instructions on many bytes at once give what looking at one after the other gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.kernel import lean_kernel
from headrace.corpus.measure.bits import between_at, count_ones, eight_at, first_one, marked_at

arrays = st.binary(min_size=80, max_size=80).map(lambda data: np.frombuffer(data, np.uint8).copy())
places, byte_values = st.integers(0, 16), st.integers(0, 255)


@lean_kernel
def looked_at(
    data: np.ndarray, place: int, first: int, number: int
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64]:
    here = np.uint64(place)
    marked = marked_at(data, here, np.uint8(first))
    between = between_at(data, here, np.uint8(first), np.uint8(number))
    return eight_at(data, here), marked, between, count_ones(marked), first_one(marked | np.uint64(1 << 63))


@given(arrays, places, byte_values, byte_values)
def test_many_bytes_are_what_each_of_them_is(data: np.ndarray, place: int, first: int, number: int) -> None:
    eight, marked, between, ones, lowest = map(int, looked_at(data, place, first, number))
    some = data[place : place + 64].tolist()

    assert eight == int.from_bytes(data[place : place + 8].tobytes(), "little")
    assert marked == sum((byte & first != 0) << k for k, byte in enumerate(some))
    assert between == sum(((byte - first) % 256 < number) << k for k, byte in enumerate(some))
    assert ones == marked.bit_count()
    assert lowest == next(k for k in range(64) if k == 63 or marked >> k & 1)
