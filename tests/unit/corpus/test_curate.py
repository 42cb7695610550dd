"""Rules, duplicates and splits: who stays, who goes, and that the ledger knows about everyone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.corpus.columns import DOCUMENTS, LEDGER
from headrace.corpus.decide.judge import num_held_out
from headrace.corpus.why import explain
from headrace.errors import InputError, RecipeError
from headrace.store import Artefact

Curate = Callable[..., Artefact]
Table = Callable[[Artefact, str], pl.DataFrame]


def write_lines(path: Path, texts: list[str]) -> None:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")


@pytest.fixture
def sources(tmp_path: Path) -> list[dict[str, Any]]:
    """Two sources: 60 documents with every tenth a short one, and 30 of which ten repeat the other source."""
    long = [f"document {n} says something that no other does, namely {n * n}" for n in range(60)]
    long[::10] = [f"short {n}" for n in range(6)]
    again = [text.replace(" ", "\u3000\n") for text in long[20:30]]
    write_lines(tmp_path / "a.jsonl", long)
    write_lines(tmp_path / "b.jsonl", again + [f"second source, document {n} of twenty" for n in range(20)])
    return [{"name": "a", "path": "a.jsonl", "language": "en"}, {"name": "b", "path": "b.jsonl", "language": "en"}]


LONG_ENOUGH = [{"rule": "num_words >= 5", "name": "too_short"}]


def test_every_document_is_in_the_ledger_and_the_kept_ones_in_one_split(
    sources: list[dict[str, Any]], curated: Curate, table: Table
) -> None:
    result = curated(sources=sources, curate=LONG_ENOUGH, hold_out="10%")

    ledger = table(result, "ledger-*.parquet")
    assert ledger.columns == list(LEDGER)
    assert ledger["source"].to_list() == ["a"] * 60 + ["b"] * 30
    for split in ("train", "validation"):
        documents = table(result, f"{split}-*.parquet")
        assert documents.columns == list(DOCUMENTS)
        assert documents["id"].to_list() == ledger.filter(pl.col("split") == split)["id"].to_list()
    assert ledger.filter(pl.col("kept") != (pl.col("split") != "")).height == 0
    assert ledger.filter(pl.col("kept") != (pl.col("reason") == "")).height == 0


def test_the_summary_counts_what_the_ledger_holds(sources: list[dict[str, Any]], curated: Curate) -> None:
    summary = curated(sources=sources, curate=LONG_ENOUGH, hold_out="10%").summary

    assert (summary["seen"], summary["kept"], summary["duplicates"]) == (90, 74, 9)
    assert summary["sources"]["a"]["validation"] == 5
    assert summary["sources"]["b"] | {"bytes": 0, "characters": 0} == {
        "seen": 30,
        "kept": 20,
        "train": 18,
        "validation": 2,
        "bytes": 0,
        "characters": 0,
    }
    assert summary["funnel"] == [
        {"reason": "too_short", "dropped_first": 7, "failed_total": 7, "failed_alone": 7},
        {"reason": "duplicate", "dropped_first": 9, "failed_total": 9, "failed_alone": 9},
    ]


def test_a_duplicate_names_the_first_document_with_its_content(
    sources: list[dict[str, Any]], curated: Curate, table: Table
) -> None:
    ledger = table(curated(sources=sources, curate=LONG_ENOUGH), "ledger-*.parquet")

    duplicates = ledger.filter(pl.col("reason") == "duplicate")
    twins = duplicates.join(ledger, left_on="duplicate_of", right_on="id", suffix="_twin")
    assert twins.height == 9
    assert twins["kept_twin"].all()
    assert (twins["content_hash"] == twins["content_hash_twin"]).all()
    assert set(twins["source_twin"]) == {"a"}


def test_a_document_that_fails_a_rule_does_not_stand_in_for_its_twin(
    sources: list[dict[str, Any]], curated: Curate, table: Table
) -> None:
    sources[0]["curate"] = [{"rule": "num_words >= 1000", "name": "never"}]

    ledger = table(curated(sources=sources), "ledger-*.parquet")

    assert ledger.filter(pl.col("kept"))["source"].unique().to_list() == ["b"]
    assert ledger["kept"].sum() == 30


def test_equal_documents_are_on_one_side_of_the_split_even_if_they_are_all_kept(
    sources: list[dict[str, Any]], curated: Curate, table: Table
) -> None:
    ledger = table(curated(sources=sources, deduplicate="none", hold_out=0.4), "ledger-*.parquet")

    assert ledger["kept"].all()
    assert ledger.group_by("content_hash").agg(pl.col("split").n_unique())["split"].max() == 1


def test_the_seed_chooses_and_the_rules_do_not(sources: list[dict[str, Any]], curated: Curate, table: Table) -> None:
    def held_out(seed: int) -> set[str]:
        return set(table(curated(sources=sources, seed=seed, hold_out=0.2), "validation-*")["id"])

    assert held_out(1) != held_out(2)
    assert len(held_out(1)) == len(held_out(2))


def test_examples_show_what_was_dropped_and_by_which_scores(sources: list[dict[str, Any]], curated: Curate) -> None:
    result = curated(sources=sources, curate=LONG_ENOUGH)

    examples = json.loads((result.path / "examples.json").read_text())
    assert {reason: len(entries) for reason, entries in examples.items()} == {"too_short": 5, "duplicate": 5}
    assert all(entry["text"].startswith("short") for entry in examples["too_short"])
    assert examples["too_short"][0]["scores"] == {"num_words": 2}


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("num_wrods >= 20", "there is no column num_wrods; did you mean num_words?"),
        ("num_words >=", "cannot be read as an SQL condition"),
        ("num_words + 1", "gives Int64, not true or false"),
        ("language > 3", "cannot be evaluated"),
        ("num_words > avg(num_words)", "must judge each document by its own scores"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_refused_in_one_sentence(
    rule: str, complaint: str, sources: list[dict[str, Any]], curated: Curate
) -> None:
    with pytest.raises(RecipeError, match=complaint.replace("?", r"\?").replace("(", r"\(")) as error:
        curated(sources=sources, curate=[{"rule": rule}])
    assert "\n" not in str(error.value)


def test_if_nothing_is_left_the_error_says_what_everything_failed(
    sources: list[dict[str, Any]], curated: Curate
) -> None:
    with pytest.raises(InputError, match=r"none of 90 documents is left.*num_words >= 1000 \(90\)"):
        curated(sources=sources, curate=[{"rule": "num_words >= 1000"}])


def test_nothing_to_hold_out_is_an_error(tmp_path: Path, curated: Curate) -> None:
    (tmp_path / "only.txt").write_text("the only document there is")

    with pytest.raises(InputError, match="hold_out: 0"):
        curated(sources=[{"name": "s", "path": "only.txt"}])
    assert curated(sources=[{"name": "s", "path": "only.txt"}], hold_out=0).summary["train"] == 1


@given(num_documents=st.integers(0, 1000), fraction=st.floats(0, 0.999))
def test_each_side_of_a_split_has_a_document_if_there_are_two(num_documents: int, fraction: float) -> None:
    held_out = num_held_out(num_documents, fraction)

    if num_documents < 2 or fraction == 0:
        assert held_out == 0
    else:
        assert 1 <= held_out <= num_documents - 1
        assert abs(held_out - fraction * num_documents) <= 1


def test_explain_finds_documents_by_id_file_and_offset(
    sources: list[dict[str, Any]], curated: Curate, table: Table, tmp_path: Path
) -> None:
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write("[]\n")
    result = curated(sources=sources, curate=LONG_ENOUGH)
    ledger = table(result, "ledger-*.parquet")
    short = ledger.filter(pl.col("reason") == "too_short").row(1, named=True)
    twin = ledger.filter(pl.col("reason") == "duplicate").row(0, named=True)

    (by_id,) = explain(result, short["id"][:10])
    (by_place,) = explain(result, f"a.jsonl:{short['offset']}")
    (duplicate,) = explain(result, twin["id"])
    whole_file = explain(result, "b.jsonl")

    assert by_id == by_place
    assert (by_id.excerpt, by_id.kept) == ("short 1", False)
    assert [(r.name, r.rule, r.scores) for r in by_id.reasons] == [("too_short", "num_words >= 5", {"num_words": 2})]
    assert duplicate.duplicate_of == twin["duplicate_of"]
    assert len(whole_file) == 31
    assert [reason.name for reason in whole_file[-1].reasons] == ["not_an_object"]
    with pytest.raises(InputError, match=r'called "c\.jsonl"'):
        explain(result, "c.jsonl")
