"""The page of a search: its table, its charts, and text that is only ever shown."""

import html
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.errors import StoreError
from headrace.report.search import build_search_report, compose_search
from headrace.report.search_record import Measurement, SearchFolder, SearchRecord, TrialRecord

HOSTILE = "</script><script>alert(1)</script>"


def trial(number: int, value: float | None, rate: float, name: str, **more: Any) -> TrialRecord:
    measured = tuple(Measurement(step=10 * k, value=5.0 - k * 0.3) for k in (1, 2, 3))
    given = {"state": "finished", "measurements": measured, "seconds": 2.5, **more}
    parameters = {"train.learning_rate": rate, "train.optimizer": name}
    return TrialRecord(number=number, value=value, parameters=parameters, run=f"mill-trial-{number:04d}", **given)


RECORD = SearchRecord(
    name="mill",
    metric="validation_loss",
    higher_is_better=False,
    sampler="tpe",
    pruner="median",
    space={"train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "train.optimizer": ["adamw", HOSTILE]},
    wanted=6,
    trials=(
        trial(0, 4.25, 2e-3, "adamw"),
        trial(1, 4.0625, 5e-3, HOSTILE),
        trial(2, None, 9e-4, "adamw", state="pruned", error="given up at measurement 2, step 20."),
        trial(3, None, 9e-3, "adamw", state="failed", error=f"step 7: the loss is not finite. {HOSTILE}"),
        trial(4, None, 1e-3, "adamw", state="running", measurements=(), seconds=None),
    ),
    importance={"train.learning_rate": 0.75, "train.optimizer": 0.25},
    best=1,
    best_recipe="recipes/mill-best.yaml",
)


@pytest.fixture
def folder(tmp_path: Path) -> SearchFolder:
    found = SearchFolder(tmp_path)
    found.write(RECORD)
    return found


def figures(page: str) -> dict[str, Any]:
    """Title of each chart -> its figure."""
    found = re.findall(
        r'role="img" aria-label="([^"]*)".*?<script type="application/json">(.*?)</script>', page, re.DOTALL
    )
    return {html.unescape(title): orjson.loads(figure) for title, figure in found}


def test_a_record_reads_back_as_it_was_written(folder: SearchFolder) -> None:
    assert folder.read() == RECORD


def test_the_page_has_every_trial_and_chart(folder: SearchFolder) -> None:
    page = build_search_report(folder).read_text(encoding="utf-8")
    charts = figures(page)

    assert list(charts) == [
        "Importance of each key",
        "Best so far",
        "On the way",
        "train.learning_rate",
        "train.optimizer",
    ]
    assert charts["Importance of each key"]["data"][0]["x"] == [0.75, 0.25]
    assert charts["Best so far"]["data"][1]["y"] == [4.25, 4.0625]
    assert charts["train.learning_rate"]["layout"]["xaxis"]["type"] == "log"
    assert len(charts["On the way"]["data"]) == 4
    assert "4.0625" in page
    assert "given up at measurement 2" in page
    assert "headrace run recipes/mill-best.yaml" in page
    assert HOSTILE not in page


def test_a_search_that_has_only_begun_has_a_page(folder: SearchFolder) -> None:
    empty = RECORD.model_copy(update={"trials": (), "importance": {}, "best": None, "best_recipe": None})
    folder.write(empty)

    assert "No trial of 6 is finished yet." in build_search_report(folder).read_text(encoding="utf-8")
    assert compose_search(empty).sections == ()


def test_the_best_of_accuracies_is_the_highest() -> None:
    record = RECORD.model_copy(update={"metric": "validation_accuracy", "higher_is_better": True, "best": 0})
    (table,) = [
        block for section in compose_search(record).sections for block in section.blocks if block.kind == "table"
    ]

    assert [row[1] for row in table.rows] == ["best", "finished", "pruned", "failed", "running"]
    assert [row[4].fraction for row in table.rows[:2]] == [1.0, 0.0]


def test_a_damaged_record_is_an_error(folder: SearchFolder) -> None:
    folder.record_path.write_bytes(b'{"name": "mi')

    with pytest.raises(StoreError, match="no record of a search"):
        folder.read()
