"""Pages made to take time or memory cost a record and nothing else; ordinary ones are not taken for them."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.corpus.read import Record

Read = Callable[..., list[Record]]
SortOut = Callable[[list[Record]], tuple[list[str], list[tuple[int, str]]]]
MOST_SECONDS = 2.0

HOSTILE = {
    "deep": ("<div>" * 100_000 + "x", "nested_too_deep"),
    "deep and closed": ("<div>" * 30_000 + "x" + "</div>" * 30_000, "nested_too_deep"),
    "lists in lists": ("<ul><li>" * 20_000, "nested_too_deep"),
    "many": ("<p>a" * 500_000, "record_too_large"),
    "large": ("a " * 9_000_000, "record_too_large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_is_quarantined_at_once(name: str, read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    page, reason = HOSTILE[name]
    (tmp_path / "a.html").write_text(page)

    begin = time.process_time()
    found = sorted_out(read(path="a.html"))

    assert found == ([], [(0, reason)])
    assert time.process_time() - begin < MOST_SECONDS


def test_a_long_page_of_unclosed_paragraphs_is_read(read: Read, sorted_out: SortOut, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<main>" + "<p>one<br>two<li>three" * 3_000)

    texts, damage = sorted_out(read(path="a.html"))

    assert len(texts) == 1
    assert damage == []
