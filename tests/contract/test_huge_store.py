"""A stream over a thousand million rows starts anywhere at once: nothing that grows with the store is read.

The files have their full sizes and hold what the steps that are looked at need; the rest of them are holes.
"""

import gc
import time
from pathlib import Path

import numpy as np
import pytest
from small_store import build_store

from headrace.store import Artefact
from headrace.tokens import BatchStream, TokenStore
from headrace.tokens.indexed import HEADER, MAGIC
from headrace.tokens.packing import SEGMENT

NUM_ROWS, ROW_TOKENS, BATCH_ROWS = 10**9, 16, 32
STEPS = (0, 1, 10_000, NUM_ROWS // BATCH_ROWS // 2, NUM_ROWS // BATCH_ROWS - 1, 3 * NUM_ROWS // BATCH_ROWS)


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """Row r is document r, of 16 tokens that all are r mod 60,000."""
    root = tmp_path_factory.mktemp("huge")
    small = build_store(root, [[[1, 0]]], row_tokens=ROW_TOKENS)
    folder = small.artefact.path
    prefix = folder / "train-00000"
    prefix.with_suffix(".idx").write_bytes(HEADER.pack(MAGIC, 1, 8, NUM_ROWS, NUM_ROWS + 1))
    stretch(prefix.with_suffix(".idx"), HEADER.size + 12 * NUM_ROWS + 8 * (NUM_ROWS + 1))
    stretch(prefix.with_suffix(".bin"), 2 * ROW_TOKENS * NUM_ROWS)
    stretch_array(folder / "train.rows.npy", np.dtype(np.int64), NUM_ROWS + 1)
    stretch_array(folder / "train.segments.npy", SEGMENT, NUM_ROWS)
    write_rows(folder, np.array([NUM_ROWS - 1]))
    stream = BatchStream(TokenStore(small.artefact, "train"), end_token=0, seed=7, batch_rows=BATCH_ROWS)
    for step in STEPS:
        write_rows(folder, stream.row_numbers(step))
    return small.artefact


def stretch(path: Path, size_bytes: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size_bytes)


def stretch_array(path: Path, kind: np.dtype, length: int) -> None:
    np.lib.format.open_memmap(path, "w+", kind, (length,))


def write_rows(folder: Path, rows: np.ndarray) -> None:
    starts = np.load(folder / "train.rows.npy", mmap_mode="r+")
    segments = np.load(folder / "train.segments.npy", mmap_mode="r+")
    index = folder / "train-00000.idx"
    lengths = np.memmap(index, np.int32, "r+", HEADER.size, (NUM_ROWS,))
    pointers = np.memmap(index, np.int64, "r+", HEADER.size + 4 * NUM_ROWS, (NUM_ROWS,))
    ids = np.memmap(folder / "train-00000.bin", np.uint16, "r+", 0, (NUM_ROWS, ROW_TOKENS))
    for row in rows.tolist():
        starts[row : row + 2] = row, row + 1
        segments[row] = (row, 0, ROW_TOKENS)
        lengths[row], pointers[row], ids[row] = ROW_TOKENS, 2 * ROW_TOKENS * row, row % 60_000


def test_the_batch_of_any_step_is_there_within_50_ms_of_opening(huge: Artefact) -> None:
    def seconds_of(step: int) -> float:
        start = time.process_time()
        stream = BatchStream(TokenStore(huge, "train"), end_token=0, seed=7, batch_rows=BATCH_ROWS)
        batch = stream.batch(step)
        seconds = time.process_time() - start
        rows = stream.row_numbers(step)
        assert batch.documents_BT[:, 0].tolist() == rows.tolist()
        assert np.array_equal(batch.targets_BT, np.repeat(rows[:, None] % 60_000, ROW_TOKENS, axis=1))
        return seconds

    seconds_of(0)  # loads the kernels
    gc.collect()
    slowest = max(min(seconds_of(step) for _ in range(3)) for step in STEPS)

    print(f"a store of {NUM_ROWS:,} rows: opened and a batch gathered in {1e3 * slowest:.1f} ms of CPU time")
    assert slowest < 0.05


def test_the_order_of_so_many_rows_repeats_none_within_an_epoch(huge: Artefact) -> None:
    stream = BatchStream(TokenStore(huge, "train"), end_token=0, seed=7, batch_rows=100_000)

    rows = np.concatenate([stream.row_numbers(step) for step in (0, 4_999, 9_999)])

    assert len(np.unique(rows)) == len(rows)
    assert rows.min() >= 0
    assert rows.max() < NUM_ROWS
