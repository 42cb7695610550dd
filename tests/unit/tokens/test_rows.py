"""Rows filled by compiled code are those that plain Python fills, whatever lies in the store."""

import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_store import build_store

from headrace.errors import StoreError
from headrace.tokens import IGNORED, Batch, TokenStore
from headrace.tokens.batch import PADDING_DOCUMENT
from headrace.tokens.pool import KEPT_BLOCKS, Pool
from headrace.tokens.rows import RowGatherer

END = 0
NAMES = ("tokens_BT", "targets_BT", "positions_BT", "documents_BT")

TOKEN = st.integers(0, 399)
DOCUMENT = st.lists(TOKEN, max_size=40).map(lambda ids: [*ids, END])
SHARDS = st.lists(st.lists(DOCUMENT, max_size=6), min_size=1, max_size=4).filter(any)


def fill_slowly(store: TokenStore, rows: list[int], masks: list[np.ndarray] | None = None) -> list[np.ndarray]:
    """Tokens, targets, positions, documents, one number at a time."""
    plan, learnt = store.plan, None if masks is None else np.concatenate(masks).tolist()
    begins = [0, *np.cumsum(store.lengths).tolist()]
    filled = []
    for row in rows:
        for record in plan.segments[plan.row_starts[row] : plan.row_starts[row + 1]].tolist():
            document, start, length = record
            ids = store.document(document).tolist()
            for token in range(start, start + length):
                counts = learnt is None or learnt[begins[document] + token]
                before = ids[token - 1] if token else END
                filled.append((before, ids[token] if counts else IGNORED, token - start, document))
        filled += [(END, IGNORED, 0, PADDING_DOCUMENT)] * (-len(filled) % plan.row_tokens)
    return list(np.array(filled, np.int32).reshape(len(rows), plan.row_tokens, 4).transpose(2, 0, 1))


def arrays_of(batch: Batch) -> list[np.ndarray]:
    return [getattr(batch, name) for name in NAMES]


@given(shards=SHARDS, row_tokens=st.integers(1, 24), masked=st.booleans(), large=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=60)
def test_rows_are_those_of_a_slow_loop(
    shards: list[list[list[int]]],
    row_tokens: int,
    masked: bool,
    large: bool,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    generator = np.random.default_rng(seed)
    masks = [generator.integers(0, 2, sum(map(len, documents)), np.uint8) for documents in shards] if masked else None
    store = build_store(
        tmp_path_factory.mktemp("store"),
        shards,
        row_tokens=row_tokens,
        masks=masks,
        vocabulary_size=100_000 if large else 400,
    )
    rows = generator.integers(0, store.plan.num_rows, 7)

    batch = RowGatherer(store, END).gather(rows)

    for found, wanted in zip(arrays_of(batch), fill_slowly(store, rows.tolist(), masks), strict=True):
        assert np.array_equal(found, wanted)
    assert batch.num_targets == np.count_nonzero(batch.targets_BT >= 0)


def test_no_rows_are_an_empty_batch(tmp_path: Path) -> None:
    store = build_store(tmp_path, [[[1, 2, END]]], row_tokens=4)

    assert RowGatherer(store, END).gather(np.empty(0, np.int64)).tokens_BT.shape == (0, 4)


def test_ids_of_the_whole_range_come_out_as_they_are(tmp_path: Path) -> None:
    for size, ids in ((65_499, [1, 65_498, END]), (2**31 - 1, [2**31 - 2, 70_000, END])):
        store = build_store(tmp_path / str(size), [[ids]], row_tokens=3, vocabulary_size=size)

        assert RowGatherer(store, END).gather(np.array([0])).targets_BT.tolist() == [ids]


def test_shards_of_different_types_are_refused(tmp_path: Path) -> None:
    store = build_store(tmp_path, [[[1, END]], [[2, END]]], row_tokens=4)
    from headrace.tokens.indexed import write_indexed

    folder = next(tmp_path.glob("tokens-*"))
    write_indexed(folder / "train-00001", np.array([70_000, END], np.int32), np.array([2], np.int32))

    with pytest.raises(StoreError, match="ids of different types"):
        TokenStore(store.artefact, "train")


def test_memory_is_used_again_only_when_nobody_looks_at_it() -> None:
    pool = Pool()
    held = [np.ndarray((2, 3), np.int32, memory, block.start) for block, memory in (pool.take(24) for _ in range(3))]
    views = [array[1, 1:] for array in held]
    addresses = {array.ctypes.data for array in held}
    assert len(addresses) == 3
    del held

    assert pool.take(24)[0].address not in addresses  # the views still look at the others
    assert pool.take(24)[0].address not in addresses
    del views
    assert pool.take(24)[0].address in addresses


def test_threads_that_gather_at_once_get_rows_of_their_own(tmp_path: Path) -> None:
    documents = [[number + 1] * 30 for number in range(64)]
    gatherer = RowGatherer(build_store(tmp_path, [documents], row_tokens=30), END)

    def gather(number: int) -> bool:
        rows = np.arange(number % 60, number % 60 + 4)
        batch = gatherer.gather(rows)
        time.sleep(0)  # lets another thread in
        return batch.targets_BT.tolist() == [[row + 1] * 30 for row in batch.documents_BT[:, 0].tolist()]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(gather, range(3_000)))


def test_a_tensor_keeps_its_memory() -> None:
    torch = pytest.importorskip("torch")
    pool = Pool()
    block, memory = pool.take(128)
    array = np.ndarray((4, 8), np.int32, memory, block.start)
    array[:] = 7
    tensor = torch.from_numpy(array[2:])
    del array, block, memory

    for _ in range(2 * KEPT_BLOCKS):
        pool.take(128)[1][:] = 1

    assert tensor.tolist() == [[7] * 8] * 2


@pytest.mark.parametrize("size_bytes", [0, 1, 64, 100])
def test_memory_begins_with_a_cache_line(size_bytes: int) -> None:
    block, _ = Pool().take(size_bytes)

    assert block.address % 64 == 0
    assert block.memory.ctypes.data + block.start == block.address
    assert block.start + size_bytes <= block.memory.nbytes


def test_positions_of_long_rows_take_more_bits(tmp_path: Path) -> None:
    for row_tokens, kind in ((32_768, np.int16), (32_769, np.int32)):
        store = build_store(tmp_path / str(row_tokens), [[[1] * row_tokens, [2] * 5]], row_tokens=row_tokens)
        batch = RowGatherer(store, END).gather(np.arange(2))
        assert batch.positions_BT.dtype == kind
        assert batch.positions_BT[0].tolist() == list(range(row_tokens))


def test_naming_a_stream_does_not_load_the_compiler() -> None:
    code = textwrap.dedent("""
        import sys
        import headrace.tokens.config, headrace.tokens.stream
        sys.exit("numba" in sys.modules)
    """)
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ)).returncode == 0
