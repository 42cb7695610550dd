"""Clusters are those of a plain search, whatever the limit, the units and the order in which work is done."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.corpus.deduplicate.clusters import choose_survivors, cluster
from headrace.corpus.deduplicate.keys import open_keys, read_keys, write_keys
from headrace.corpus.deduplicate.partitions import plan_partitions
from headrace.errors import CapacityError, StoreError

LARGE = 1 << 30


def spread(values: list[list[int]]) -> np.ndarray:
    """Small numbers as keys that look like hashes."""
    return np.array(values, np.uint64) * np.uint64(0x9E3779B97F4A7C15) if values else np.empty((0, 2), np.uint64)


def plain_clusters(keys: list[list[int]], takes_part: list[bool]) -> list[int]:
    """Label of each row: repeat taking the smallest label among rows with an equal key until nothing changes."""
    labels = list(range(len(keys)))
    changed = True
    while changed:
        changed = False
        for row, own in enumerate(keys):
            for other, theirs in enumerate(keys[:row]):
                is_pair = (
                    takes_part[row] and takes_part[other] and any(a == b for a, b in zip(own, theirs, strict=True))
                )
                if is_pair and labels[row] != labels[other]:
                    labels[row] = labels[other] = min(labels[row], labels[other])
                    changed = True
    return labels


def clusters_of(folder: Path, keys: np.ndarray, *, units: int = 1, **given: Any) -> list[int]:
    paths = [folder / f"keys-{unit}.npy" for unit in range(units)]
    for path, part in zip(paths, np.array_split(keys, units), strict=True):
        write_keys(path, part)
    labels = cluster(paths, folder=folder / "scratch", **{"memory_limit_bytes": LARGE, **given})
    return list(map(int, labels))


def backwards(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    return [function(item) for item in reversed(list(items))]


ROWS = st.lists(st.tuples(*[st.integers(0, 12)] * 3, st.booleans()), min_size=1, max_size=30)


@given(rows=ROWS, units=st.integers(1, 4))
@settings(max_examples=60)
def test_clusters_are_those_of_a_plain_search(rows: list[tuple[int, int, int, bool]], units: int) -> None:
    keys, takes_part = [list(row[:3]) for row in rows], [row[3] for row in rows]
    with TemporaryDirectory() as folder:
        found = clusters_of(Path(folder), spread(keys), units=units, takes_part=np.array(takes_part))

    assert found == plain_clusters(keys, takes_part)


@pytest.mark.parametrize("map_function", [map, backwards])
@pytest.mark.parametrize("limit", [1, 100_000, LARGE])
@pytest.mark.parametrize("num_processes", [1, 7])
def test_limit_workers_and_order_change_nothing(
    tmp_path: Path, map_function: Any, limit: int, num_processes: int
) -> None:
    random = np.random.default_rng(3)
    keys = random.integers(0, 15_000, (6_000, 3), np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    keys[random.integers(0, 6_000, 500), 1] = 42
    for name in "ab":
        (tmp_path / name).mkdir()
    in_memory = clusters_of(tmp_path / "a", keys)

    found = clusters_of(
        tmp_path / "b",
        keys,
        units=5,
        memory_limit_bytes=limit,
        num_processes=num_processes,
        map_function=map_function,
    )

    assert found == in_memory
    assert 100 < len(set(found)) < 6_000


def test_a_key_that_all_share_costs_no_more_than_its_documents(tmp_path: Path) -> None:
    keys = np.full((400_000, 2), 7, np.uint64)

    assert set(clusters_of(tmp_path, keys)) == {0}


def test_a_killed_run_uses_what_was_joined(tmp_path: Path) -> None:
    keys = spread([[1, 2], [1, 3], [4, 3], [5, 6]])

    def killed(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        yield function(next(iter(items)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clusters_of(tmp_path, keys, map_function=killed)
    (kept,) = (tmp_path / "scratch").glob("edges-*")
    before = kept.stat().st_mtime_ns

    assert clusters_of(tmp_path, keys, map_function=lambda f, items: [f(i) for i in items]) == [0, 0, 0, 3]
    assert not kept.exists()
    assert before


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from headrace.corpus.deduplicate.clusters import cluster
from headrace.corpus.deduplicate.keys import write_keys

folder, num_rows, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
write_keys(folder / "small.npy", np.zeros((10, 1), np.uint64))
cluster([folder / "small.npy"], folder=folder / "s", memory_limit_bytes=limit)  # compiles or loads the kernels
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
paths = [folder / f"keys-{unit}.npy" for unit in range(20)]
labels = cluster(paths, folder=folder / "scratch", memory_limit_bytes=limit)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024, int((labels != np.arange(num_rows)).sum()))
"""


def test_memory_stays_under_the_limit(tmp_path: Path) -> None:
    num_rows, limit = 2_000_000, 40_000_000
    random = np.random.default_rng(1)
    for unit in range(20):
        write_keys(
            tmp_path / f"keys-{unit}.npy", random.integers(0, 1 << 24, (num_rows // 20, 4), np.uint64) << np.uint64(40)
        )

    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), str(num_rows), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    grown_bytes, num_duplicates = map(int, done.stdout.split())

    assert num_duplicates > 100_000
    assert grown_bytes < limit + 8_000_000  # 4 MB of buffers, and what the allocator keeps


def test_an_absurd_limit_is_refused() -> None:
    with pytest.raises(CapacityError, match="Raise the memory limit"):
        plan_partitions(10**9, 1000)


def test_keys_survive_the_disk_and_damage_is_noticed(tmp_path: Path) -> None:
    keys = spread([[1, 2], [3, 4], [5, 6]])
    write_keys(tmp_path / "k.npy", keys)

    assert np.array_equal(read_keys(tmp_path / "k.npy"), keys)
    (tmp_path / "k.npy").write_bytes((tmp_path / "k.npy").read_bytes()[:-1])
    with pytest.raises(StoreError, match="not the keys that were written"):
        open_keys(tmp_path / "k.npy")


LABELLED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=20)


@given(rows=LABELLED, num_indexed=st.integers(0, 4))
def test_the_preferred_document_stays_and_nothing_indexed_goes(rows: list[tuple[int, int]], num_indexed: int) -> None:
    groups = [group for group, _ in rows]
    preference = np.array([value for _, value in rows], np.float64)
    labels = np.array([groups.index(group) for group in groups])

    survivors = choose_survivors(labels, preference=preference, num_indexed=num_indexed)

    for row, survivor in enumerate(survivors):
        members = np.flatnonzero(labels == labels[row])
        if row < num_indexed:
            assert survivor == row
        elif members[0] < num_indexed:
            assert survivor == members[0]
        else:
            assert survivor == max(members, key=lambda member: (preference[member], -member))
    assert np.array_equal(survivors[survivors], survivors)


def test_by_default_the_first_stays() -> None:
    assert choose_survivors(np.array([0, 1, 0, 1, 4, 0])).tolist() == [0, 1, 0, 1, 4, 0]
