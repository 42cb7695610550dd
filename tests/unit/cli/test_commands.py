"""What the commands do with a run, from its first step to the removal of what nobody needs."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Headrace = Callable[..., Any]

MOST_CPU_SECONDS = 5.0  # measured 2; the limit is for slower machines


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.usefixtures("finished_once")  # a run before has compiled the kernels, once per installation
def test_a_corpus_alone_is_a_run_of_seconds(project: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "headrace", "run", "small.yaml"], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert done.returncode == 0, done.stderr
    corpus, report = done.stdout.splitlines()
    assert corpus.startswith("Corpus: ")
    assert report == "Report: runs/small/report.html"
    ends = [line.split()[:2] for line in done.stderr.splitlines() if line.startswith("done ")]
    assert ends == [["done", "measure"], ["done", "curate"]]
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < MOST_CPU_SECONDS


def test_a_run_done_again_finds_its_steps_and_is_still_finished(headrace: Headrace, finished: Path) -> None:
    first, outcome = headrace("run", "small.yaml"), headrace("run", "small.yaml")

    assert (first.code, outcome.code, first.stdout) == (0, 0, outcome.stdout)
    assert [line.split()[:2] for line in outcome.stderr.splitlines()] == [["found", "measure"], ["found", "curate"]]
    assert headrace("show", "runs/small").stdout.startswith("run small: finished\n")


def test_run_as_json_prints_json_and_nothing_else(headrace: Headrace, project: Path) -> None:
    outcome = headrace("run", "small.yaml", "--json", "--set", "name=second", "--runs", "elsewhere")

    result = json.loads(outcome.stdout)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert (result["run"], result["model"], result["samples"]) == ("elsewhere/second", None, [])
    assert [step["step"] for step in result["steps"]] == ["measure lines", "curate"]
    assert Path(result["report"]).is_file()


def test_the_folder_of_runs_may_come_from_the_environment(
    headrace: Headrace, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finished / "runs").rename(finished / "moved")
    monkeypatch.setenv("HEADRACE_RUNS", "moved")

    assert [row["name"] for row in json.loads(headrace("ls", "--json").stdout)] == ["small"]


def test_ls_tells_how_far_every_run_came(headrace: Headrace, finished: Path) -> None:
    shutil.copytree("runs/small", "runs/begun")
    record = json.loads(Path("runs/begun/run.json").read_text())
    Path("runs/begun/run.json").write_text(
        json.dumps(record | {"name": "begun", "finished": False, "steps": record["steps"][:1]})
    )

    rows = json.loads(headrace("ls", "--json").stdout)
    lines = headrace("ls").stdout.splitlines()

    assert [(row["name"], row["state"], row["documents"]) for row in rows] == [
        ("begun", "unfinished", None),
        ("small", "finished", 40),
    ]
    assert [line.split()[:3] for line in lines] == [
        ["run", "state", "documents"],
        ["begun", "unfinished"],
        ["small", "finished", "40"],
    ]


def test_ls_without_runs_says_how_to_start_one(headrace: Headrace, project: Path) -> None:
    assert headrace("ls").stdout == "no runs in runs. Start one: headrace run examples/quickstart.yaml\n"
    assert json.loads(headrace("ls", "--json").stdout) == []


def test_show_lists_steps_with_their_artefacts(headrace: Headrace, finished: Path) -> None:
    shown = json.loads(headrace("show", "runs/small", "--json").stdout)
    table = headrace("show", "runs/small").stdout

    assert (shown["name"], shown["finished"], shown["recipe"]["seed"]) == ("small", True, 1)
    assert [(step["step"], step["state"]) for step in shown["steps"]] == [
        ("measure lines", "published"),
        ("curate", "published"),
    ]
    assert all(step["files"] and step["size_bytes"] and Path(step["path"]).is_dir() for step in shown["steps"])
    assert shown["steps"][1]["summary"]["kept"] == 40
    assert table.startswith("run small: finished\n")
    assert all(step["address"] in table for step in shown["steps"])


def test_show_says_that_an_artefact_is_missing(headrace: Headrace, finished: Path) -> None:
    address = json.loads(headrace("show", "runs/small", "--json").stdout)["steps"][1]["address"]
    shutil.rmtree(f"runs/store/{address}")

    steps = json.loads(headrace("show", "runs/small", "--json").stdout)["steps"]

    assert [step["state"] for step in steps] == ["published", "missing"]


def test_why_tells_each_document_its_fate_and_every_form_of_its_name_means_it(
    headrace: Headrace, finished: Path
) -> None:
    found = json.loads(headrace("why", "runs/small", "lines.jsonl", "--json").stdout)

    assert [(row["kept"], [reason["name"] for reason in row["reasons"]]) for row in found[-3:]] == [
        (True, []),
        (False, ["duplicate"]),
        (False, ["too_short"]),
    ]
    assert found[-2]["duplicate_of"] == found[0]["id"]
    short = found[-1]
    assert short["reasons"][0]["scores"] == {"num_words": 2}
    for name in (short["id"], short["id"][:12], f"lines.jsonl:{short['offset']}"):
        assert json.loads(headrace("why", "runs/small", name, "--json").stdout) == [short]


def test_why_in_words_names_the_rule_and_the_value_that_failed_it(headrace: Headrace, finished: Path) -> None:
    offset = json.loads(headrace("why", "runs/small", "lines.jsonl", "--json").stdout)[-1]["offset"]

    text = headrace("why", "runs/small", f"lines.jsonl:{offset}").stdout

    assert "dropped" in text
    assert "too_short: wants num_words >= 4; num_words = 2" in text
    assert "text      too short" in text


def test_why_knows_a_document_by_the_id_of_its_raw_record(headrace: Headrace, project: Path) -> None:
    with Path("lines.jsonl").open("a") as file:
        file.write('{"id": "urn:mill:7", "text": "a line that has had a name before"}\n')
    headrace("run", "small.yaml")

    (found,) = json.loads(headrace("why", "runs/small", "urn:mill:7", "--json").stdout)

    assert found["excerpt"] == "a line that has had a name before"
    unknown = headrace("why", "runs/small", "urn:mill:8")
    assert unknown.code == 2
    assert unknown.stderr.startswith('error: no document or damaged record is called "urn:mill:8".')


def test_why_shows_the_first_of_many_documents_and_says_how_many_there_are(headrace: Headrace, finished: Path) -> None:
    text = headrace("why", str(finished / "runs" / "small"), "lines.jsonl").stdout

    assert text.count("  lies in   ") == 10
    assert "documents and damaged records in all" in text


def test_why_hides_control_characters_of_a_document(headrace: Headrace, project: Path) -> None:
    offset = Path("lines.jsonl").stat().st_size
    with Path("lines.jsonl").open("a") as file:
        file.write('{"text": "clear \\u001b[2J the screen of the reader"}\n')
    headrace("run", "small.yaml")

    text = headrace("why", "runs/small", f"lines.jsonl:{offset}").stdout

    assert "clear \ufffd[2J the screen" in text
    assert "\x1b" not in text


def test_report_is_built_anew_and_its_place_printed(headrace: Headrace, finished: Path) -> None:
    Path("runs/small/report.html").unlink()

    outcome = headrace("report", "runs/small")

    assert (outcome.code, outcome.stdout) == (0, "runs/small/report.html\n")
    assert Path("runs/small/report.html").is_file()


def test_check_is_content_with_what_was_published(headrace: Headrace, finished: Path) -> None:
    outcome = headrace("check", "runs/small")
    result = json.loads(headrace("check", "runs/small", "--json").stdout)

    assert (outcome.code, outcome.stdout) == (0, "2 artefacts, every checksum agrees.\n")
    assert result["ok"]
    assert list(result["artefacts"].values()) == [[], []]


@pytest.mark.parametrize("name", ["curate-*/train-00000.parquet", "measure-*/scores-00000.parquet"])
def test_a_flipped_byte_is_found_removed_and_built_again(name: str, headrace: Headrace, finished: Path) -> None:
    (path,) = Path("runs/store").glob(name)
    whole = path.read_bytes()
    flip_a_byte(path)

    checked = headrace("check", "runs/small")
    as_json = headrace("check", "runs/small", "--json")
    assert (checked.code, as_json.code) == (1, 1)
    assert checked.stderr.startswith("error: 1 damaged or missing:\n")
    assert str(path) in checked.stderr
    assert not json.loads(as_json.stdout)["ok"]

    cleaned = headrace("gc", "--damaged")
    assert cleaned.code == 0
    assert cleaned.stdout.startswith(f"removed {path.parent} (")
    assert not path.exists()

    assert headrace("run", "small.yaml").code == 0
    assert path.read_bytes() == whole
    assert headrace("check", "runs/small").code == 0


def test_a_manifest_cut_to_nothing_is_found_removed_and_built_again(headrace: Headrace, finished: Path) -> None:
    (path,) = Path("runs/store").glob("curate-*/manifest.json")
    path.write_bytes(b"")

    assert headrace("check", "runs/small").code == 1
    assert "gc --damaged" in headrace("why", "runs/small", "lines.jsonl").stderr
    assert headrace("gc", "--damaged").stdout.startswith(f"removed {path.parent} (")
    assert headrace("run", "small.yaml").code == 0
    assert headrace("check", "runs/small").code == 0


def test_gc_removes_what_no_run_needs_and_a_dry_run_only_says_so(headrace: Headrace, finished: Path) -> None:
    assert headrace("gc").stdout == "0 folders, 0.0 MB\n"
    needed = sorted(os.listdir("runs/store"))
    headrace("run", "small.yaml", "--set", "name=second", "--set", "seed=2")
    shutil.rmtree("runs/second")

    planned = json.loads(headrace("gc", "--dry-run", "--json").stdout)
    assert planned["dry_run"]
    assert [Path(entry["path"]).is_dir() for entry in planned["removed"]] == [True]
    removed = json.loads(headrace("gc", "--json").stdout)

    assert removed == planned | {"dry_run": False}
    assert sorted(os.listdir("runs/store")) == needed


def test_a_recipe_that_can_run_is_printed_with_its_defaults(headrace: Headrace, project: Path) -> None:
    outcome = headrace("recipe", "check", "small.yaml", "--set", "seed=5")

    recipe = json.loads(outcome.stdout)
    assert outcome.code == 0
    assert (recipe["seed"], recipe["corpus"]["hold_out"]) == (5, 0.1)
    assert recipe["corpus"]["deduplicate"] == [{"method": "exact", "keep": "first"}]
    assert not Path("runs").exists()


def test_the_schema_is_printed_as_json(headrace: Headrace) -> None:
    schema = json.loads(headrace("recipe", "schema").stdout)

    assert set(schema["required"]) == {"name", "seed"}
