"""Blocks of tasks that sort things into classes: texts by label, words and entities by type."""

from collections.abc import Mapping, Sequence

from headrace.evaluate.entities import find_entities
from headrace.evaluate.task_report import ClassificationReport, Figure, Row, Sentence, TaggingReport
from headrace.report.blocks import Block, Cell, Chart, Column, Gauge, Quotation, Quotations, Table
from headrace.report.task_charts import confusion_matrix, interval_chart, reliability_charts
from headrace.report.wording import count, decimal, excerpt, plural

NOTHING = "(none)"


def classification_blocks(task: ClassificationReport, curves: Sequence[Chart]) -> list[Block]:
    """Per class and averages, intervals, confusion, calibration, curves, mistakes."""
    right = "all labels right" if task.multi_label else "accuracy"
    baseline = task.baselines[0].figures if task.baselines else {}
    marks = {name: baseline[key] for name, key in ((right, "accuracy"), ("macro F1", "macro_f1")) if key in baseline}
    figures = {right: task.accuracy, "macro F1": task.macro_f1} | _class_figures(task.classes)
    precision = {name: value for name, value in task.average_precision.items() if name != "macro"}
    blocks: list[Block] = [
        scores_table("Per class", "Class", rows=task.classes, averages=task.averages, average_precision=precision),
        interval_chart("How sure these figures are", figures, unit="", marks=marks),
    ]
    if task.confusion:
        names, counts = task.confusion.names, task.confusion.counts
        blocks.append(confusion_matrix("Confusion", names, counts))
    blocks += [*reliability_charts(task.calibration), *curves]
    mistakes = tuple(
        Quotation(
            f"{mistake.truth} → {mistake.guess}",
            excerpt(mistake.text),
            {"probability of the guess": decimal(mistake.probability), "loss": decimal(mistake.loss, 2)},
        )
        for mistake in task.worst
    )
    remark = "the most confident first: the label of the data → the guess. Some are mistakes of the data."
    return [*blocks, Quotations("Worst mistakes", remark, mistakes)] if mistakes else blocks


def tagging_blocks(task: TaggingReport, curves: Sequence[Chart]) -> list[Block]:
    """Entities per type, intervals, confusion with what is missed, errors, words, curves, sentences."""
    baseline = task.baselines[0].figures if task.baselines else {}
    marks = {name: baseline[key] for name, key in (("micro F1", "f1"), ("macro F1", "macro_f1")) if key in baseline}
    figures = {"micro F1": task.f1, "macro F1": task.macro_f1} | _class_figures(task.classes)
    confusion, note = task.confusion, f"Last row: guessed where nothing is; last column: missed. {EXTENT}"
    exact = "Right only if extent and type are exact."
    return [
        scores_table("Entities", "Type", rows=task.classes, averages=task.averages, note=exact),
        interval_chart("How sure these figures are", figures, unit="", marks=marks),
        confusion_matrix("Confusion of types", confusion.names, confusion.counts, nothing=NOTHING, note=note),
        _errors_table(task),
        scores_table(
            "Words", "Tag", rows=task.token_classes, averages=task.token_averages,
            note=f"O is left out; with it {decimal(task.token_accuracy.value)} of all words are right.",
        ),
        *curves,
        *_sentences(task),
    ]  # fmt: skip


EXTENT = "An entity of wrong extent counts where its type was guessed."


def scores_table(
    title: str,
    thing: str,
    *,
    rows: Sequence[Row],
    averages: Sequence[Row],
    average_precision: Mapping[str, float] | None = None,
    note: str = "",
) -> Table:
    """Precision, recall, F1 with its interval, and support; averages at the end."""
    columns = [
        Column(thing, "text"),
        Column("Precision", hint="Of what was guessed, the share that is right"),
        Column("Recall", hint="Of what is there, the share that was found"),
        Column("F1", hint="Harmonic mean of precision and recall"),
        Column("95 % interval of F1", hint="Bootstrap over the held-out examples"),
        Column("Support", hint="How many there truly are"),
    ]
    columns += [Column("Average precision", hint="Over all thresholds")] if average_precision else []
    cells = [_score_row(row, row.name) for row in rows]
    cells += [_score_row(row, f"{row.name} average") for row in averages]
    if average_precision:
        names = [row.name for row in rows] + [""] * len(averages)
        known = {name: decimal(value) for name, value in average_precision.items()}
        cells = [(*row, known.get(name, "–")) for row, name in zip(cells, names, strict=True)]
    return Table(tuple(columns), tuple(cells), title=title, note=note)


def _score_row(row: Row, name: str) -> tuple[Cell, ...]:
    return (
        name,
        decimal(row.precision),
        decimal(row.recall),
        Gauge(decimal(row.f1.value), row.f1.value),
        _interval(row.f1),
        count(row.support),
    )


def _interval(figure: Figure) -> str:
    return "–" if figure.low is None or figure.high is None else f"{decimal(figure.low)} to {decimal(figure.high)}"


def _class_figures(rows: Sequence[Row]) -> dict[str, Figure]:
    return {f"F1 {row.name}": row.f1 for row in rows if row.f1.low is not None}


def _errors_table(task: TaggingReport) -> Table:
    columns = (
        Column("Type", "text"),
        Column("Exactly right"),
        Column("Wrong extent", hint="The type is right"),
        Column("Wrong type", hint="The extent is right"),
        Column("Both wrong", hint="It overlaps with a guess, no more"),
        Column("Missed"),
        Column("Extra", hint="Guessed, and nothing left to belong to"),
    )
    rows = tuple(
        (error.name, *map(count, (error.correct, error.boundary, error.type, error.both, error.missed, error.extra)))
        for error in task.errors
    )
    return Table(columns, rows, title="What became of the entities")


def _sentences(task: TaggingReport) -> list[Block]:
    quoted = tuple(
        Quotation(
            plural(sentence.errors, "error"), f"true: {_bracketed(sentence, guess=False)}\n"
            f"guessed: {_bracketed(sentence, guess=True)}", {},
        )
        for sentence in task.worst
    )  # fmt: skip
    return [Quotations("Worst sentences", "most errors first", quoted)] if quoted else []


def _bracketed(sentence: Sentence, *, guess: bool) -> str:
    """A sentence with its entities in brackets: `[PER Anna Smith] lives here`."""
    tags = sentence.guess if guess else sentence.truth
    types = sorted({tag.partition("-")[2] for tag in tags if tag != "O"})
    entities = find_entities([tags], types)
    words = list(sentence.tokens)
    for start, end, kind in zip(entities.start_S, entities.end_S, entities.type_S, strict=True):
        words[start] = f"[{types[kind]} {words[start]}"
        words[end - 1] += "]"
    return " ".join(words)
