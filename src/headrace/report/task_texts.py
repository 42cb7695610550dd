"""Blocks of tasks that end in text: translations, answers, preferred answers."""

from collections.abc import Sequence

from headrace.evaluate.task_report import (
    Answer,
    Figure,
    InstructionReport,
    PreferenceReport,
    Translation,
    TranslationReport,
)
from headrace.report.blocks import Block, Cell, Chart, Column, Quotation, Quotations, Table
from headrace.report.charts import Axis, Curve, curve_chart
from headrace.report.colours import PALETTE
from headrace.report.task_charts import figure_name, interval_chart, interval_text, percent
from headrace.report.wording import count, decimal, excerpt

SHOWN_SAMPLES = 8


def translation_blocks(task: TranslationReport, curves: Sequence[Chart]) -> list[Block]:
    """Scores beside those of the baselines, curves, samples side by side."""
    return [
        _metrics_table(task),
        interval_chart(
            "How sure these figures are",
            {metric.name: metric.figure for metric in task.metrics},
            unit="points of 100",
            marks=_best_baselines(task),
        ),
        *curves,
        _translations("Samples, chosen by chance", task.samples),
        _translations("Worst by chrF", task.worst),
    ]


def instruction_blocks(task: InstructionReport, curves: Sequence[Chart]) -> list[Block]:
    """Loss and matches, curves, answers beside those of the data."""
    shares: dict[str, Figure | None] = {
        "Equal to the reference": task.exact,
        "Equal, but for case and punctuation": task.normalised,
    }
    rows: list[tuple[Cell, ...]] = [
        ("Loss, nats per answer token", interval_text(task.answer_loss)),
        ("Perplexity of an answer token", decimal(task.perplexity, 2)),
        ("Answer tokens", count(task.answer_tokens)),
    ]
    rows += [(name, _share_text(figure)) for name, figure in shares.items() if figure]
    rows += [
        (f"{baseline.name}: {figure_name(name)}", decimal(value))
        for baseline in task.baselines
        for name, value in baseline.figures.items()
    ]
    return [
        Table((Column("", "text"), Column("Value (95 % interval)")), tuple(rows), title="Answers"),
        *curves,
        *_answers("Answers, chosen by chance", task.samples),
        *_answers("Answers of greatest loss", task.worst),
    ]


def preference_blocks(task: PreferenceReport, curves: Sequence[Chart]) -> list[Block]:
    """How often and by how much the chosen answer is preferred, curves, pairs that are not."""
    rows: list[tuple[Cell, ...]] = [
        ("Chosen answer preferred", _share_text(task.accuracy)),
        ("Margin of rewards", interval_text(task.margin)),
        ("Reward of chosen answers", decimal(task.chosen_reward)),
        ("Reward of rejected answers", decimal(task.rejected_reward)),
    ]
    rows += [
        (f"{baseline.name}: {figure_name(name)}", decimal(value))
        for baseline in task.baselines
        for name, value in baseline.figures.items()
    ]
    lost = tuple(
        Quotation(
            excerpt(pair.prompt),
            f"chosen: {pair.chosen}\nrejected: {pair.rejected}",
            {"margin": decimal(pair.margin)},
        )
        for pair in task.worst
    )
    blocks: list[Block] = [
        Table((Column("", "text"), Column("Value (95 % interval)")), tuple(rows), title="Preferences"),
        _margin_chart(task),
        *curves,
    ]
    return [*blocks, Quotations("Pairs seen the other way", "the clearest first", lost)] if lost else blocks


def _metrics_table(task: TranslationReport) -> Table:
    columns = [Column("Score", "text"), Column("This model"), Column("95 % interval")]
    columns += [Column(baseline.name.capitalize()) for baseline in task.baselines]
    columns.append(Column("Signature", "code", hint="What sacrebleu needs to compute the same"))
    rows: list[tuple[Cell, ...]] = [
        (
            metric.name,
            decimal(metric.figure.value, 1),
            interval_text(metric.figure, 1).partition("(")[2].rstrip(")") or "–",
            *(decimal(baseline.figures.get(metric.name, 0), 1) for baseline in task.baselines),
            metric.signature,
        )
        for metric in task.metrics
    ]
    note = f"Equal to the reference: {_share_text(task.exact)}. "
    note += f"Length: {decimal(task.length_ratio, 2)} times that of the references."
    return Table(tuple(columns), tuple(rows), title="Scores", note=note)


def _best_baselines(task: TranslationReport) -> dict[str, float]:
    found = {
        metric.name: [baseline.figures[metric.name] for baseline in task.baselines if metric.name in baseline.figures]
        for metric in task.metrics
    }
    return {name: max(values) for name, values in found.items() if values}


def _translations(title: str, translations: Sequence[Translation]) -> Table:
    retrieved = any(translation.retrieved for translation in translations)
    titles = ["Source", "Reference", "This model", *(["Nearest training pair"] if retrieved else [])]
    columns = (*(Column(name, "text") for name in titles), Column("chrF"))
    rows: list[tuple[Cell, ...]] = []
    for each in translations[:SHOWN_SAMPLES]:
        texts = [each.source, each.reference, each.guess, *([each.retrieved] if retrieved else [])]
        rows.append((*map(excerpt, texts), decimal(each.chrf, 1)))
    return Table(columns, tuple(rows), title=title)


def _answers(title: str, answers: Sequence[Answer]) -> list[Block]:
    told = any(answer.guess for answer in answers)
    columns = [Column("Prompt", "text"), Column("Reference", "text")]
    columns += [Column("This model", "text")] if told else []
    columns.append(Column("Loss", hint="Nats per token of the reference"))
    rows: list[tuple[Cell, ...]] = []
    for each in answers[:SHOWN_SAMPLES]:
        texts = [each.prompt, each.reference, *([each.guess] if told else [])]
        rows.append((*map(excerpt, texts), "–" if each.loss is None else decimal(each.loss, 2)))
    return [Table(tuple(columns), tuple(rows), title=title)] if rows else []


def _margin_chart(task: PreferenceReport) -> Chart:
    """The share of pairs whose margin is at most so large."""
    edges = task.margins
    shares = [100 * place / (len(edges) - 1) for place in range(len(edges))]
    look = {"mode": "lines", "line": {"width": 2, "color": PALETTE[0]}}
    return curve_chart(
        "Pairs by margin",
        [Curve("pairs", edges, shares, look)],
        x=Axis("margin at most", {"zeroline": True}),
        y=Axis("", {"range": [0, 102], "ticksuffix": " %"}),
    )


def _share_text(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return percent(figure.value)
    return f"{percent(figure.value)} ({percent(figure.low)} to {percent(figure.high)})"
