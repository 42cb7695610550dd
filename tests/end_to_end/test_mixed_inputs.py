"""One recipe makes one corpus of HTML, WARC, mail, manual pages, Parquet, JSON lines, CSV, text; English, Chinese."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from mixed_inputs import CHINESE_QUESTION, QUESTION, Planted, write_mixed_inputs
from small_project import Headrace, content

from headrace.corpus.why import Explanation, explain
from headrace.store import Artefact, RunFolder

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mixed inputs")]

NO_RULES = ("duplicate", "near_duplicate", "contaminated", "nothing_left")
SOURCES = ("pages", "crawl", "mail", "manuals", "poems", "chapters", "rows", "novel")
SECTIONS = ("What became of", "What each rule costs", "Duplicates", "The largest clusters", "Replaced, by kind", "quiz")


@dataclass(frozen=True)
class Curated:
    """The folder, what was planted in it, and what became of it."""

    folder: Path
    planted: Planted
    again: Callable[..., subprocess.CompletedProcess[str]]
    """Runs the same recipe again, with further options."""

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "mixed"

    @property
    def artefact(self) -> Artefact:
        return RunFolder(self.run).artefact("curate")

    def ledger(self, source: str | None = None) -> pl.DataFrame:
        """The ledger, or the part of a source."""
        ledger = pl.read_parquet(self.artefact.files("ledger-*.parquet"))
        return ledger if source is None else ledger.filter(pl.col("source") == source)

    def texts(self) -> pl.DataFrame:
        """Everything that was written for training and validation."""
        return pl.concat([pl.read_parquet(self.artefact.files(f"{s}-*.parquet")) for s in ("train", "validation")])


@pytest.fixture(scope="module")
def curated(headrace: Headrace, tmp_path_factory: pytest.TempPathFactory) -> Curated:
    """The recipe, carried out once by two workers. Tests only look, or run it again."""
    folder = tmp_path_factory.mktemp("mixed")
    planted = write_mixed_inputs(folder)

    def again(*options: str) -> subprocess.CompletedProcess[str]:
        return headrace("run", folder / "mixed.yaml", "--runs", folder / "runs", "--workers", 2, *options)

    done = again()
    assert done.returncode == 0, done.stderr
    return Curated(folder, planted, again)


def only(curated: Curated, raw_id: str) -> Explanation:
    """What became of the one document of that id."""
    (explanation,) = explain(curated.artefact, raw_id)
    return explanation


def test_every_record_is_in_the_ledger_or_in_the_quarantine(curated: Curated) -> None:
    seen = pl.concat(
        [
            curated.ledger().select("source", "file", "offset"),
            pl.read_parquet(curated.artefact.files("quarantine.parquet")).select("source", "file", "offset"),
        ]
    )

    assert dict(seen.group_by("source").len().iter_rows()) == curated.planted.documents
    assert seen.is_duplicated().sum() == 0


def test_what_was_kept_was_written_as_often_as_the_ledger_says(curated: Curated) -> None:
    written = dict(curated.texts().group_by("id").len().iter_rows())
    said = curated.ledger().filter(pl.col("copies") > 0)

    assert written == dict(said.select("id", "copies").iter_rows())
    assert said["kept"].all()
    assert set(said["language"]) == {"en", "zh"}


def test_a_page_that_a_crawl_has_too_is_dropped_there_and_names_its_twin(curated: Curated) -> None:
    pages = {row["file"]: row for row in curated.ledger("pages").iter_rows(named=True)}
    fates = {"duplicate": 0, "near_duplicate": 0}
    crawled = curated.ledger("crawl").sort("offset").iter_rows(named=True)
    for number, (file, copy) in enumerate(zip(curated.planted.pages, crawled, strict=True)):
        if pages[file]["kept"]:
            assert copy["duplicate_of"] == pages[file]["id"]
            assert copy["reason"] == ("near_duplicate" if number % 2 else "duplicate")
            fates[copy["reason"]] += 1

    assert min(fates.values()) > 10


def test_a_row_that_repeats_a_line_of_json_names_it(curated: Curated) -> None:
    for row, chapter in curated.planted.repeated.items():
        first, second = only(curated, chapter), only(curated, row)
        assert [reason.name for reason in second.reasons] in (["duplicate"], [reason.name for reason in first.reasons])
        assert second.duplicate_of == (first.id if first.kept else "")


def test_all_personal_data_in_mails_are_replaced_and_counted(curated: Curated) -> None:
    counted = curated.ledger("mail").select(pl.col("^redacted_.*$").sum()).row(0, named=True)
    mails = curated.texts().filter(pl.col("source") == "mail")["text"].to_list()

    assert {name.removeprefix("redacted_"): n for name, n in counted.items() if n} == curated.planted.personal
    assert all(f"<{kind}>" in text for kind in ("EMAIL", "PHONE", "CN_ID") for text in mails)
    everything = "\n".join(curated.texts()["text"])
    assert [secret for secret in curated.planted.secrets if secret in everything] == []


def test_poems_in_both_scripts_come_out_in_one(curated: Curated) -> None:
    poems = curated.texts().filter(pl.col("source") == "poems")["text"]

    assert poems.str.contains("來|時|風|雲|與").sum() == 0
    assert poems.str.contains("来|时|风|云|与").sum() > 300


@pytest.mark.parametrize(("raw_id", "question"), [("leaked", QUESTION), ("simplified-7", CHINESE_QUESTION)])
def test_a_document_that_holds_a_question_of_the_evaluation_is_dropped_by_name(
    raw_id: str, question: str, curated: Curated
) -> None:
    found = only(curated, raw_id)
    hits = orjson.loads((curated.artefact.path / "contamination.json").read_bytes())

    assert [reason.name for reason in found.reasons] == ["contaminated"]
    assert found.scores["num_contaminated"] > 0
    assert found.id in {hit["id"] for hit in hits}
    assert curated.texts().filter(pl.col("text").str.to_lowercase().str.contains(question, literal=True)).is_empty()


def test_a_damaged_line_is_in_the_quarantine_with_its_file_and_offset(curated: Curated, headrace: Headrace) -> None:
    (row,) = pl.read_parquet(curated.artefact.files("quarantine.parquet")).to_dicts()
    file, offset = curated.planted.damaged

    assert (row["source"], row["file"], row["offset"], row["reason"]) == ("chapters", file, offset, "broken_json")
    said = headrace("why", curated.run, f"{file}:{offset}")
    assert "broken_json" in said.stdout, said.stderr


def test_why_knows_every_id_of_the_raw_input(curated: Curated) -> None:
    known = set(curated.ledger()["raw_id"]) - {""}

    assert known == set(curated.planted.raw_ids)
    for raw_id in curated.planted.raw_ids[::40]:
        found = only(curated, raw_id)
        assert found.kept != bool(found.reasons)


@pytest.mark.parametrize(
    ("raw_id", "expected"),
    [
        ("short", "gopher_short_doc: wants num_words >= 50"),
        ("leaked", "contaminated"),
        ("a-0", "duplicate"),
        ("traditional-3", "kept, in "),
    ],
)
def test_the_command_why_answers_for_an_id_of_the_raw_input(
    raw_id: str, expected: str, curated: Curated, headrace: Headrace
) -> None:
    done = headrace("why", curated.run, raw_id)

    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_what_if_agrees_with_the_ledger(curated: Curated, headrace: Headrace) -> None:
    found = orjson.loads(headrace("corpus", "what-if", curated.run, "--json").stdout)
    ledger = curated.ledger()
    reasons: list[list[str]] = ledger["reasons"].to_list()

    for effect in found["effects"]:
        name = effect["reason"]
        assert effect["documents"] == sum(name in failed for failed in reasons), name
        assert effect["first_documents"] == (ledger["reason"] == name).sum(), name
        assert effect["margin_documents"] == sum(failed == [name] for failed in reasons), name
    by_rules = ledger.filter(~pl.col("kept") & ~pl.col("reason").is_in(NO_RULES))
    assert (found["documents"], found["dropped_documents"]) == (ledger.height, by_rules.height)
    assert found["dropped_bytes"] == by_rules["num_bytes"].sum() > 0


def test_running_again_finds_everything_and_changes_nothing(curated: Curated) -> None:
    before, start = content(curated.folder / "runs", "mixed", "curate"), time.monotonic()
    done = curated.again()

    assert "done" not in done.stderr
    assert done.stderr.count("found measure") == len(SOURCES)
    assert time.monotonic() - start < 10  # a finished run looks only at names
    assert content(curated.folder / "runs", "mixed", "curate") == before


def test_another_threshold_measures_nothing_again(curated: Curated) -> None:
    store = curated.folder / "runs" / "store"
    before = {path.name for path in store.glob("[!.]*")}
    rules = '["gopher", {"rule": "num_words >= 400", "name": "shorter_than_a_page"}]'
    done = curated.again("--set", "name=stricter", "--set", f"corpus.curate={rules}")

    assert done.returncode == 0, done.stderr
    (new,) = {path.name for path in store.glob("[!.]*")} - before
    assert new.startswith("curate-")
    assert Artefact(store / new).summary["kept"] < curated.artefact.summary["kept"]


def test_the_report_shows_what_became_of_the_documents(curated: Curated) -> None:
    page = (curated.run / "report.html").read_text(encoding="utf-8")
    missing = [section for section in SECTIONS if section not in page]

    assert missing == []
    funnel: list[dict[str, Any]] = curated.artefact.summary["funnel"]
    assert [step["reason"] for step in funnel if step["dropped_first"] and escape(step["reason"]) not in page] == []
    assert not any(secret in page for secret in curated.planted.secrets)
