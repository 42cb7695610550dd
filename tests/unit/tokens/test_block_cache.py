"""Blocks on the disk: how much they take, whoever writes and whoever is killed, and that no wrong one is handed out."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from headrace.tokens.block_sums import BLOCK_BYTES, block_sum, read_sums, write_sums
from headrace.tokens.remote.block_cache import BlockCache

LIMIT = 200_000
SIZES = (100, 5_000, 30_000)


def block_of(number: int) -> bytes:
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


def name_of(number: int) -> str:
    return f"store/train-00000.bin/{number:08d}"


def use_for_ever(folder: Path, seed: int) -> None:
    """Puts and takes blocks until somebody kills this process."""
    choose, cache = random.Random(seed), BlockCache(folder, LIMIT)
    while True:
        numbers = choose.sample(range(60), 4)
        cache.put({name_of(number): block_of(number) for number in numbers})
        for number in numbers:
            taken = cache.take(name_of(number), block_sum(block_of(number)))
            assert taken in (None, block_of(number))


def test_what_is_put_is_taken_and_what_is_damaged_is_not(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path / "blocks", LIMIT)
    cache.put({name_of(1): block_of(1)})
    assert cache.take(name_of(1), block_sum(block_of(1))) == block_of(1)
    assert cache.take(name_of(2), block_sum(block_of(2))) is None
    (tmp_path / "blocks" / name_of(1)).write_bytes(block_of(1)[:-1])
    assert cache.take(name_of(1), block_sum(block_of(1))) is None
    cache.put({name_of(1): block_of(1)})
    assert cache.take(name_of(1), block_sum(block_of(1))) == block_of(1)


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache, block = BlockCache(tmp_path, 10_000), bytes(1_000)
    for number in range(10):
        cache.put({f"s/f/{number}": block})
        os.utime(tmp_path / f"s/f/{number}", ns=(number, number))
    assert cache.take("s/f/0", block_sum(block)) == block
    cache.put({"s/f/10": block})
    there = {path.name for path in (tmp_path / "s/f").iterdir()}
    assert {"0", "10"} <= there
    assert "1" not in there
    assert cache.size_bytes <= 10_000


def test_a_block_larger_than_all_the_room_is_not_kept(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path, 10)
    cache.put({"s/f/0": bytes(11), "s/f/1": bytes(10)})
    assert cache.take("s/f/0", block_sum(bytes(11))) is None
    assert cache.take("s/f/1", block_sum(bytes(10))) == bytes(10)


def test_the_room_is_never_exceeded_by_processes_that_share_it_and_are_killed(tmp_path: Path) -> None:
    context, largest, choose = multiprocessing.get_context("fork"), 0, random.Random(3)
    workers = [context.Process(target=use_for_ever, args=(tmp_path, seed), daemon=True) for seed in range(3)]
    for worker in workers:
        worker.start()
    try:
        for round_number in range(12):
            time.sleep(choose.uniform(0.02, 0.08))
            largest = max(largest, BlockCache(tmp_path, LIMIT).size_bytes)
            victim = workers[round_number % 3]
            assert victim.is_alive()
            os.kill(victim.pid or 0, signal.SIGKILL)
            victim.join()
            workers[round_number % 3] = context.Process(target=use_for_ever, args=(tmp_path, 10 + round_number))
            workers[round_number % 3].start()
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert 0.5 * LIMIT < largest <= LIMIT
    cache = BlockCache(tmp_path, LIMIT)
    cache.put({f"other/{number}": block_of(3 * number + 1) for number in range(100)})
    assert 0.5 * LIMIT < cache.size_bytes <= LIMIT
    assert not list(tmp_path.rglob("*.tmp*"))


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_sums_are_those_of_the_blocks(size: int, tmp_path: Path) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "x.bin").write_bytes(data)
    write_sums(tmp_path / "x.bin")
    assert read_sums(tmp_path / "x.bin").tolist() == [
        block_sum(data[start : start + BLOCK_BYTES]) for start in range(0, size, BLOCK_BYTES)
    ]
