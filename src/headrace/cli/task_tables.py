"""What a model is worth at a task, as the terminal shows it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace.cli.terminal_text import safe_text

if TYPE_CHECKING:
    from rich.console import Console

    from headrace.evaluate.task_report import AnyTaskReport, Figure, Row
    from headrace.store import RunFolder

MOST_ROWS = 30
SHOWN_SAMPLES = 3
SHOWN_CHARACTERS = 90


def print_task(run: "RunFolder", console: "Console") -> None:
    """The table of the run's last task, its baselines, and where a model errs most; nothing if it had none."""
    from headrace.report.material import gather

    task = gather(run).task
    if task is None:
        return
    for table in task_tables(task):
        console.print(table)
        console.print()


def task_tables(task: "AnyTaskReport") -> list[Any]:
    """The tables of a report: scores, then samples where a task ends in text."""
    from headrace.evaluate.task_report import (
        ClassificationReport,
        InstructionReport,
        PreferenceReport,
        TaggingReport,
        TranslationReport,
    )

    match task:
        case ClassificationReport():
            right = ("all labels right" if task.multi_label else "accuracy", task.accuracy)
            figures = [right, ("macro F1", task.macro_f1)]
            tables = [_rows_table("class", task.classes, task.averages)]
        case TaggingReport():
            figures = [("entity F1", task.f1), ("macro F1", task.macro_f1), ("words right", task.token_accuracy)]
            tables = [_rows_table("entity", task.classes, task.averages)]
        case TranslationReport():
            figures = [(metric.name, metric.figure) for metric in task.metrics]
            tables = [_samples_table(("source", "reference", "this model"), _texts(task.samples, "source"))]
        case InstructionReport():
            figures = [("answer loss", task.answer_loss)]
            figures += [("equal to the reference", task.exact)] if task.exact else []
            tables = [_samples_table(("prompt", "reference", "this model"), _texts(task.samples, "prompt"))]
        case PreferenceReport():
            figures, tables = [("chosen preferred", task.accuracy), ("margin", task.margin)], []
    return [_figures_table(task, figures), *tables]


def task_as_json(run: "RunFolder") -> dict[str, Any] | None:
    """The report as it lies in its file, for a script; None if the run had no task."""
    from dataclasses import asdict

    from headrace.report.material import gather

    task = gather(run).task
    return asdict(task) if task else None


def _figures_table(task: "AnyTaskReport", figures: Sequence[tuple[str, "Figure"]]) -> Any:
    table = _table(f"{task.examples:,} held-out examples")
    for title in ("value", "95 % interval", *(baseline.name for baseline in task.baselines)):
        table.add_column(title, justify="right")
    for name, figure in figures:
        key = {"accuracy": "accuracy", "all labels right": "accuracy", "entity F1": "f1"}.get(name, name)
        key = key if key in ("BLEU", "chrF") else key.lower().replace(" ", "_")
        others = [baseline.figures.get(key) for baseline in task.baselines]
        digits = 3 if figure.value <= 1 else 2
        known = (f"{other:.{digits}f}" if other is not None else "" for other in others)
        table.add_row(name, f"{figure.value:.{digits}f}", _interval(figure, digits), *known)
    return table


def _rows_table(thing: str, rows: Sequence["Row"], averages: Sequence["Row"]) -> Any:
    table = _table(thing)
    for title in ("precision", "recall", "F1", "95 % interval", "support"):
        table.add_column(title, justify="right")
    for row, name in (
        *((row, row.name) for row in rows[:MOST_ROWS]),
        *((row, f"{row.name} average") for row in averages),
    ):
        figures = (f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1.value:.3f}")
        table.add_row(_short(name), *figures, _interval(row.f1, 3), f"{row.support:,}")
    if len(rows) > MOST_ROWS:
        table.caption = f"the first {MOST_ROWS} of {len(rows)}; the report has all"
    return table


def _samples_table(titles: Sequence[str], texts: Sequence[Sequence[str]]) -> Any:
    table = _table(titles[0])
    for title in titles[1:]:
        table.add_column(title)
    for row in texts[:SHOWN_SAMPLES]:
        table.add_row(*map(_short, row))
    return table


def _texts(samples: Sequence[Any], asked: str) -> list[tuple[str, str, str]]:
    return [(getattr(sample, asked), sample.reference, sample.guess) for sample in samples]


def _table(first: str) -> Any:
    from rich.table import Table

    return Table(first, title=None, box=None, pad_edge=False, header_style="bold")


def _interval(figure: "Figure", digits: int) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:.{digits}f} to {figure.high:.{digits}f}"


def _short(text: str) -> Any:
    """A text in one line; never read as mark-up, whatever brackets it has."""
    from rich.text import Text

    line = " ".join(safe_text(text).split())
    return Text(line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 1]}…")
