"""Whatever happens to a published byte is noticed, and the file is named."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import StoreError
from headrace.store import Artefact, StepSpec, Store, Workspace

Build = Callable[[Workspace], Mapping[str, Any]]
Spec = Callable[..., StepSpec]
FILES = ["data.bin", "shards/0.txt"]


@pytest.fixture
def artefact(store: Store, spec: Spec, build: Build) -> Artefact:
    return store.ensure(spec(), build)


@pytest.mark.parametrize("name", FILES)
def test_every_single_flipped_bit_is_noticed(name: str, artefact: Artefact) -> None:
    path = artefact.path / name
    whole = path.read_bytes()
    for index in range(len(whole)):
        flipped = bytearray(whole)
        flipped[index] ^= 1 << index % 8
        path.write_bytes(flipped)
        assert artefact.problems() == [
            f"{path}: its SHA-256 is not the published one, so some of its bytes have changed."
        ]
    path.write_bytes(whole)
    artefact.verify()


@given(name=st.sampled_from(FILES), data=st.binary(max_size=300))
@settings(max_examples=60)
def test_no_other_content_passes(name: str, data: bytes, artefact: Artefact) -> None:
    path = artefact.path / name
    whole = path.read_bytes()
    path.write_bytes(data)
    try:
        assert bool(artefact.problems()) == (data != whole)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_cut_or_grown_is_noticed_with_both_sizes(name: str, change: int, artefact: Artefact) -> None:
    path = artefact.path / name
    whole = path.read_bytes()
    path.write_bytes(whole[:change] if change < 0 else whole + b"\0")

    with pytest.raises(StoreError, match=rf"{name}: {len(whole) + change} bytes, published with {len(whole)}\..*gc"):
        artefact.verify()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_noticed(name: str, artefact: Artefact) -> None:
    (artefact.path / name).unlink()

    with pytest.raises(StoreError, match=rf"{name}: the file is missing"):
        artefact.verify()


def test_every_damaged_file_is_listed(artefact: Artefact) -> None:
    for name in FILES:
        (artefact.path / name).unlink()

    assert artefact.problems() == [f"{artefact.path / name}: the file is missing." for name in FILES]


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"step": "x"}'], ids=repr)
def test_a_manifest_that_is_none_is_a_problem_of_its_artefact(data: bytes, artefact: Artefact) -> None:
    (artefact.path / "manifest.json").write_bytes(data)
    damaged = Artefact(artefact.path)

    assert damaged.problems() == [f"{artefact.path}/manifest.json: missing, or not a whole manifest."]
    with pytest.raises(StoreError, match=r"manifest\.json: .*gc --damaged"):
        _ = damaged.manifest


def test_a_manifest_cut_anywhere_is_noticed(artefact: Artefact) -> None:
    path = artefact.path / "manifest.json"
    whole = path.read_bytes()
    for length in range(0, len(whole), 9):
        path.write_bytes(whole[:length])
        assert Artefact(artefact.path).problems()
