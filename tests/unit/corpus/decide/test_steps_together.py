"""Every step that looks at more than one document, from raw files to the ledger and the published text."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from headrace.corpus.why import explain
from headrace.store import Artefact

Curate = Callable[..., Artefact]
Table = Callable[[Artefact, str], pl.DataFrame]

WORDS = [
    f"{first}{second}" for first in ("ba", "ko", "mi", "ru", "se", "ta") for second in ("len", "dor", "vat", "pim")
]
DISCLAIMER = "All prices on this page are given without any warranty and may change at any time."


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def prose(number: int, size: int = 120) -> list[str]:
    generator = random.Random(number)
    return [f"{generator.choice(WORDS)}{generator.randrange(90)}" for _ in range(size)]


@pytest.fixture
def source(tmp_path: Path) -> dict[str, Any]:
    """Ten documents; 10 is 3 with two words changed, 11 is 4, 12 is 5 and more; each ends with the same line."""
    words = [prose(number) for number in range(10)]
    near = [*words[3][:40], "other", *words[3][41:90], "words", *words[3][91:]]
    texts = [" ".join(each) for each in (*words, near, words[4], [*words[5], *prose(77, 60)])]
    records = [{"id": f"r{n}", "text": f"{text}\n{DISCLAIMER}"} for n, text in enumerate(texts)]
    write_lines(tmp_path / "a.jsonl", records)
    return {"name": "a", "path": "a.jsonl", "language": "en"}


def by_raw_id(ledger: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["raw_id"]: row for row in ledger.to_dicts()}


def test_near_copies_go_with_their_twin_and_the_size_of_their_cluster_in_the_ledger(
    source: dict[str, Any], curated: Curate, table: Table
) -> None:
    result = curated(sources=[source], deduplicate=["exact", {"method": "minhash", "confirm": 0.7}], hold_out=0)

    rows = by_raw_id(table(result, "ledger-*.parquet"))
    assert {name: row["reason"] for name, row in rows.items() if row["reason"]} == {
        "r10": "near_duplicate",
        "r11": "duplicate",
    }
    assert rows["r10"]["duplicate_of"] == rows["r3"]["id"]
    assert [rows[name]["cluster_size"] for name in ("r3", "r10", "r4", "r11", "r5")] == [2, 2, 2, 2, 1]
    assert (result.summary["duplicates"], result.summary["clusters"]) == (2, 2)


def test_a_copy_of_a_document_that_goes_later_names_the_one_that_stays(
    tmp_path: Path, curated: Curate, table: Table
) -> None:
    first = prose(1)
    near = " ".join([*first[:40], "other", *first[41:]])
    texts = [" ".join(first), near, near, " ".join(prose(2))]
    write_lines(tmp_path / "a.jsonl", [{"id": f"r{n}", "text": text} for n, text in enumerate(texts)])
    source = {"name": "a", "path": "a.jsonl", "language": "en"}

    rows = by_raw_id(table(curated(sources=[source], deduplicate=["exact", "minhash"], hold_out=0), "ledger-*.parquet"))

    assert [rows[f"r{n}"]["reason"] for n in range(4)] == ["", "near_duplicate", "duplicate", ""]
    assert rows["r1"]["duplicate_of"] == rows["r2"]["duplicate_of"] == rows["r0"]["id"]
    assert [rows[f"r{n}"]["cluster"] for n in range(4)] == [rows["r0"]["id"]] * 3 + [""]
    assert [rows[f"r{n}"]["cluster_size"] for n in range(4)] == [3, 3, 3, 1]


def yearly_reports() -> list[str]:
    line = "In {} the company earned {} million and paid {} people, of whom {} had joined within {} months of {}."
    return [" ".join(line.format(*range(k, k + 6)) for k in range(n, n + 900, 90)) for n in range(1990, 1996)]


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        ({"method": "minhash"}, 1),
        ({"method": "minhash", "fold_numbers": False}, 6),
        ({"method": "minhash", "confirm": 0.8}, 6),
        ({"method": "lines"}, 6),
        ({"method": "lines", "fold_numbers": True}, 1),
    ],
)
def test_documents_that_differ_in_their_figures_only_are_alike_where_numbers_are_folded(
    step: dict[str, Any], kept: int, tmp_path: Path, curated: Curate
) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": text} for text in yearly_reports()])
    source = {"name": "a", "path": "a.jsonl", "language": "en"}

    assert curated(sources=[source], deduplicate=[step], hold_out=0).summary["kept"] == kept


def test_the_longest_of_a_cluster_stays_where_the_recipe_says_so(
    source: dict[str, Any], curated: Curate, table: Table
) -> None:
    steps = [{"method": "minhash", "bands": 40, "rows": 4, "keep": "longest"}]

    rows = by_raw_id(table(curated(sources=[source], deduplicate=steps, hold_out=0), "ledger-*.parquet"))

    assert rows["r5"]["reason"] == "near_duplicate"
    assert rows["r5"]["duplicate_of"] == rows["r12"]["id"]


def test_a_line_that_came_before_is_cut_and_the_rest_of_the_document_stays(
    source: dict[str, Any], curated: Curate, table: Table
) -> None:
    result = curated(sources=[source], deduplicate=["exact", "lines"], hold_out=0)

    texts = table(result, "train-*.parquet")["text"].to_list()
    assert [DISCLAIMER in text for text in texts] == [True] + [False] * 11
    ledger = table(result, "ledger-*.parquet").filter("kept")
    assert ledger["removed_bytes"].to_list()[:2] == [0, len(DISCLAIMER) + 1]
    assert result.summary["removed_bytes"] == ledger["removed_bytes"].sum()


def test_a_passage_that_came_before_is_cut_and_a_document_of_nothing_else_goes(
    source: dict[str, Any], curated: Curate, table: Table
) -> None:
    result = curated(sources=[source], deduplicate=["substrings"], hold_out=0)

    rows = by_raw_id(table(result, "ledger-*.parquet"))
    assert rows["r11"]["reason"] == "nothing_left"
    assert rows["r12"]["kept"]
    assert rows["r12"]["removed_bytes"] > 500
    assert result.summary["kept"] == 12


def test_a_document_that_holds_an_evaluation_item_goes_and_why_says_so(
    source: dict[str, Any], curated: Curate, table: Table, tmp_path: Path
) -> None:
    question = " ".join(prose(7)[20:40]).upper()
    write_lines(tmp_path / "quiz.jsonl", [{"question": question}, {"question": "what is asked here is in no document"}])
    sets = [{"name": "quiz", "path": "quiz.jsonl", "fields": ["question"]}]

    result = curated(sources=[source], decontaminate={"sets": sets}, hold_out=0)

    rows = by_raw_id(table(result, "ledger-*.parquet"))
    assert [name for name, row in rows.items() if row["reason"] == "contaminated"] == ["r7"]
    assert rows["r7"]["num_contaminated"] == 8
    assert result.summary["contamination"][0]["documents"] == 1
    assert [reason.name for reason in explain(result, "r7")[0].reasons] == ["contaminated"]


def test_a_contaminated_passage_is_cut_in_mode_span(
    source: dict[str, Any], curated: Curate, table: Table, tmp_path: Path
) -> None:
    question = prose(7)[50:70]
    (tmp_path / "quiz.txt").write_text(" ".join(question) + "\n")
    sets = {"sets": [{"name": "quiz", "path": "quiz.txt"}], "mode": "span", "window_characters": 20}

    texts = table(curated(sources=[source], decontaminate=sets, hold_out=0), "train-*.parquet")["text"].to_list()

    assert " ".join(prose(7)[:30]) in texts[7]
    assert question[5] not in texts[7].split()


def test_a_mixture_repeats_and_leaves_out_and_its_table_is_in_the_summary(
    source: dict[str, Any], curated: Curate, table: Table, tmp_path: Path
) -> None:
    write_lines(tmp_path / "b.jsonl", [{"text": " ".join(prose(100 + number))} for number in range(40)])
    mix = {"by": "source", "targets": {"a": "50%", "b": "50%"}, "measure": "documents"}

    result = curated(
        sources=[source, {"name": "b", "path": "b.jsonl", "language": "en"}], deduplicate="none", mix=mix, hold_out=0
    )

    documents = table(result, "train-*.parquet")
    assert {row["group"]: round(row["share_after"], 1) for row in result.summary["mix"]} == {"a": 0.5, "b": 0.5}
    assert documents.height == result.summary["copies"]
    assert documents.filter(pl.col("source") == "a").height > 13


def test_the_share_that_a_classifier_finds_best_stays(
    source: dict[str, Any], curated: Curate, table: Table, tmp_path: Path
) -> None:
    write_lines(tmp_path / "good.jsonl", [{"text": " ".join(prose(200 + number))} for number in range(40)])
    write_lines(tmp_path / "bad.jsonl", [{"text": "buy now cheap pills " * (20 + number)} for number in range(40)])
    write_lines(
        tmp_path / "c.jsonl", [{"text": "cheap pills, buy now and save " * (10 + number)} for number in range(13)]
    )
    quality = {"classifier": {"good": "good.jsonl", "bad": "bad.jsonl", "keep": "50%"}}

    result = curated(
        sources=[source, {"name": "c", "path": "c.jsonl", "language": "en"}],
        quality=quality,
        deduplicate="none",
        hold_out=0,
    )

    ledger = table(result, "ledger-*.parquet")
    assert ledger.filter(pl.col("reason") == "low_quality")["source"].unique().to_list() == ["c"]
    assert ledger.filter(pl.col("source") == "a")["quality_score"].min() > 0.5


def test_a_new_dump_is_compared_with_what_an_earlier_run_kept(
    source: dict[str, Any], curated: Curate, table: Table, tmp_path: Path
) -> None:
    steps = ["exact", {"method": "minhash", "bands": 40, "rows": 4}]
    write_lines(tmp_path / "new.jsonl", [{"id": f"n{n}", "text": " ".join(prose(n))} for n in (500, 3, 501, 500)])
    first = curated(sources=[source], deduplicate=steps, hold_out=0)

    second = curated(
        sources=[{"name": "new", "path": "new.jsonl", "language": "en"}],
        deduplicate=steps,
        hold_out=0,
        after={"first": first},
    )

    rows, before = by_raw_id(table(second, "ledger-*.parquet")), by_raw_id(table(first, "ledger-*.parquet"))
    assert [rows[name]["reason"] for name in ("n500", "n3", "n501")] == ["duplicate", "near_duplicate", ""]
    assert rows["n3"]["duplicate_of"] == before["r3"]["id"]
    assert second.summary["kept"] == 2
    everything = curated(
        sources=[source, {"name": "new", "path": "new.jsonl", "language": "en"}], deduplicate=steps, hold_out=0
    )
    together = table(everything, "train-*.parquet").filter(pl.col("source") == "new")["id"].to_list()
    assert table(second, "train-*.parquet")["id"].to_list() == together


def test_texts_of_an_earlier_run_are_looked_at_before_a_document_goes(
    source: dict[str, Any], curated: Curate, table: Table, tmp_path: Path
) -> None:
    steps = ["exact", {"method": "minhash", "bands": 40, "rows": 2, "confirm": 0.7}]
    near = [*prose(3)[:60], "other", *prose(3)[61:]]
    half = [*prose(5)[:60], *prose(900)[:60]]  # shares a band with document 5, and a third of its 5-grams
    records = [{"id": name, "text": " ".join(words)} for name, words in (("near", near), ("half", half))]
    write_lines(tmp_path / "new.jsonl", records)
    first = curated(sources=[{**source, "curate": [{"rule": "num_words <> 61"}]}], deduplicate=steps, hold_out=0)

    new = [{"name": "new", "path": "new.jsonl", "language": "en"}]
    second = curated(sources=new, deduplicate=steps, hold_out=0, after={"first": first})

    rows, before = by_raw_id(table(second, "ledger-*.parquet")), by_raw_id(table(first, "ledger-*.parquet"))
    assert [rows[name]["reason"] for name in ("near", "half")] == ["near_duplicate", ""]
    assert rows["near"]["duplicate_of"] == before["r3"]["id"]


def test_personal_data_are_counted_in_the_ledger_and_gone_from_the_text(
    curated: Curate, table: Table, tmp_path: Path
) -> None:
    write_lines(
        tmp_path / "m.jsonl",
        [{"text": "Write to anna@example.com or 请联系13812345678办理。"}, {"text": "nothing here"}],
    )

    result = curated(sources=[{"name": "m", "path": "m.jsonl"}], redact=True, hold_out=0)

    assert table(result, "train-*.parquet")["text"].to_list()[0] == "Write to <EMAIL> or 请联系<PHONE>办理。"
    assert table(result, "ledger-*.parquet")["redacted_email"].to_list() == [1, 0]
    assert result.summary["redacted"] == {"email": 1, "phone": 1}


def test_personal_data_in_metadata_are_replaced_and_the_rest_of_it_is_not(
    curated: Curate, table: Table, tmp_path: Path
) -> None:
    record = {
        "text": "a text",
        "author": "jane.doe@example.org",
        "phone": 13812345678,
        "tags": ["x"],
        "n": 7,
        "ok": True,
    }
    write_lines(tmp_path / "m.jsonl", [record, {"text": "another", "n": 7}])

    result = curated(sources=[{"name": "m", "path": "m.jsonl"}], redact=True, hold_out=0)

    first, second = map(json.loads, table(result, "train-*.parquet")["metadata"].to_list())
    assert first == {"author": "<EMAIL>", "phone": "<PHONE>", "tags": ["x"], "n": 7, "ok": True}
    assert second == {"n": 7}


def test_ids_that_come_twice_in_the_raw_input_are_counted(curated: Curate, tmp_path: Path) -> None:
    write_lines(tmp_path / "m.jsonl", [{"id": number % 3, "text": f"document {number}"} for number in range(5)])

    assert curated(sources=[{"name": "m", "path": "m.jsonl"}], hold_out=0).summary["repeated_ids"] == 2


def test_a_job_that_needs_no_scores_measures_none(source: dict[str, Any], curated: Curate, table: Table) -> None:
    result = curated(sources=[source], measure="needed", deduplicate="minhash", hold_out=0)

    ledger = table(result, "ledger-*.parquet")
    assert ledger["num_words"].null_count() == ledger.height
    assert ledger["num_bytes"].min() > 500
    assert result.summary["duplicates"] == 3


@pytest.mark.parametrize("num_processes", [2, 3])
def test_every_step_gives_the_same_bytes_for_any_number_of_workers(
    source: dict[str, Any], curated: Curate, num_processes: int
) -> None:
    steps = ["exact", {"method": "minhash", "confirm": 0.7}, "lines", "substrings"]

    alone = curated(sources=[source], deduplicate=steps, hold_out=0)
    together = curated(sources=[source], deduplicate=steps, hold_out=0, num_processes=num_processes)

    assert alone.manifest.files == together.manifest.files
