"""The quickstart recipe on the real text that ships, with a shorter training."""

from pathlib import Path

import orjson
import pytest
from small_project import Headrace

import headrace as hr

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORTER = {"train.tokens": 24_576, "train.global_batch_tokens": 4096, "train.compile": "off", "model.depth": 2}


@pytest.mark.slow
def test_the_quickstart_goes_from_the_shipped_text_to_a_model_in_two_languages(
    headrace: Headrace, tmp_path: Path
) -> None:
    changes = [word for key, value in SHORTER.items() for word in ("--set", f"{key}={value}")]
    done = headrace("run", EXAMPLES / "quickstart.yaml", "--runs", tmp_path, *changes)
    assert done.returncode == 0, done.stderr

    run = hr.open_run(tmp_path / "quickstart")
    curated = run.folder.artefact("curate").summary
    assert curated["quarantine_reasons"] == {"broken_json": 1, "invalid_utf8": 1, "text_null": 1}
    assert curated["duplicates"] >= 262  # those that examples/data/README.md says were planted
    assert {name for name, counts in curated["languages"].items() if counts["kept"] > 1000} == {"en", "zh"}
    assert 0 < run.evaluation.bits_per_byte < 6
    assert {sample.prompt.isascii() for sample in run.samples} == {True, False}
    planted = orjson.loads(headrace("why", run.path, "data/poems/tang.jsonl.zst", "--json").stdout)
    assert sum(not document["id"] for document in planted) == 3


def test_the_shipped_data_stays_small_enough_for_a_repository() -> None:
    assert sum(path.stat().st_size for path in (EXAMPLES / "data").rglob("*") if path.is_file()) <= 8_000_000
