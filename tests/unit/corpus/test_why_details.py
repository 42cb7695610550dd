"""`why` in detail: what was cut, where a copy of it stays, whose twin a document is, and how a copy was altered."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.corpus.removed import align
from headrace.corpus.why import Twin, explain, with_details
from headrace.errors import InputError
from headrace.store import Artefact

Curate = Callable[..., Artefact]
Table = Callable[[Artefact, str], pl.DataFrame]

MENU = "Home, products, about us and how to reach our people\n"
STORY = "The mill stands at the river {}, and its wheel turns day and night.\n"


def write(path: Path, texts: list[str]) -> None:
    path.write_bytes(b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts))


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    """A text of lines that often repeat, and ranges of it in order."""
    text = "".join(
        draw(st.lists(st.sampled_from(["a menu\n", "menu\n", "é b\n", "\n", "one more line\n"]), max_size=30))
    )
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    return text, list(zip(places[::2], places[1::2], strict=False))


@given(cut_texts())
@example(("a menu\na menu\n", [(0, 7)]))
@example(("é b\nmenu\n", [(1, 3), (4, 9)]))
def test_the_text_without_the_ranges_that_are_found_is_what_was_kept(case: tuple[str, list[tuple[int, int]]]) -> None:
    """What was cut is another matter where the text repeats itself: any of several ranges may be meant."""
    text, cuts = case
    kept = "".join(text[place] for place in range(len(text)) if not any(b <= place < e for b, e in cuts))
    found = align(text, kept)

    left = "".join(text[place] for place in range(len(text)) if not any(b <= place < e for b, e in found))
    assert left == kept or not found
    assert all(first[1] <= second[0] for first, second in pairwise(found))
    if len(set(text.splitlines())) == len(text.splitlines()) and all(b == 0 or text[b - 1] == "\n" for b, _ in cuts):
        assert found or text == kept


def test_whole_lines_are_found_where_they_stood() -> None:
    lines = [f"{word} line {number}, and no other is like it\n" for number, word in enumerate(["the", "an", "the"] * 5)]
    text = "".join(lines)

    found = align(text, "".join(line for number, line in enumerate(lines) if number not in (0, 3, 4, 14)))

    assert "".join(text[begin:end] for begin, end in found) == "".join(lines[number] for number in (0, 3, 4, 14))
    assert [text[begin:end].count("\n") for begin, end in found] == [1, 2, 1]


def test_what_was_cut_is_shown_with_the_document_in_which_it_stays(
    curated: Curate, table: Table, tmp_path: Path
) -> None:
    write(tmp_path / "a.jsonl", [f"é {STORY.format(n)}{MENU}{STORY.format(n + 50)}" for n in range(3)])
    result = curated(
        sources=[{"name": "a", "path": "a.jsonl"}],
        deduplicate=[{"method": "lines", "fold_numbers": False}],
        hold_out=0,
    )
    first, second, _ = table(result, "ledger-*.parquet")["id"].to_list()

    (whole,) = explain(result, first)
    (cut,) = explain(result, second)
    (part,) = with_details(result, cut).removed

    assert with_details(result, whole).removed == ()
    begin = len(f"é {STORY.format(1)}".encode())
    assert (part.begin, part.end) == (begin, begin + len(MENU))
    assert (part.cause, part.excerpt, part.copy_in) == ("lines", MENU.strip(), first)


def test_a_line_that_a_preset_cut_names_the_preset_s_rule(curated: Curate, table: Table, tmp_path: Path) -> None:
    story = "".join(STORY.format(f"number {n}") for n in range(8))
    write(tmp_path / "a.jsonl", [f"{story}Click here to subscribe\n{STORY.format('at last')}"])
    result = curated(sources=[{"name": "a", "path": "a.jsonl"}], curate=["c4"], deduplicate="none", hold_out=0)
    (document,) = table(result, "ledger-*.parquet")["id"].to_list()

    (part,) = with_details(result, explain(result, document)[0]).removed

    assert (part.cause, part.excerpt, part.copy_in) == ("c4", "Click here to subscribe", "")


def test_a_twin_of_an_earlier_run_is_named_with_the_run(curated: Curate, table: Table, tmp_path: Path) -> None:
    write(tmp_path / "old.jsonl", [STORY.format(n) for n in range(4)])
    write(tmp_path / "new.jsonl", [STORY.format(n) for n in (2, 7, 7)])
    old = curated(sources=[{"name": "s", "path": "old.jsonl"}], hold_out=0)
    new = curated(sources=[{"name": "s", "path": "new.jsonl"}], hold_out=0, earlier=["first"], after={"first": old})
    kept = table(old, "ledger-*.parquet").row(2, named=True)

    repeated, stays, again = (with_details(new, found) for found in explain(new, "new.jsonl"))

    assert repeated.twin == Twin(kept["id"], "first", "old.jsonl", kept["offset"])
    assert stays.twin is None
    assert again.twin == Twin(stays.id, "", "new.jsonl", stays.offset)


def test_an_altered_copy_says_of_what_and_how(curated: Curate, table: Table, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [STORY.format(n) * 3 for n in range(2)])
    augment: dict[str, Any] = {"methods": ["swap"], "copies": 2, "rate": 0.5, "seed": 3}
    result = curated(sources=[{"name": "a", "path": "a.jsonl"}], augment=augment, hold_out=0)
    copy = table(result, "train-*.parquet").filter(pl.col("id").str.contains("~1")).row(0, named=True)

    original = copy["id"].partition("~")[0]
    (whole,) = explain(result, copy["id"])
    (short,) = explain(result, f"{original[:8]}~1")

    assert whole == short == with_details(result, whole)
    assert (whole.id, whole.excerpt) == (original, copy["text"][:300])
    assert whole.altered is not None
    assert (whole.altered.id, whole.altered.method) == (copy["id"], "swap")
    with pytest.raises(InputError, match=rf"document {original} has no altered copy 7"):
        explain(result, f"{original}~7")
