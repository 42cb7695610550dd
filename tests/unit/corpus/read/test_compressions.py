"""Streams that are cut, flipped, joined, packed a thousandfold or packed twice."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard

from headrace.corpus.raw_file import RawFile
from headrace.corpus.read import RawDocument, Record
from headrace.corpus.read.streams import open_blocks
from headrace.errors import InputError, RecipeError

Read = Callable[..., list[Record]]
SortOut = Callable[[list[Record]], tuple[list[str], list[tuple[int, str]]]]
LINES = b"".join(b'{"text": "%d is a number, and so is %d"}\n' % (n, n * 7919 % 10_007) for n in range(3_000))
BOMB_BYTES = 30_000_000
BLOCK_LIMIT = 1 << 21

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}
KINDS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.6, 0.999])
@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_cut_file_is_an_error(suffix: str, cut: float, read: Read, tmp_path: Path) -> None:
    data = COMPRESS[suffix](LINES)
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(data[: int(len(data) * cut)])

    with pytest.raises(InputError, match=rf"a\.jsonl\.{suffix}: not a whole {KINDS[suffix]} file"):
        read(path=f"a.jsonl.{suffix}")


@pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.9, 0.9999])
@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_flipped_bit_is_an_error(suffix: str, place: float, read: Read, tmp_path: Path) -> None:
    data = bytearray(COMPRESS[suffix](LINES))
    data[max(8, int(len(data) * place))] ^= 0x10
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(data)

    with pytest.raises(InputError, match=rf"a\.jsonl\.{suffix}"):
        read(path=f"a.jsonl.{suffix}")


@pytest.mark.parametrize("suffix", COMPRESS)
def test_rubbish_after_the_last_stream_is_an_error(suffix: str, read: Read, tmp_path: Path) -> None:
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(COMPRESS[suffix](LINES) + b"rubbish of some length")

    with pytest.raises(InputError, match="not a whole"):
        read(path=f"a.jsonl.{suffix}")


@pytest.mark.parametrize("suffix", COMPRESS)
def test_streams_in_a_row_are_read_whole(suffix: str, read: Read, tmp_path: Path) -> None:
    pieces = [LINES[at : at + 9_999] for at in range(0, len(LINES), 9_999)]
    (tmp_path / f"a.jsonl.{suffix}").write_bytes(b"".join(map(COMPRESS[suffix], pieces)))

    records = read(path=f"a.jsonl.{suffix}")

    assert len(records) == 3_000
    assert all(isinstance(record, RawDocument) for record in records)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_bomb_comes_in_small_blocks(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(COMPRESS[suffix](bytes(BOMB_BYTES)))

    sizes = list(map(len, open_blocks(RawFile(str(path), "a"), KINDS[suffix])))  # type: ignore[arg-type]

    assert sum(sizes) == BOMB_BYTES
    assert max(sizes) <= BLOCK_LIMIT


def packed_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "inside")
    return file.getvalue()


def packed_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


ARCHIVES = {"zip": packed_zip, "tar": packed_tar} | {suffix: partial(pack, LINES) for suffix, pack in COMPRESS.items()}


@pytest.mark.parametrize("archive", ARCHIVES)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl.gz", "a.html.zst", "a.csv"])
def test_an_archive_within_is_one_damaged_record(
    name: str, archive: str, read: Read, sorted_out: SortOut, tmp_path: Path
) -> None:
    pack = COMPRESS.get(name.rpartition(".")[2], bytes)
    (tmp_path / name).write_bytes(pack(ARCHIVES[archive]()))
    (tmp_path / "b.txt").write_text("sound")

    assert sorted_out(read(path=[name, "b.txt"])) == (["sound"], [(0, "nested_archive")])


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.tgz", "a.7z"])
def test_an_archive_is_refused_by_name(name: str, read: Read, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")

    with pytest.raises(RecipeError, match=rf"{name} is an archive .* Unpack it"):
        read(path=name, format="text")
