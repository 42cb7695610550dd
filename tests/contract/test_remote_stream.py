"""A stream over a store that lies elsewhere: the same batches, however little is kept, whatever happens to it."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest
from small_store import build_store

from headrace.errors import InputError, StoreError
from headrace.store import Artefact
from headrace.tokens import Batch, BatchStream, TokenStore
from headrace.tokens.read_ahead import read_ahead
from headrace.tokens.remote import objects
from headrace.tokens.remote.source import RemoteSource

STEPS = 24


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """Three shards, one with a mask, of several blocks each."""
    random = np.random.default_rng(5)
    lengths = [random.integers(0, 700, 300) for _ in range(3)]
    shards = [[random.integers(0, 400, length).tolist() for length in each] for each in lengths]
    mask = random.integers(0, 2, int(lengths[1].sum())).astype(np.uint8)
    return build_store(tmp_path_factory.mktemp("local"), shards, row_tokens=128, masks=[None, mask, None])


@pytest.fixture
def uploaded(local: TokenStore) -> Iterator[str]:
    """The store in fsspec's store in memory."""
    url, memory = f"memory://bucket/{local.artefact.address}", fsspec.filesystem("memory")
    memory.put(f"{local.artefact.path}/", f"{url}/", recursive=True)
    yield url
    memory.rm("/bucket", recursive=True)


@pytest.fixture
def stub(local: TokenStore, tmp_path: Path) -> Artefact:
    """All but ids and masks."""
    folder = tmp_path / local.artefact.address
    shutil.copytree(local.artefact.path, folder, ignore=shutil.ignore_patterns("*.bin", "*.mask"))
    return Artefact(folder)


def open_remote(stub: Artefact, url: str, folder: Path, *, cache_bytes: int = 10_000_000) -> TokenStore:
    source = RemoteSource(url=url, name=stub.address, cache_folder=str(folder), cache_bytes=cache_bytes)
    return TokenStore(stub, "train", remote=source)


def stream_of(store: TokenStore, **given: int) -> BatchStream:
    return BatchStream(store, end_token=3, seed=7, batch_rows=16, **given)


def equal(one: Batch, other: Batch) -> bool:
    names = ("tokens_BT", "targets_BT", "positions_BT", "documents_BT")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize("cache_bytes", [10_000_000, 150_000, 1])
def test_batches_are_those_of_the_local_store_however_little_is_kept(
    cache_bytes: int, local: TokenStore, stub: Artefact, uploaded: str, tmp_path: Path
) -> None:
    remote = open_remote(stub, uploaded, tmp_path / "blocks", cache_bytes=cache_bytes)
    here, there = stream_of(local), stream_of(remote)
    assert all(equal(here.batch(step), there.batch(step)) for step in (*range(STEPS), *range(1_000_000, 1_000_003)))
    assert (
        sum(path.stat().st_size for path in (tmp_path / "blocks" / stub.address).rglob("*") if path.is_file())
        <= cache_bytes
    )
    for number in (0, 299, 300, 899):
        assert np.array_equal(local.document(number), remote.document(number))


def test_threads_and_ranks_change_nothing(local: TokenStore, stub: Artefact, uploaded: str, tmp_path: Path) -> None:
    stores = [open_remote(stub, uploaded, tmp_path / "blocks", cache_bytes=150_000) for _ in range(2)]
    ahead = read_ahead(stream_of(stores[0]), 0, STEPS, num_threads=4)
    assert all(equal(stream_of(local).batch(step), batch) for step, batch in enumerate(ahead))
    for rank, store in enumerate(stores):
        here = stream_of(local, rank=rank, world_size=2)
        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(stream_of(store, rank=rank, world_size=2).batch, range(STEPS)))
        assert all(equal(here.batch(step), batch) for step, batch in enumerate(found))


def test_blocks_that_are_here_are_not_fetched_again(stub: Artefact, uploaded: str, tmp_path: Path) -> None:
    first = stream_of(open_remote(stub, uploaded, tmp_path / "blocks"))
    wanted = [first.batch(step) for step in range(STEPS)]
    for path in fsspec.filesystem("memory").glob(f"{uploaded}/*.bin"):
        fsspec.filesystem("memory").rm(path)
    again = stream_of(open_remote(stub, uploaded, tmp_path / "blocks"))
    assert all(equal(batch, again.batch(step)) for step, batch in enumerate(wanted))


def test_a_block_that_was_damaged_on_the_disk_is_fetched_again(
    local: TokenStore, stub: Artefact, uploaded: str, tmp_path: Path
) -> None:
    stream = stream_of(open_remote(stub, uploaded, tmp_path / "blocks"))
    stream.batch(0)
    kept = [path for path in (tmp_path / "blocks").rglob("0*") if path.is_file()]
    for path in kept:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert kept
    assert equal(stream.batch(0), stream_of(local).batch(0))


def test_ids_that_are_not_those_published_are_refused(stub: Artefact, uploaded: str, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path in memory.glob(f"{uploaded}/*.bin"):
        memory.pipe(path, bytes(len(memory.cat(path))))
    with pytest.raises(StoreError, match=r"train-0000\d\.bin: bytes [\d,]+ to [\d,]+ are not those published"):
        stream_of(open_remote(stub, uploaded, tmp_path / "blocks")).batch(0)


def test_a_store_that_has_gone_is_named(stub: Artefact, uploaded: str, tmp_path: Path) -> None:
    for path in fsspec.filesystem("memory").glob(f"{uploaded}/*.bin"):
        fsspec.filesystem("memory").rm(path)
    with pytest.raises(InputError, match="cannot be read"):
        stream_of(open_remote(stub, uploaded, tmp_path / "blocks")).batch(0)


def test_requests_that_fail_are_made_again(
    local: TokenStore, stub: Artefact, uploaded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.001)
    memory, failures = fsspec.filesystem("memory"), iter([OSError("reset"), TimeoutError("slow")])
    real = type(memory).cat_ranges

    def sometimes(self: object, *args: object, **kwargs: object) -> object:
        if error := next(failures, None):
            raise error
        return real(self, *args, **kwargs)

    monkeypatch.setattr(type(memory), "cat_ranges", sometimes)
    batch = stream_of(open_remote(stub, uploaded, tmp_path / "blocks")).batch(0)
    assert equal(batch, stream_of(local).batch(0))


def test_a_network_that_stays_away_is_said(
    stub: Artefact, uploaded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.001)

    def never(*_: object, **__: object) -> object:
        raise ConnectionError("no route")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_ranges", never)
    with pytest.raises(StoreError, match=r"after 5 attempts \(ConnectionError: no route\)"):
        stream_of(open_remote(stub, uploaded, tmp_path / "blocks")).batch(0)
