"""The parts of the curation benchmark that its figures stand on: labels, judgement, cost of a process tree."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SENTENCE = "the mill turns as fast as the channel number {0} feeds word{0} into its wheel {1}"
DOCUMENTS = [("made", "\n".join(SENTENCE.format(line * 1000 + row, row) for line in range(12))) for row in range(100)]

BURN = """
import os, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: burn(0.4)
    os._exit(0)
burn(0.3)
"""


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("curation.copies")


def labels_of(copies: Any) -> list[str]:
    return [label for label, _ in copies.with_copies(DOCUMENTS, seed=1)]


def test_a_tool_that_keeps_one_of_each_group_is_judged_perfect(copies: Any) -> None:
    labels = labels_of(copies)
    kept = list({label.split("-")[0]: label for label in labels}.values())

    assert copies.judge(labels, kept) == copies.Found(recall=1.0, precision=1.0)


def test_a_tool_that_keeps_everything_finds_nothing(copies: Any) -> None:
    labels = labels_of(copies)

    assert copies.judge(labels, labels) == copies.Found(recall=0.0, precision=1.0)


def test_dropping_an_original_that_has_no_copy_costs_precision_alone(copies: Any) -> None:
    found = copies.judge(["g1-original", "g1-near", "g2-original"], ["g1-original"])

    assert found == copies.Found(recall=1.0, precision=0.5)


def test_exact_copies_are_equal_and_near_ones_differ_in_few_words(copies: Any) -> None:
    made = copies.with_copies(DOCUMENTS, seed=1)
    originals = {label.split("-")[0]: text for label, text in made if label.endswith("original")}
    counts = {kind: sum(label.endswith(kind) for label, _ in made) for kind in ("original", "near", "exact")}

    assert counts == {"original": 100, "near": 18, "exact": 4}
    for label, text in made:
        group, kind = label.split("-")
        shared = len(set(text.split()) & set(originals[group].split())) / len(set(originals[group].split()))
        assert (text == originals[group]) == (kind != "near")
        assert shared > 0.9


def test_a_document_that_repeats_an_earlier_one_is_not_distinct(copies: Any) -> None:
    assert list(copies.distinct([*DOCUMENTS[:3], DOCUMENTS[1]])) == DOCUMENTS[:3]


def test_the_cost_of_a_tree_counts_daemons_that_nobody_waits_for(tmp_path: Path) -> None:
    launcher = [sys.executable, str(BENCHMARKS / "curation/one_core.py"), "any", str(tmp_path / "cost")]
    subprocess.run([*launcher, sys.executable, "-c", BURN], check=True)
    cost = json.loads((tmp_path / "cost").read_text())

    assert cost["cpu_seconds"] >= 0.7
