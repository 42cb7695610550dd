"""A file that is damaged as a whole stops the run by name; a file in several pieces is read whole."""

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from headrace.errors import InputError
from headrace.store import Artefact

Measure = Callable[..., Artefact]
Table = Callable[[Artefact, str], pl.DataFrame]

Compress = Callable[[bytes], bytes]

LINES = b"".join(b'{"text": "%d is a number, and so is %d"}\n' % (n, n * 7919 % 10_007) for n in range(3_000))


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=False).compress(data)


def zst_checked(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def flipped(data: bytes, place: float) -> bytes:
    index = int(len(data) * place)
    return data[:index] + bytes([data[index] ^ 0x10]) + data[index + 1 :]


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.6, 0.999])
@pytest.mark.parametrize(("suffix", "compress"), [("gz", gz), ("zst", zst), ("zst", zst_checked)])
def test_a_cut_file_is_an_error_wherever_it_is_cut(
    suffix: str, compress: Compress, cut: float, measure: Measure, tmp_path: Path
) -> None:
    data = compress(LINES)
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(data[: int(len(data) * cut)])

    with pytest.raises(InputError, match=rf"a\.jsonl\.{suffix}: not a whole"):
        measure(path=f"a.jsonl.{suffix}")
    assert not list((tmp_path / "store").glob("measured-*"))


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
@pytest.mark.parametrize(("suffix", "compress"), [("gz", gz), ("zst", zst_checked)])
def test_a_flipped_bit_in_a_file_with_checksums_is_an_error(
    suffix: str, compress: Compress, place: float, measure: Measure, tmp_path: Path
) -> None:
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(flipped(compress(LINES), place))

    with pytest.raises(InputError, match=rf"a\.jsonl\.{suffix}"):
        measure(path=f"a.jsonl.{suffix}")


def test_a_second_frame_cut_off_is_an_error_too(measure: Measure, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.zst").write_bytes(zst(LINES) + zst(LINES)[:40])

    with pytest.raises(InputError, match="middle of a frame"):
        measure(path="a.jsonl.zst")


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gz), ("zst", zst), ("zst", zst_checked)])
def test_files_in_several_frames_are_read_whole(
    suffix: str, compress: Compress, measure: Measure, table: Table, tmp_path: Path
) -> None:
    half = len(LINES) // 2
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(compress(LINES[:half]) + compress(LINES[half:]))

    measured = measure(path=f"a.jsonl.{suffix}")

    assert measured.summary["documents"] == 3_000
    assert measured.summary["files_without_checksum"] == (compress is zst)
    first = table(measured, "scores-*").row(1500, named=True)
    assert LINES[first["offset"] :].startswith(b'{"text": "1500 is')


def test_a_compression_bomb_is_read_in_bounded_pieces(measure: Measure, tmp_path: Path) -> None:
    bomb = zst(b" " * 300_000_000)
    (tmp_path / "a.jsonl.zst").write_bytes(zst(LINES) + bomb + zst(b"\n" + LINES))

    measured = measure(path="a.jsonl.zst")

    assert measured.summary["quarantine_reasons"] == {"record_too_large": 1}
    assert measured.summary["documents"] == 6_000


@pytest.mark.parametrize("damage", ["cut", "flipped", "footer"])
def test_a_damaged_parquet_file_is_an_error(damage: str, measure: Measure, table: Table, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    texts = [f"{n} is a number, and so is {n * 7919 % 10_007}" for n in range(3_000)]
    pq.write_table(pa.table({"text": texts}), path, write_page_checksum=True)
    data = path.read_bytes()
    path.write_bytes({"cut": data[: len(data) // 2], "flipped": flipped(data, 0.5), "footer": data[:-8]}[damage])

    with pytest.raises(InputError, match=r"t\.parquet"):
        measure(path="t.parquet")
