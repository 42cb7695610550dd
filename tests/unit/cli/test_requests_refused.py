"""A request that cannot be carried out ends with exit code 2 and one clear message, on standard error alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.store import RunFolder

Headrace = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run missing.yaml", "error: missing.yaml: no such file. Give the path of a recipe"),
        ("run small.yaml --set seed", "error: --set 'seed': want KEY=VALUE, for example"),
        ("run small.yaml --set corpus.sources.1.name=x", "error: --set corpus.sources.1.name: the list there has 1"),
        (
            "run small.yaml --set corpus.hold_ot=0.1",
            "corpus.hold_ot: unknown key (value 0.1). Did you mean `hold_out`?",
        ),
        ("run small.yaml --set corpus.curate=[gofer]", 'no preset is called "gofer"; there are'),
        ("run small.yaml --set corpus.sources.path=x/*.md", "source lines: no file matches x/*.md in"),
        ("recipe check missing.yaml", "error: missing.yaml: no such file."),
        ("recipe check small.yaml --set nmae=x", "Did you mean `name`?"),
        ("show runs/smal", "error: runs/smal: no run here. Runs in runs: small."),
        ("check runs/smal", "Runs in runs: small."),
        ("report runs/smal", "Runs in runs: small."),
        ("why runs/smal x", "Runs in runs: small."),
        ("show elsewhere/small", "Runs in elsewhere: none yet."),
        ("show small.yaml", "error: small.yaml: no run here."),
        ("why runs/small no-such-document", 'no document or damaged record is called "no-such-document". Give an id'),
        ("why runs/small lines.jsonl:7", 'no document or damaged record is called "lines.jsonl:7"'),
        ("run small.yaml --runs small.yaml", "error: small.yaml/small: Not a directory. Give another place"),
        (
            "run small.yaml --runs /proc/no-process",
            "error: /proc/no-process/small: this folder cannot be made (No such file or directory). Name a folder on",
        ),
        ("run small.yaml --workers 0", "Invalid value for '--workers'"),
        ("shwo runs/small", "No such command 'shwo'"),
        ("show", "Missing argument 'RUN'"),
    ],
)
def test_the_message_names_the_thing_and_the_remedy(
    words: str, message: str, headrace: Headrace, finished: Path
) -> None:
    outcome = headrace(*words.split())

    assert (outcome.code, outcome.stdout) == (2, "")
    assert message in " ".join(outcome.stderr.split())
    assert "Traceback" not in outcome.stderr


def test_a_folder_of_runs_that_links_to_itself_is_refused(headrace: Headrace, project: Path) -> None:
    Path("circle").symlink_to("circle")
    outcome = headrace("run", "small.yaml", "--runs", "circle")

    assert outcome.code == 2
    assert outcome.stderr.startswith("error: circle")
    assert "Give another place" in outcome.stderr


def test_a_run_without_a_model_has_nothing_to_talk_with(headrace: Headrace, finished: Path) -> None:
    outcome = headrace("generate", "runs/small", "--prompt", "It is")

    assert outcome.code == 2
    assert outcome.stderr.startswith("error: run small: no finished `train` step.")


def test_a_folder_where_a_run_is_working_is_refused(headrace: Headrace, project: Path) -> None:
    with RunFolder(Path("runs/small")).held():
        outcome = headrace("run", "small.yaml")
        cleaned = headrace("gc")

    for refused in (outcome, cleaned):
        assert (refused.code, refused.stdout) == (2, "")
        assert refused.stderr.startswith("error: run small: another headrace process is working here")
    assert not Path("runs/store").exists()


def test_the_process_ends_with_the_code_and_the_sentence_and_no_traceback(finished: Path) -> None:
    command = [sys.executable, "-m", "headrace", "show", "runs/smal"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: runs/smal: no run here. Runs in runs: small.\n"


def test_a_request_refused_leaves_nothing_behind(headrace: Headrace, project: Path) -> None:
    before = sorted(project.rglob("*"))

    headrace("run", "small.yaml", "--set", "seed=x")
    headrace("run", "small.yaml", "--set", "corpus.sources.path=nowhere")
    headrace("show", "runs/small")
    headrace("gc")

    assert sorted(project.rglob("*")) == before
