"""Bad input, as a user meets it: one clear sentence, the right exit code, nothing published that is not whole."""

import gzip
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from small_project import RECIPE, WORDS, Headrace

TEXTS = [f"{' '.join(WORDS[number % 7 :])} number {number}." for number in range(60)]
HUGE_MODEL = {"width": 65_536, "heads": 512, "kv_heads": 512, "depth": 512, "feed_forward": 175_000}
LINES = b"".join(orjson.dumps({"text": text}) + b"\n" for text in TEXTS)


def write_recipe(folder: Path, path: str, **sections: object) -> Path:
    corpus = {"sources": [{"name": "only", "path": path}], "hold_out": "10%"}
    recipe = {"name": "r", "seed": 1, "corpus": corpus, **sections}
    (folder / "r.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return folder / "r.yaml"


def damaged_gzip(folder: Path) -> str:
    data = gzip.compress(LINES)
    (folder / "bad.jsonl.gz").write_bytes(data[: len(data) * 6 // 10])
    return "bad.jsonl.gz"


def damaged_zstd(folder: Path) -> str:
    data = zstandard.compress(LINES)
    (folder / "bad.jsonl.zst").write_bytes(data[: len(data) * 6 // 10])
    return "bad.jsonl.zst"


def damaged_parquet(folder: Path) -> str:
    pq.write_table(pa.table({"text": TEXTS}), folder / "bad.parquet")
    data = (folder / "bad.parquet").read_bytes()
    (folder / "bad.parquet").write_bytes(data[:-20])
    return "bad.parquet"


@pytest.mark.parametrize("damage", [damaged_gzip, damaged_zstd, damaged_parquet])
def test_a_damaged_shard_is_named_and_nothing_of_it_is_published(damage, headrace: Headrace, tmp_path: Path) -> None:
    name = damage(tmp_path)
    done = headrace("run", write_recipe(tmp_path, name), "--runs", tmp_path / "runs")

    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "runs" / "store").glob("[!.]*"))


@pytest.mark.parametrize(
    ("sections", "path", "expected"),
    [
        ({}, "nowhere/*.jsonl", "no file matches nowhere/*.jsonl"),
        ({"curate": [{"rule": "num_words >= 100000", "name": "too_short"}]}, "good.jsonl", "too_short"),
        ({"tokens": {"vocabulary": {"train": 50_000}}}, "good.jsonl", "supports only"),
        ({"tokens": {"vocabulary": {"train": 300}, "row_tokens": 65_536}}, "good.jsonl", "row_tokens"),
        ({"model": HUGE_MODEL}, "good.jsonl", "of memory"),
        ({"quarantine_limit": "5%"}, "bad.jsonl", "quarantine_limit"),
        ({"curate": [{"rule": "num_word >= 10", "name": "x"}]}, "good.jsonl", "num_words"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_carried_out_is_one_sentence_and_exit_code_two(
    sections: dict, path: str, expected: str, headrace: Headrace, tmp_path: Path
) -> None:
    (tmp_path / "good.jsonl").write_bytes(LINES)
    (tmp_path / "bad.jsonl").write_bytes(LINES + b"not json\n" * 20)
    corpus = {key: sections.pop(key) for key in ("curate", "quarantine_limit") if key in sections}
    if sections:
        sections = {"tokens": {"vocabulary": {"train": 300}, "row_tokens": 64}, "train": RECIPE["train"], **sections}
        if sections["tokens"].get("row_tokens") != 64:
            sections.pop("train")
    recipe = yaml.safe_load(write_recipe(tmp_path, path, **sections).read_text(encoding="utf-8"))
    recipe["corpus"] |= corpus
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    done = headrace("run", tmp_path / "r.yaml", "--runs", tmp_path / "runs")

    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_records_cost_themselves_only(headrace: Headrace, tmp_path: Path) -> None:
    bad = [
        b'{"text": "cut',
        b"[1, 2]",
        b'{"text": 5}',
        b'{"text": null}',
        b'{"title": "no text"}',
        b'{"text": ""}',
        b'{"text": "\xff"}',
    ]
    lines = LINES.splitlines()
    for number, line in enumerate(bad):
        lines.insert(7 * number, line)
    (tmp_path / "mixed.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    recipe = write_recipe(tmp_path, "mixed.jsonl")
    done = headrace("run", recipe, "--runs", tmp_path / "runs", "--set", "corpus.quarantine_limit=0.5")
    found = orjson.loads(headrace("why", tmp_path / "runs" / "r", "mixed.jsonl", "--json").stdout)

    assert done.returncode == 0, done.stderr
    assert sum(document["kept"] for document in found) == len(TEXTS)
    quarantined = [document for document in found if not document["id"]]
    assert len(quarantined) == len(bad)
    data = (tmp_path / "mixed.jsonl").read_bytes()
    for record, line in zip(quarantined, bad, strict=True):
        assert data[record["offset"] :].startswith(line)
