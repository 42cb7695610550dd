"""D11: a file that was cut or in which a bit was flipped is found out and stops the run; nothing of it is published."""

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from corpus_runs import artefact, json_lines, kept_texts, print_figures, run, sentences, write_recipe

import headrace
from headrace.errors import InputError
from headrace.store import Store

NUM_CUTS = 6
NUM_FLIPS = 6
TEXTS = sentences(2_000)


def write_parquet(data: bytes) -> bytes:
    """The texts as Parquet in several row groups, with the checksums that readers can verify."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS}), buffer, row_group_size=300, write_page_checksum=True)
    return buffer.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "jsonl.gz": gzip.compress,
    "jsonl.bz2": bz2.compress,
    "jsonl.xz": lzma.compress,
    "jsonl.zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "parquet": write_parquet,
}
STREAMS = [suffix for suffix in PACKERS if suffix != "parquet"]


def mutations(data: bytes, choose: random.Random) -> Iterator[tuple[str, bytes]]:
    """Cut and flipped copies of a file, each with a word for what was done to it."""
    for _ in range(NUM_CUTS):
        end = choose.randrange(1, len(data))
        yield f"cut at {end}", data[:end]
    for _ in range(NUM_FLIPS):
        place, bit = choose.randrange(len(data)), choose.randrange(8)
        yield f"bit {bit} of {place}", data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


def outcome_of(recipe: Path, runs: Path) -> str:
    """What becomes of a run: found out, or done with the same texts, or done with others."""
    try:
        headrace.run(recipe, runs=runs, show_progress=False)
    except InputError:
        return "found out" if not Store(runs / "store").artefacts() else "found out too late"
    return "harmless" if kept_texts(runs) == TEXTS else "silent"


@pytest.mark.parametrize("suffix", PACKERS)
def test_damage_is_found_out_or_changes_nothing(suffix: str, tmp_path: Path) -> None:
    """A bit may lie where it means nothing: the time stamp of gzip, the name of the program that wrote the Parquet."""
    choose = random.Random(suffix)
    whole = PACKERS[suffix](json_lines(TEXTS))
    recipe = write_recipe(tmp_path, {"name": "lines", "path": f"lines.{suffix}"})
    outcomes: dict[str, list[str]] = {}
    for number, (name, data) in enumerate(mutations(whole, choose)):
        (tmp_path / f"lines.{suffix}").write_bytes(data)
        outcomes.setdefault(outcome_of(recipe, tmp_path / f"runs{number}"), []).append(name)

    assert set(outcomes) <= {"found out", "harmless"}, outcomes
    assert not [name for name in outcomes.get("harmless", []) if name.startswith("cut")]
    counts = {name: len(found) for name, found in outcomes.items()}
    print_figures("D11", file=suffix, mutations=NUM_CUTS + NUM_FLIPS, **counts)


@pytest.mark.parametrize("suffix", ["jsonl.zst", "parquet"])
def test_the_command_names_the_damaged_file_and_publishes_nothing(suffix: str, tmp_path: Path) -> None:
    whole = PACKERS[suffix](json_lines(TEXTS))
    (tmp_path / f"lines.{suffix}").write_bytes(whole[: len(whole) // 2])
    done = run(write_recipe(tmp_path, {"name": "lines", "path": f"lines.{suffix}"}), tmp_path / "runs")

    assert done.code == 2
    assert f"lines.{suffix}: not a whole " in done.messages
    assert not list((tmp_path / "runs" / "store").glob("[!.]*"))
    print_figures("D11 command", file=suffix, code=done.code, seconds=done.seconds)


@pytest.mark.parametrize("suffix", STREAMS)
def test_streams_one_after_the_other_are_read_whole(suffix: str, tmp_path: Path) -> None:
    data, pack = json_lines(TEXTS), PACKERS[suffix]
    cuts = [0, 10, len(data) // 3, len(data)]
    pieces = (data[begin:end] for begin, end in pairwise(cuts))
    (tmp_path / f"lines.{suffix}").write_bytes(b"".join(map(pack, pieces)))
    headrace.run(
        write_recipe(tmp_path, {"name": "lines", "path": f"lines.{suffix}"}),
        runs=tmp_path / "runs",
        show_progress=False,
    )

    assert kept_texts(tmp_path / "runs") == TEXTS


def test_a_zstd_frame_without_checksum_is_counted_as_unprotected(tmp_path: Path) -> None:
    """Nobody can find a flipped bit in it; a cut is found all the same."""
    plain = zstandard.ZstdCompressor(write_checksum=False).compress(json_lines(TEXTS))
    recipe = write_recipe(tmp_path, {"name": "lines", "path": "lines.jsonl.zst"})
    (tmp_path / "lines.jsonl.zst").write_bytes(plain)
    headrace.run(recipe, runs=tmp_path / "whole", show_progress=False)
    assert artefact(tmp_path / "whole", "measure").summary["files_without_checksum"] == 1

    (tmp_path / "lines.jsonl.zst").write_bytes(plain[:-1])
    assert outcome_of(recipe, tmp_path / "cut") == "found out"
