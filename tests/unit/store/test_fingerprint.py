"""Files are known by their bytes, and not read again while size and time say that nothing has changed."""

import os
from pathlib import Path

import pytest

from headrace.corpus.raw_file import RawFile
from headrace.store.fingerprint import READ_BYTES, digest_file, fingerprint_files, unread_files


@pytest.fixture
def files(tmp_path: Path) -> list[RawFile]:
    paths = [tmp_path / f"{number}.txt" for number in range(3)]
    for path in paths:
        path.write_text(f"this is {path.name}")
    return [RawFile(str(path), path.name) for path in paths]


def test_digests_come_in_the_order_of_the_files(files: list[RawFile], tmp_path: Path) -> None:
    memory = tmp_path / "store" / "known.json"

    assert fingerprint_files(files, memory=memory) == [digest_file(file.path) for file in files]
    assert fingerprint_files(files[::-1], memory=memory) == [digest_file(file.path) for file in files[::-1]]


def test_the_digest_sees_every_block_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    data = bytearray(2 * READ_BYTES + 1)
    digests = set()
    for index in (0, READ_BYTES, 2 * READ_BYTES):
        data[index] ^= 1
        path.write_bytes(data)
        digests.add(digest_file(path))

    assert len(digests) == 3


def test_a_file_whose_size_and_time_are_as_remembered_is_not_read_again(files: list[RawFile], tmp_path: Path) -> None:
    memory = tmp_path / "known.json"
    before = fingerprint_files(files, memory=memory)
    status = files[1].path.stat()
    files[1].path.write_text("THIS IS 1.txt")  # same size, in place
    os.utime(files[1].path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert fingerprint_files(files, memory=memory) == before


def test_what_would_be_read_is_known_before_it_is_read(files: list[RawFile], tmp_path: Path) -> None:
    memory = tmp_path / "known.json"
    assert unread_files(files, memory=memory) == files

    fingerprint_files(files[:2], memory=memory)
    files[0].path.write_text("longer than before")

    assert unread_files(files, memory=memory) == [files[0], files[2]]


@pytest.mark.parametrize("change", ["content", "size", "replaced"])
def test_a_changed_file_is_noticed_and_only_its_digest_changes(
    change: str, files: list[RawFile], tmp_path: Path
) -> None:
    memory = tmp_path / "known.json"
    before = fingerprint_files(files, memory=memory)
    status = files[1].path.stat()
    if change == "replaced":  # by another file with the same size and time
        (tmp_path / "new").write_text("THIS IS 1.txt")
        (tmp_path / "new").replace(files[1].path)
        os.utime(files[1].path, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        files[1].path.write_text("THIS IS 1.txt" if change == "content" else "longer than before")
        os.utime(files[1].path, ns=(status.st_atime_ns, status.st_mtime_ns + (change == "content")))

    after = fingerprint_files(files, memory=memory)

    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_what_is_remembered_of_other_files_stays(files: list[RawFile], tmp_path: Path) -> None:
    memory = tmp_path / "known.json"
    first = fingerprint_files(files[:1], memory=memory)
    fingerprint_files(files[1:], memory=memory)
    status = files[0].path.stat()
    files[0].path.write_text("THIS IS 0.txt")
    os.utime(files[0].path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert fingerprint_files(files[:1], memory=memory) == first
