"""D10: nine kinds of bad lines among a thousand cost nine records and not one more."""

from pathlib import Path

import pytest
from corpus_runs import artefact, json_lines, kept_texts, print_figures, quarantine, run, sentences, write_recipe

BAD_LINES = {
    "broken_json": b'{"text": "cut in the mid',
    "not_an_object": b'["text", "in", "an", "array"]',
    "text_not_a_string": b'{"text": 42}',
    "text_null": b'{"text": null}',
    "invalid_utf8": b'{"text": "one bad \xff byte"}',
    "nul_character": b'{"text": "a NUL \\u0000 inside"}',
    "byte_order_mark": b'\xef\xbb\xbf{"text": "a byte order mark in the middle of a file"}',
    "lone_surrogate": b'{"text": "half of a pair \\ud800 alone"}',
    "nested_too_deep": b'{"text": "deep", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
}
REASON_OF = {"byte_order_mark": "broken_json"}


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    """991 good texts, written with the nine bad lines among them."""
    good = sentences(991)
    lines = json_lines(good).splitlines(keepends=True)
    for number, line in enumerate(BAD_LINES.values()):
        lines.insert(100 * (number + 1), line + b"\n")
    (tmp_path / "lines.jsonl").write_bytes(b"".join(lines))
    return good


def test_nine_bad_lines_cost_nine_records(texts: list[str], tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, {"name": "lines", "path": "lines.jsonl"})
    done = run(recipe, tmp_path / "runs")

    assert done.code == 0, done.messages
    assert kept_texts(tmp_path / "runs") == texts
    table = quarantine(tmp_path / "runs")
    assert table["reason"].to_list() == [REASON_OF.get(kind, kind) for kind in BAD_LINES]
    raw = (tmp_path / "lines.jsonl").read_bytes()
    for file, offset, size_bytes, line in zip(
        table["file"], table["offset"], table["size_bytes"], BAD_LINES.values(), strict=True
    ):
        assert file == "lines.jsonl"
        assert raw[offset : offset + size_bytes] == line
    for step in ("measure", "curate"):
        assert artefact(tmp_path / "runs", step).summary["quarantined"] == 9
    print_figures("D10", records=1_000, bad=9, lost=1_000 - len(texts), quarantined=table.height, seconds=done.seconds)


def test_more_bad_lines_than_allowed_stop_the_run_and_publish_nothing(texts: list[str], tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, {"name": "lines", "path": "lines.jsonl"}, quarantine_limit="0.8%")
    done = run(recipe, tmp_path / "runs")

    assert done.code == 2
    assert "9 of 1,000 records are damaged (0.9%), and corpus.quarantine_limit is 0.8%" in done.messages
    assert "lines.jsonl:" in done.messages
    assert not list((tmp_path / "runs" / "store").glob("[!.]*"))
    print_figures("D10 threshold", code=done.code, published=0, message=done.messages.strip()[:120])
