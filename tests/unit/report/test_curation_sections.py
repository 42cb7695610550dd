"""The page shows what the corpus engine did: each thing where there is something to show, and nothing else."""

import html
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import StoreError
from headrace.report import build_report
from headrace.report.clusters import NUM_LARGEST, Cluster, read_clusters
from headrace.report.colours import PALETTE, name_colours, tell_apart
from headrace.report.damaged import NUM_SHOWN
from headrace.store import RunFolder

SECTIONS = ["rules", "quality", "contamination", "duplicates", "redaction", "mixture"]


def words_of(section: str, page: str) -> str:
    """The section as one line of text, without its charts."""
    found = re.search(rf'<section id="{section}">.*?</section>', page, re.DOTALL)
    assert found, f"no section {section}"
    without_charts = re.sub(r"<script.*?</script>", " ", found[0], flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", without_charts)).split())


def test_what_was_not_done_is_not_on_the_page(finished_run: RunFolder) -> None:
    """The artefacts of this run are as they were before there was such an engine."""
    older = build_report(finished_run).read_text()

    assert not [name for name in SECTIONS if f'<section id="{name}">' in older]
    assert "Skipped records" not in older


def test_every_section_comes_between_documents_and_sources(engine_page: str) -> None:
    places = [engine_page.index(f'<section id="{name}">') for name in ("documents", *SECTIONS, "sources")]

    assert places == sorted(places)


def test_reasons_that_are_no_rules_say_what_holds_for_documents_that_stay(engine_page: str) -> None:
    text = words_of("documents", engine_page)

    assert "no nearly equal document stays in its place" in text
    assert "no part of an evaluation set is in it" in text
    assert "nearly equal to abab" in text


def test_outcomes_add_up_to_all_documents(engine_page: str) -> None:
    outcomes = re.findall(r'"name":"[^":]+: ([\d,]+)"', engine_page)

    assert sum(int(number.replace(",", "")) for number in outcomes) == 15_800 + 142 + 56 + 889 + 1
    assert "poor by learned scores: 142" in engine_page
    assert "failed a rule: 1,825" in engine_page
    assert "left out by the mixture: 412" in engine_page
    assert "the mixture takes 13,000 of them and leaves 412 out" in words_of("documents", engine_page)


def test_no_note_holds_mark_up_for_code(engine_page: str) -> None:
    assert not [name for name in ("documents", *SECTIONS, "sources") if "`" in words_of(name, engine_page)]


def test_shares_of_tokens_are_named_only_where_there_are_tokens(engine_page: str, finished_run: RunFolder) -> None:
    assert "Languages, by documents and bytes" in words_of("sources", engine_page)
    with_tokens = words_of("sources", build_report(finished_run).read_text())
    assert "Languages, by documents, bytes and tokens" in with_tokens


def test_a_name_has_one_colour_in_all_charts_of_shares(engine_page: str) -> None:
    charts = re.findall(r'<script type="application/json">(.*?)</script>', engine_page, re.DOTALL)
    traces = [trace for chart in charts for trace in json.loads(html.unescape(chart))["data"]]
    colours = [(trace["marker"]["color"], trace["name"]) for trace in traces if trace.get("name", "").isidentifier()]
    assert Counter(name for _, name in colours)["novels"] == 2  # among the sources and in the mixture
    assert len({name for _, name in colours}) == len(set(colours))


@given(st.lists(st.text(max_size=3), unique=True, max_size=20), st.data())
def test_no_two_names_of_a_chart_look_the_same(names: list[str], data: st.DataObject) -> None:
    half = len(names) // 2
    counts = [{name: {"bytes": index} for index, name in enumerate(part)} for part in (names[:half], names[half:])]
    known = name_colours({"sources": counts[0], "languages": counts[1]})
    shown = data.draw(st.lists(st.sampled_from([*names, "new"]), unique=True, max_size=len(PALETTE)))

    found = tell_apart(shown, known)

    assert found.keys() == set(shown)
    assert len(set(found.values())) == len(shown)
    own = [name for name in shown if found[name] == known.get(name)]
    assert len(own) == len({known[name] for name in shown if name in known})


def test_skipped_records_and_repeated_ids_are_told(engine_page: str) -> None:
    text = words_of("documents", engine_page)

    assert "The first damaged records Lies at Reason web:0 invalid UTF-8 web:100 invalid UTF-8" in text
    assert text.count("invalid UTF-8") == 1 + NUM_SHOWN  # the count of them all is the other
    assert "Skipped records Reason Records redirect 1,204 web 16" in text
    assert "677 records have ids that an earlier record has too" in text


def test_rules_show_what_they_cost_alone_and_on_the_margin(engine_page: str) -> None:
    text = words_of("rules", engine_page)

    assert "1,825 documents of 15,800 (1.1 MB of 13.9 MB) fail at least one rule" in text
    assert "gopher_short_doc 1,466 389 kB 9.3 % 1,100 208 kB 7.0 %" in text
    assert "gopher_long_doc" not in text


def test_examples_of_a_rule_show_only_the_scores_that_it_looks_at(engine_page: str) -> None:
    text = words_of("rules", engine_page)

    assert "num_words 41" in text
    assert "hash_ratio" not in text


def test_learned_quality_shows_its_figures(engine_page: str) -> None:
    text = words_of("quality", engine_page)

    assert "Good above bad (AUROC) 0.987 0.5 is chance; tested on 40 good and 38 bad" in text
    assert "Dropped for low quality 142 documents" in text
    assert "Least quality score 0.4213 of documents that stay" in text
    assert "Greatest perplexity" not in text
    assert "high perplexity" not in text


def test_evaluation_sets_are_shown_found_or_not(engine_page: str) -> None:
    text = words_of("contamination", engine_page)

    assert "web 25 1 8 32.0 % 45" in text
    assert "untouched 4 0 0 0.0 % 0 –" in text
    assert "5 of 8 items found" in text
    assert "document 00000000000000000000000000000000, bytes 142 to 1,297" in text


def test_clusters_and_cuts_are_shown(engine_page: str) -> None:
    text = words_of("duplicates", engine_page)

    assert "Clusters 6" in text
    assert "Near duplicates dropped 889" in text
    assert "Cut out 17.3 kB 0.1 % of the documents that are kept" in text
    assert "1,500 novels web:600 2.8 kB" in text
    for label in ("2 clusters, 2 dropped", "1 cluster, 6 dropped", "1 cluster, 1,499 dropped"):
        assert label in engine_page


def test_cuts_without_clusters_need_no_ledger(maker: Any) -> None:
    maker.engine()
    curated = maker.run.artefact("curate")
    summary = {**curated.summary, "clusters": 0}
    maker.publish("curate again", summary, {"ledger-00000.parquet": b"none", "sources.json": b"{}"})

    text = words_of("duplicates", build_report(maker.run).read_text())

    assert "Cut out 17.3 kB" in text
    assert "The largest clusters" not in text


def test_a_damaged_ledger_is_named(maker: Any) -> None:
    maker.engine()
    path = maker.run.artefact("curate").path / "ledger-00001.parquet"
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(StoreError, match=r"ledger-00001\.parquet"):
        build_report(maker.run)


def test_personal_data_and_mixture_are_shown(engine_page: str) -> None:
    assert "685 values were replaced by placeholders" in words_of("redaction", engine_page)
    mixture = words_of("mixture", engine_page)
    assert "8.0 MB of training text became 8.2 MB: 1,710 documents, 3,710 with the repeated ones" in mixture
    assert "web 1,000 2.4 MB 30.0 % 1,000 3,000 4.1 MB 50.0 % 3.00 max_repeats" in mixture


def test_of_many_reasons_those_that_dropped_most_have_bars(maker: Any) -> None:
    maker.engine()
    summary = maker.run.artefact("curate").summary
    small = [
        {"reason": f"small {number}", "dropped_first": 3, "failed_total": 3, "failed_alone": 0} for number in range(20)
    ]
    summary = {**summary, "clusters": 0, "funnel": [*small, *summary["funnel"]]}
    maker.publish("curate again", summary, {"ledger-0.parquet": b"none"})

    page = build_report(maker.run).read_text()

    assert '"near_duplicate: 889"' in page
    assert '"16 more reasons: 46"' in page


@given(
    st.lists(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=30), min_size=1, max_size=3),
    st.integers(1, 8),
)
def test_clusters_are_those_of_a_ledger_sorted_at_once(
    tmp_path_factory: pytest.TempPathFactory, files: Sequence[Sequence[tuple[bool, int]]], group_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    paths = [folder / f"ledger-{number:05d}.parquet" for number in range(len(files))]
    for number, (path, rows) in enumerate(zip(paths, files, strict=True)):
        write_ledger(path, rows, first=100 * number, group_rows=group_rows)

    clusters = read_clusters(paths)

    kept = [
        (size, 100 * number + row)
        for number, rows in enumerate(files)
        for row, (is_kept, size) in enumerate(rows)
        if is_kept and size > 1
    ]
    assert clusters.num_by_size == Counter(size for size, _ in kept)
    largest = sorted(kept, key=lambda found: (-found[0], found[1]))[:NUM_LARGEST]
    assert clusters.largest == [Cluster(size, f"{row:032x}", "s", "f", row, 10) for size, row in largest]


def write_ledger(path: Path, rows: Sequence[tuple[bool, int]], *, first: int, group_rows: int) -> None:
    places = range(first, first + len(rows))
    columns = {
        "kept": pa.array([kept for kept, _ in rows], pa.bool_()),
        "cluster_size": pa.array([size for _, size in rows], pa.int64()),
        "id": pa.array([f"{row:032x}" for row in places], pa.string()),
        "source": pa.array(["s"] * len(rows), pa.string()),
        "file": pa.array(["f"] * len(rows), pa.string()),
        "offset": pa.array(places, pa.int64()),
        "num_bytes": pa.array([10] * len(rows), pa.int64()),
    }
    pq.write_table(pa.table(columns), path, row_group_size=group_rows)
