"""The token files are Megatron's: a reader written from the format's description finds every document."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_road import END, Road

from headrace.errors import StoreError
from headrace.tokens import TokenStore
from headrace.tokens.indexed import read_indexed, token_type, write_indexed


def read_as_megatron_does(prefix: Path) -> list[list[int]]:
    """megatron/core/datasets/indexed_dataset.py, `_IndexReader`, in plain Python."""
    with prefix.with_suffix(".idx").open("rb") as file:
        assert file.read(9) == b"MMIDIDX\x00\x00"
        assert struct.unpack("<Q", file.read(8)) == (1,)
        letter = {1: "B", 2: "b", 3: "h", 4: "i", 5: "q", 6: "d", 7: "f", 8: "H"}[file.read(1)[0]]
        (num_sequences,) = struct.unpack("<Q", file.read(8))
        (num_bounds,) = struct.unpack("<Q", file.read(8))
        lengths = struct.unpack(f"<{num_sequences}i", file.read(4 * num_sequences))
        pointers = struct.unpack(f"<{num_sequences}q", file.read(8 * num_sequences))
        bounds = struct.unpack(f"<{num_bounds}q", file.read(8 * num_bounds))
        assert file.read() == b""
    assert bounds == tuple(range(num_sequences + 1))
    data = prefix.with_suffix(".bin").read_bytes()
    return [list(struct.unpack_from(f"<{n}{letter}", data, p)) for n, p in zip(lengths, pointers, strict=True)]


def test_another_reader_finds_the_documents_of_a_store(road: Road) -> None:
    store = TokenStore(road.tokens, "train")

    prefixes = [path.with_suffix("") for path in sorted(road.tokens.path.glob("train-*.idx"))]
    documents = [document for prefix in prefixes for document in read_as_megatron_does(prefix)]

    assert len(prefixes) == 2
    assert documents == [store.document(number).tolist() for number in range(store.num_documents)]
    assert all(document[-1] == END for document in documents)


@given(
    lengths=st.lists(st.integers(1, 40), max_size=20), largest=st.sampled_from([2, 65_499, 65_500, 65_536, 2**31 - 1])
)
def test_another_reader_finds_what_was_written(
    lengths: list[int], largest: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    prefix = tmp_path_factory.mktemp("indexed") / "shard"
    ids = np.random.default_rng(1).integers(0, largest, sum(lengths)).astype(token_type(largest))

    write_indexed(prefix, ids, np.array(lengths, np.int32))

    assert read_as_megatron_does(prefix) == [part.tolist() for part in np.split(ids, np.cumsum(lengths))[:-1]]
    again = read_indexed(prefix)
    assert again.ids.dtype == ids.dtype
    assert (again.ids.tolist(), again.lengths.tolist()) == (ids.tolist(), lengths)


def test_ids_take_two_bytes_below_megatrons_bound_and_four_from_there(tmp_path: Path) -> None:
    for size, num_bytes in ((65_499, 2), (65_500, 4), (200_000, 4)):
        write_indexed(tmp_path / "shard", np.full(6, size - 1, token_type(size)), np.array([6], np.int32))

        assert (tmp_path / "shard.bin").stat().st_size == 6 * num_bytes
        assert read_as_megatron_does(tmp_path / "shard") == [[size - 1] * 6]


@pytest.mark.parametrize("suffix", [".idx", ".bin"])
def test_a_file_that_is_cut_anywhere_or_grown_is_refused_by_name(suffix: str, tmp_path: Path) -> None:
    prefix = tmp_path / "shard"
    write_indexed(prefix, np.arange(12, dtype=np.uint16), np.array([5, 4, 3], np.int32))
    whole = prefix.with_suffix(suffix).read_bytes()

    for damaged in (*(whole[:cut] for cut in range(len(whole))), whole + b"\0"):
        prefix.with_suffix(suffix).write_bytes(damaged)
        with pytest.raises(StoreError, match=rf"shard\{suffix}: "):
            read_indexed(prefix)


@pytest.mark.parametrize(("place", "value"), [(0, b"X"), (9, b"\x02"), (17, b"\x05"), (26, b"\x09")])
def test_an_index_of_another_kind_is_refused(place: int, value: bytes, tmp_path: Path) -> None:
    prefix = tmp_path / "shard"
    write_indexed(prefix, np.arange(12, dtype=np.uint16), np.array([5, 4, 3], np.int32))
    index = bytearray(prefix.with_suffix(".idx").read_bytes())
    index[place : place + 1] = value
    prefix.with_suffix(".idx").write_bytes(index)

    with pytest.raises(StoreError, match="not a Megatron index"):
        read_indexed(prefix)
