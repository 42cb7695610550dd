"""`headrace why` in words: what matters first, and nothing that says nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.corpus.removed import Removed
from headrace.corpus.why import Altered, Explanation, Reason, Twin

Describe = Callable[..., list[str]]


@pytest.fixture
def describe(headrace: Callable[..., Any], finished: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The lines that the command prints for a document with these scores."""

    def lines(*, kept: bool, scores: dict[str, Any], **others: Any) -> list[str]:
        place = {"id": "5f" * 16, "source": "lines", "file": "lines.jsonl", "offset": 0, "size_bytes": 20}
        found = {"reasons": (), "duplicate_of": "", "excerpt": "text", **place, **others}
        explanation = Explanation(kept=kept, split="train" if kept else "", scores=scores, **found)
        monkeypatch.setattr("headrace.corpus.why.explain", lambda curated, document: [explanation])
        monkeypatch.setattr("headrace.corpus.why.with_details", lambda curated, found: found)
        return list(headrace("why", "runs/small", "5f" * 16).stdout.splitlines())

    return lines


def test_personal_data_that_a_document_lacks_is_not_listed(describe: Describe) -> None:
    scores = {"num_words": 0, "redacted_email": 2, "redacted_ip": 0, "copies": 1}

    shown = [line.split()[1:] for line in describe(kept=True, scores=scores) if line.startswith("  scores")]

    assert shown == [["num_words", "0"], ["redacted_email", "2"], ["copies", "1"]]


def test_the_twin_and_how_near_it_is_come_first(describe: Describe) -> None:
    scores = {"num_words": 7, "cluster_size": 3, "similarity": 0.875}
    lines = describe(kept=False, scores=scores, duplicate_of="ab" * 16, reasons=(Reason("near_duplicate", "", {}),))

    assert lines[0].endswith("  dropped")
    assert lines[3] == f"  twin      {'ab' * 16}, which was kept"
    assert lines[4] == "  reason    near_duplicate"
    assert [line.split()[1] for line in lines[5:8]] == ["similarity", "cluster_size", "num_words"]


@pytest.mark.parametrize(
    ("copies", "fate"), [(0, "kept, but left out by the mixture"), (1, "kept, in train"), (3, "kept, in train")]
)
def test_a_document_without_copies_was_left_out_by_the_mixture(copies: int, fate: str, describe: Describe) -> None:
    assert describe(kept=True, scores={"copies": copies})[0] == f"{'5f' * 16}  {fate}"


def test_twins_cuts_and_altered_copies_are_a_line_each(describe: Describe) -> None:
    removed = (
        Removed(10, 1_200, "lines", "menu\x1b[0m", "5f" * 16),
        Removed(1_300, 1_310, "c4", "Click", ""),
        Removed(1_400, 1_500, "lines or substrings", "again", "ab" * 16),
    )
    lines = describe(
        kept=True,
        scores={"num_words": 3},
        removed=removed,
        altered=Altered("5f" * 16 + "~2", "swap"),
        duplicate_of="ab" * 16,
        twin=Twin("ab" * 16, "first", "old.jsonl", 77),
    )

    assert f"  twin      {'ab' * 16}, which was kept in run first: old.jsonl:77" in lines
    assert f"  copy      {'5f' * 16}~2, altered by `swap`; scores are the original's" in lines
    assert [line for line in lines if line.startswith("  cut")] == [
        "  cut       bytes 10 to 1,200 of the text, by lines; stays in this document: menu\N{REPLACEMENT CHARACTER}[0m",
        "  cut       bytes 1,300 to 1,310 of the text, by c4: Click",
        f"  cut       bytes 1,400 to 1,500 of the text, by lines or substrings; stays in {'ab' * 16}: again",
    ]


def test_a_run_that_stopped_at_damaged_records_shows_them(headrace: Callable[..., Any], project: Path) -> None:
    good = Path("lines.jsonl").read_bytes()
    Path("lines.jsonl").write_bytes(good + b"[1]\n{broken\n" * 5)
    stopped = headrace("run", "small.yaml")
    shown = headrace("show", "runs/small")
    listed = headrace("why", "runs/small", "lines.jsonl")
    one = headrace("why", "runs/small", f"lines.jsonl:{len(good) + 4}", "--json")
    unknown = headrace("why", "runs/small", "other.jsonl")

    assert stopped.code == 2
    assert "`headrace why runs/small lines.jsonl` (or another FILE, or FILE:OFFSET)" in stopped.stderr
    assert "the table runs/small/quarantine.parquet." in stopped.stderr
    assert "It stopped at damaged records" in shown.stdout
    assert listed.stdout.count("damaged record  dropped") == 10
    assert "reason    not_an_object" in listed.stdout
    assert "{broken" in listed.stdout
    assert [record["reasons"][0]["name"] for record in orjson.loads(one.stdout)] == ["broken_json"]
    assert unknown.code == 2
    assert 'stopped at damaged records, and none of them lies in "other.jsonl". Give a file' in unknown.stderr

    Path("lines.jsonl").write_bytes(good)
    finished = headrace("run", "small.yaml")
    assert finished.code == 0
    assert not Path("runs/small/quarantine.parquet").exists()


def test_damaged_records_of_a_run_done_again_are_shown_and_the_old_result_stays(
    headrace: Callable[..., Any], finished: Path
) -> None:
    good = Path("lines.jsonl").read_bytes()
    Path("lines.jsonl").write_bytes(good + b"[1]\n" * 5)
    stopped = headrace("run", "small.yaml")
    damaged = headrace("why", "runs/small", f"lines.jsonl:{len(good)}")
    before = headrace("why", "runs/small", "lines.jsonl:0")

    assert stopped.code == 2
    assert "damaged record  dropped" in damaged.stdout
    assert "kept, in" in before.stdout
