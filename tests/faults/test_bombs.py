"""D14: lines of a gigabyte and files that unpack to a gigabyte cost one record each, and little memory."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from corpus_runs import json_lines, kept_texts, print_figures, quarantine, run, sentences, write_recipe

GIGABYTE = 1_000_000_000
PIECE_BYTES = 50_000_000
MOST_MEMORY_BYTES = 512 << 20
BEGIN, END = b'{"text": "', b'"}\n'


def write_sparse_line(path: Path, good: bytes) -> None:
    """One line of a gigabyte, of which the disk holds a few bytes, between two halves of good records."""
    half = good.index(b"\n", len(good) // 2) + 1
    with path.open("wb") as file:
        file.write(good[:half] + BEGIN)
        file.seek(GIGABYTE, os.SEEK_CUR)
        file.write(END + good[half:])


def write_gzip_bomb(path: Path, good: bytes) -> None:
    """A line of a gigabyte in members that repeat, 1,000 : 1, after the good records."""
    piece = gzip.compress(b"x" * PIECE_BYTES)
    with path.open("wb") as file:
        file.write(gzip.compress(good + BEGIN))
        file.writelines(piece for _ in range(GIGABYTE // PIECE_BYTES))
        file.write(gzip.compress(END))


def write_zstd_bomb(path: Path, good: bytes) -> None:
    """The same in frames, 10,000 : 1 and more."""
    compressor = zstandard.ZstdCompressor()
    piece = compressor.compress(b"x" * PIECE_BYTES)
    with path.open("wb") as file:
        file.write(compressor.compress(good + BEGIN))
        file.writelines(piece for _ in range(GIGABYTE // PIECE_BYTES))
        file.write(compressor.compress(END))


@pytest.mark.parametrize(
    ("name", "write"),
    [("line.jsonl", write_sparse_line), ("bomb.jsonl.gz", write_gzip_bomb), ("bomb.jsonl.zst", write_zstd_bomb)],
    ids=["sparse line", "gzip", "zstd"],
)
def test_a_gigabyte_costs_one_record_and_little_memory(
    name: str, write: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    texts = sentences(1_000)
    write(tmp_path / name, json_lines(texts))
    done = run(write_recipe(tmp_path, {"name": "lines", "path": name}), tmp_path / "runs")

    assert done.code == 0, done.messages
    assert kept_texts(tmp_path / "runs") == texts
    (record,) = quarantine(tmp_path / "runs").to_dicts()
    assert record["reason"] == "record_too_large"
    assert record["size_bytes"] == GIGABYTE + len(BEGIN) + len(END) - 1
    assert done.peak_bytes <= MOST_MEMORY_BYTES
    packed = (tmp_path / name).stat().st_blocks * 512
    figures = {"peak_mb": done.peak_bytes / 1e6, "tree_mb": done.peak_tree_bytes / 1e6, "seconds": done.seconds}
    print_figures("D14", file=name, bytes_on_disk=packed, unpacked_bytes=GIGABYTE, **figures)


def test_an_archive_in_an_archive_costs_what_its_outer_layer_holds(tmp_path: Path) -> None:
    """Nothing is unpacked twice: what lies inside are bytes that are no text."""
    texts = sentences(1_000)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.jsonl").write_bytes(json_lines(texts))
    write_gzip_bomb(tmp_path / "inner.gz", b"")
    (tmp_path / "in" / "nested.jsonl.gz").write_bytes(
        gzip.compress(gzip.compress((tmp_path / "inner.gz").read_bytes()))
    )
    (tmp_path / "in" / "folder.tar.gz").write_bytes((tmp_path / "inner.gz").read_bytes())
    done = run(write_recipe(tmp_path, {"name": "lines", "path": "in"}), tmp_path / "runs")

    assert done.code == 0, done.messages
    assert kept_texts(tmp_path / "runs") == texts
    bad = quarantine(tmp_path / "runs")
    assert set(bad["file"]) == {"in/nested.jsonl.gz"}
    assert done.peak_bytes <= MOST_MEMORY_BYTES
    print_figures("D14 nested", quarantined=bad.height, peak_mb=done.peak_bytes / 1e6, seconds=done.seconds)
