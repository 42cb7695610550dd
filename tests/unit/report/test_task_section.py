"""A task's figures, intervals, baselines and mistakes stand on the page, whatever its labels are called."""

import html
from collections.abc import Callable
from typing import Any

import pytest
from task_reports import CHINESE_LABELS, answered, classified, labelled, preferred, tagged, translated

from headrace.errors import StoreError
from headrace.evaluate.task_report import AnyTaskReport, ClassificationReport
from headrace.report import build_report
from headrace.report.task_charts import MOST_NAMES, OTHERS, confusion_matrix


def page_of(maker: Any, report: AnyTaskReport) -> str:
    maker.training()
    maker.task(report)
    return html.unescape(build_report(maker.finish()).read_text())


def test_a_classification_is_shown_whole(maker: Any) -> None:
    report = classified()
    assert isinstance(report, ClassificationReport)

    page = page_of(maker, report)

    for words in (*CHINESE_LABELS, "weighted average", "Confusion", "Reliability", "Worst mistakes", "majority class"):
        assert words in page
    assert f"{report.accuracy.value:.3f} ({report.accuracy.low:.3f} to {report.accuracy.high:.3f})" in page
    assert "Learning curve: loss" in page
    assert f"{100 * report.accuracy.value:.1f} % right in " in page


@pytest.mark.parametrize(
    "make, words",
    [
        (labelled, ("All labels right", "usual labels")),
        (tagged, ("Wrong extent", "(none)", "[PER Anna Smith]", "most frequent tag", "王 小明")),
        (translated, ("tok:zh", "Nearest training pair", "Copy of the source", "打开文件对话框")),
        (answered, ("before training: answer loss", "里昂", "Answers of greatest loss")),
        (preferred, ("Pairs by margin", "Pairs seen the other way")),
    ],
)
def test_every_other_task_is_shown(maker: Any, make: Callable[[], AnyTaskReport], words: tuple[str, ...]) -> None:
    page = page_of(maker, make())

    assert [word for word in words if word not in page] == []


def test_a_run_without_a_task_has_no_such_section(finished_run: Any) -> None:
    assert '<section id="task">' not in build_report(finished_run).read_text()


def test_many_classes_make_a_matrix_that_fits_and_loses_no_count() -> None:
    names = [f"c{n}" for n in range(60)]
    counts = [[(row * column) % 7 for column in range(60)] for row in range(60)]

    matrix = confusion_matrix("Confusion", names, counts)

    assert len(matrix.columns) == len(matrix.rows) == MOST_NAMES
    assert matrix.columns[-1] == OTHERS
    shown = sum(int(cell.text.replace(",", "")) for _, cells in matrix.rows for cell in cells if cell.text != "·")
    assert shown == sum(map(sum, counts))


def test_a_damaged_task_file_is_named(maker: Any) -> None:
    maker.task(classified())
    path = maker.run.artefact("evaluate").path / "task.json"
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(StoreError, match=r"task\.json"):
        build_report(maker.run)
