"""`headrace why` in words: what matters first, and nothing that says nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.corpus.why import Explanation, Reason

Describe = Callable[..., list[str]]


@pytest.fixture
def describe(headrace: Callable[..., Any], finished: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The lines that the command prints for a document with these scores."""

    def lines(*, kept: bool, scores: dict[str, Any], **others: Any) -> list[str]:
        place = {"id": "5f" * 16, "source": "lines", "file": "lines.jsonl", "offset": 0, "size_bytes": 20}
        found = {"reasons": (), "duplicate_of": "", "excerpt": "text", **place, **others}
        explanation = Explanation(kept=kept, split="train" if kept else "", scores=scores, **found)
        monkeypatch.setattr("headrace.corpus.why.explain", lambda curated, document: [explanation])
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
