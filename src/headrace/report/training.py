"""The section about training: curves, and how the machine computed."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from headrace.report.blocks import Block, Cell, Chart, Column, Note, Section, Table
from headrace.report.charts import DROPPED, PALE, PALETTE, Axis, Curve, curve_chart
from headrace.report.material import Material, MetricRecord, Stage
from headrace.report.wording import count, decimal, duration, plural, share, short_count, size

MOST_POINTS = 1200
SMOOTHED_SHARE = 0.02  # of all steps: the memory of the smoothed curve
TIME_UNITS = ((10_800, 3600, "hours"), (180, 60, "minutes"), (0, 1, "seconds"))

LINE = {"mode": "lines", "line": {"width": 2, "color": PALETTE[0]}}
FAINT = {"mode": "lines", "line": {"width": 1, "color": PALE}, "hoverinfo": "skip"}
POINTS = {"mode": "lines+markers", "line": {"width": 2, "color": PALETTE[1]}, "marker": {"size": 7}}
BEST = {"mode": "markers", "marker": {"size": 13, "symbol": "star", "color": DROPPED}}


def training_section(material: Material) -> Section | None:
    """Curves and figures of every trained stage."""
    stages = [stage for stage in material.stages if stage.train]
    if not stages:
        return None
    blocks: list[Block] = []
    for stage in stages:
        blocks += [Note(f"Stage {stage.label}: {_sentence(stage)}"), *_curves(stage)]
    blocks.append(_numerics(stages))
    lead = "Loss is the mean negative log-likelihood of a token, in nats. Every figure is a measurement of one optimiser step."
    return Section("training", "Training", lead, tuple(blocks))


def _sentence(stage: Stage) -> str:
    summary = stage.summary
    text = f"{plural(summary['steps'], 'step')} over {short_count(summary['tokens'])} tokens"
    if summary["best_validation_loss"] is not None:
        text += f"; lowest held-out loss {decimal(summary['best_validation_loss'])} after step {count(summary['best_step'])}"
        text += ", which is the model that was published"
    if summary["stopped_early"]:
        text += "; stopped early, because the held-out loss no longer fell"
    return text + "."


def _curves(stage: Stage) -> list[Chart]:
    records = thin(stage.train)
    tokens = [record["tokens"] for record in records]
    over_tokens = Axis("tokens", {"tickformat": "~s"})
    return [
        _loss_chart(stage),
        curve_chart(
            "Learning rate",
            [Curve("learning rate", tokens, _column(records, "learning_rate"), LINE)],
            x=over_tokens,
            y=Axis("", {"rangemode": "tozero", "tickformat": "~g", "exponentformat": "power"}),
        ),
        curve_chart(
            "Norm of the gradient, before clipping",
            [Curve("norm", tokens, _column(records, "gradient_norm"), LINE)],
            x=over_tokens,
            y=Axis("", {"rangemode": "tozero"}),
        ),
        _speed_chart(stage),
    ]


def _loss_chart(stage: Stage) -> Chart:
    train, validation = stage.train, stage.validation
    smooth = [{**record, "loss": loss} for record, loss in zip(train, smoothed(_column(train, "loss")), strict=True)]
    raw, smooth = thin(train), thin(smooth)
    step_tokens = train[-1]["tokens"] / train[-1]["step"]
    curves = [
        Curve("each step", _column(raw, "tokens"), _column(raw, "loss"), FAINT),
        Curve("training, smoothed", _column(smooth, "tokens"), _column(smooth, "loss"), LINE),
    ]
    if validation:
        places = [record["step"] * step_tokens for record in validation]
        curves.append(Curve("held-out", places, _column(validation, "loss"), POINTS))
        best = min(validation, key=lambda record: record["loss"])
        curves.append(Curve(f"best: {decimal(best['loss'])}", [best["step"] * step_tokens], [best["loss"]], BEST))
    x = Axis("tokens", {"tickformat": "~s", "hoverformat": ",.0f"})
    return curve_chart("Loss", curves, x=x, y=Axis("nats per token", {"hoverformat": ".3f"}), wide=True)


def _speed_chart(stage: Stage) -> Chart:
    train = stage.train
    elapsed = list(accumulate(record["seconds"] for record in train))
    unit_seconds, unit = next((size, name) for least, size, name in TIME_UNITS if elapsed[-1] >= least)
    records = thin(
        [{**record, "elapsed": seconds / unit_seconds} for record, seconds in zip(train, elapsed, strict=True)]
    )
    return curve_chart(
        "Tokens per second",
        [Curve("tokens/s", _column(records, "elapsed"), _column(records, "tokens_per_second"), LINE)],
        x=Axis(f"{unit} in steps", {}),
        y=Axis("", {"rangemode": "tozero", "tickformat": "~s"}),
    )


def _numerics(stages: Sequence[Stage]) -> Table:
    columns = (
        Column("Stage", "text"),
        Column("Parameters"),
        Column("Precision", "text", hint="Of matrix products; weights and sums are fp32"),
        Column("Compiled", "text"),
        Column("Processes × threads"),
        Column("Tokens/s", hint="Median over the steps"),
        Column("Matrix-product peak", hint="Measured on this machine before training, for each process"),
        Column("Share of peak", hint="Median over the steps"),
        Column("Waiting for data", hint="Of the time of all steps"),
        Column("Memory", hint="Most that was held at once"),
        Column("Forecast", hint="Of memory, before training"),
    )
    return Table(columns, tuple(_numerics_row(stage) for stage in stages), title="How it was computed")


def _numerics_row(stage: Stage) -> tuple[Cell, ...]:
    summary, numerics = stage.summary, stage.summary["numerics"]
    return (
        stage.label,
        count(summary["parameters"]),
        numerics["precision"],
        "yes" if numerics["compiled"] else "no",
        f"{summary.get('processes', 1)} × {numerics['num_threads']}",
        count(summary["tokens_per_second"]),
        f"{count(numerics['peak_gflops'])} GFLOP/s",
        share(summary["share_of_peak"], 1),
        f"{duration(waited_seconds(stage))} ({share(waited_seconds(stage), step_seconds(stage))})",
        _size_or_dash(summary.get("peak_memory_bytes")),
        _size_or_dash(summary.get("forecast_memory_bytes")),
    )


def _size_or_dash(size_bytes: int | None) -> str:
    return size(size_bytes) if size_bytes else "–"


def waited_seconds(stage: Stage) -> float:
    """Time in which the loop stood still because its next batch was not there."""
    return sum(record["wait_seconds"] for record in stage.train)


def step_seconds(stage: Stage) -> float:
    """Time of all steps, validation and checkpoints left out."""
    return sum(record["seconds"] for record in stage.train)


def smoothed(values: Sequence[float]) -> list[float]:
    """An exponential moving average that starts unbiased, as Adam's does (Kingma & Ba 2015, section 3)."""
    decay = 1 - 1 / max(3.0, SMOOTHED_SHARE * len(values))
    average, weight, result = 0.0, 0.0, []
    for value in values:
        average = decay * average + (1 - decay) * value
        weight = decay * weight + (1 - decay)
        result.append(average / weight)
    return result


def thin(records: Sequence[MetricRecord]) -> list[MetricRecord]:
    """At most `MOST_POINTS` records: each the mean of as many neighbours as that takes."""
    width = -(-len(records) // MOST_POINTS)
    if width == 1:
        return list(records)
    groups = [records[start : start + width] for start in range(0, len(records), width)]
    return [{key: sum(record[key] for record in group) / len(group) for key in _numbers(group[0])} for group in groups]


def _numbers(record: MetricRecord) -> list[str]:
    return [key for key, value in record.items() if isinstance(value, int | float)]


def _column(records: Sequence[MetricRecord], name: str) -> list[Any]:
    return [record[name] for record in records]
