"""The section about a task: what the model is worth at what it was trained for."""

from headrace.evaluate.learning_curves import LOWER_IS_BETTER, learning_curves
from headrace.evaluate.task_report import (
    AnyTaskReport,
    Baseline,
    ClassificationReport,
    Figure,
    InstructionReport,
    PreferenceReport,
    TaggingReport,
    TranslationReport,
)
from headrace.report.blocks import Block, Chart, Fact, Section
from headrace.report.charts import Axis, Curve, curve_chart
from headrace.report.material import Material, Stage
from headrace.report.task_charts import figure_name, figure_text, interval_text, percent
from headrace.report.task_classes import classification_blocks, tagging_blocks
from headrace.report.task_texts import instruction_blocks, preference_blocks, translation_blocks
from headrace.report.training import BEST, FAINT, LINE, POINTS, smoothed, thin
from headrace.report.wording import count, decimal, plural

TITLES = {
    "classify": "Classification",
    "tag": "Named entities",
    "seq2seq": "Translation",
    "instruct": "Answers",
    "prefer": "Preferences",
}


def task_section(material: Material) -> Section | None:
    """Figures on the test split with intervals and baselines, learning curves, and the worst mistakes."""
    task = material.task
    if task is None:
        return None
    curves = [chart for stage in material.stages[-1:] for chart in _curves(stage)]
    return Section("task", TITLES[task.task], _lead(task), (*_blocks(task, curves),))


def task_facts(task: AnyTaskReport) -> list[Fact]:
    """The two figures that one wants first."""
    on = f"on {plural(task.examples, 'held-out example')}"
    match task:
        case ClassificationReport():
            title = "All labels right" if task.multi_label else "Accuracy"
            figures = [(title, task.accuracy), ("Macro F1", task.macro_f1)]
        case TaggingReport():
            figures = [("Entity F1", task.f1), ("Macro F1", task.macro_f1)]
        case TranslationReport():
            figures = [(metric.name, metric.figure) for metric in task.metrics]
        case InstructionReport():
            figures = [("Answer loss", task.answer_loss)]
        case PreferenceReport():
            figures = [("Chosen preferred", task.accuracy), ("Margin", task.margin)]
    digits = 1 if isinstance(task, TranslationReport) else 3
    return [Fact(name, decimal(figure.value, digits), note=_fact_note(figure, digits, on)) for name, figure in figures]


def _fact_note(figure: Figure, digits: int, otherwise: str) -> str:
    if figure.low is None or figure.high is None:
        return otherwise
    return f"95 %: {decimal(figure.low, digits)} to {decimal(figure.high, digits)}"


def task_verdict(task: AnyTaskReport) -> str:
    """The figure that stands at the end of the page's first sentence."""
    match task:
        case ClassificationReport():
            return f"{percent(task.accuracy.value)} right"
        case TaggingReport():
            return f"entity F1 {decimal(task.f1.value)}"
        case TranslationReport():
            return ", ".join(f"{metric.name} {decimal(metric.figure.value, 1)}" for metric in task.metrics)
        case InstructionReport():
            return f"{decimal(task.answer_loss.value, 2)} nats per answer token"
        case PreferenceReport():
            return f"{percent(task.accuracy.value)} of choices shared"


def _lead(task: AnyTaskReport) -> str:
    others = "; ".join(f"{baseline.name}: {_figures_text(baseline)}" for baseline in task.baselines)
    what = task_facts(task)[0]
    lead = f"Measured on {count(task.examples)} examples that training never saw. {what.label}: {_first(task)}."
    return f"{lead} For comparison, {others}." if others else lead


def _figures_text(baseline: Baseline) -> str:
    return ", ".join(f"{figure_name(name)} {figure_text(value)}" for name, value in baseline.figures.items())


def _first(task: AnyTaskReport) -> str:
    match task:
        case TaggingReport():
            return interval_text(task.f1)
        case TranslationReport():
            return interval_text(task.metrics[0].figure, 1)
        case InstructionReport():
            return f"{interval_text(task.answer_loss)} nats per token"
        case _:
            return interval_text(task.accuracy)


def _blocks(task: AnyTaskReport, curves: list[Chart]) -> list[Block]:
    match task:
        case ClassificationReport():
            return classification_blocks(task, curves)
        case TaggingReport():
            return tagging_blocks(task, curves)
        case TranslationReport():
            return translation_blocks(task, curves)
        case InstructionReport():
            return instruction_blocks(task, curves)
        case PreferenceReport():
            return preference_blocks(task, curves)


def _curves(stage: Stage) -> list[Chart]:
    """Learning curves: the loss, and each figure that was measured on held-out examples meanwhile."""
    curves = learning_curves(stage.records)
    x = Axis("steps", {"rangemode": "tozero", "hoverformat": ",.0f"})
    train = curves.train_loss
    raw = thin([{"x": step, "y": loss} for step, loss in zip(train.steps, train.values, strict=True)])
    smooth = thin([{"x": step, "y": loss} for step, loss in zip(train.steps, smoothed(train.values), strict=True)])
    shown = [Curve("each step", *_points(raw), FAINT), Curve("training, smoothed", *_points(smooth), LINE)]
    charts = []
    for name, series in curves.validation.items():
        step, value = series.best(lower=name in LOWER_IS_BETTER)
        lines = [Curve("held-out", series.steps, series.values, POINTS), Curve("best", [step], [value], BEST)]
        lines = [*shown, *lines] if name == "loss" else lines
        title, y = f"Learning curve: {figure_name(name)}", Axis("", {"hoverformat": ".3f"})
        note = f"Held-out examples: best {decimal(value)}, after step {count(step)}."
        charts.append(curve_chart(title, lines, x=x, y=y, note=note))
    return charts


def _points(records: list[dict[str, float]]) -> tuple[list[float], list[float]]:
    return [record["x"] for record in records], [record["y"] for record in records]
