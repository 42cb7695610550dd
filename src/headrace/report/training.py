"""The section about training: curves, and how the machine computed."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from headrace.report.batch_sizes import batch_blocks
from headrace.report.blocks import Block, Cell, Chart, Column, Note, Section, Table
from headrace.report.charts import DROPPED, PALE, Axis, Curve, curve_chart
from headrace.report.colours import PALETTE
from headrace.report.material import Material, MetricRecord, Stage
from headrace.report.wording import count, decimal, duration, plural, share, short_count, size

MOST_POINTS = 1200
SMOOTHED_SHARE = 0.03  # of all steps: what a point of the smoothed curve is the mean of
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
        blocks += [Note(f"Stage {stage.label}: {_sentence(stage)}"), *_curves(stage), *batch_blocks(stage)]
    blocks.append(_numerics(stages))
    lead = (
        "Loss is the mean negative log-likelihood of a target (a token, or an example's label), in nats, measured at "
        "every optimiser step."
    )
    return Section("training", "Training", lead, tuple(blocks))


def _sentence(stage: Stage) -> str:
    summary = stage.summary
    text = f"{plural(summary['steps'], 'step')} over {short_count(summary[stage.unit])} {stage.unit}"
    if summary["best_validation_loss"] is not None:
        text += f"; lowest held-out loss {decimal(summary['best_validation_loss'])}, after {_best_place(stage)}"
        text += {
            "best": ", which is the model that was published",
            "last": "; the last weights were published",
            "average": "; an average of weights was published",
        }[summary.get("published", "best")]
    if summary["stopped_early"]:
        text += "; stopped early, because the held-out loss no longer fell"
    if left_out := summary.get("skipped_steps"):
        text += f"; {plural(left_out, 'step')} left out, because loss or gradient was out of line"
    if roll_backs := summary.get("roll_backs"):
        text += f"; gone back to its best weights {plural(roll_backs, 'time')}"
    return text + "."


def _best_place(stage: Stage) -> str:
    summary = stage.summary
    if "base_batches" not in summary:
        return f"step {count(summary['best_step'])}"
    units = summary["best_step"] / summary["base_batches"] * summary[stage.unit]
    return f"{short_count(round(units))} {stage.unit}"


def _curves(stage: Stage) -> list[Chart]:
    records = thin(stage.train)
    units = [record[stage.unit] for record in records]
    over_units = Axis(stage.unit, {"tickformat": "~s"})
    return [
        _loss_chart(stage),
        curve_chart(
            "Learning rate",
            [Curve("learning rate", units, _column(records, "learning_rate"), LINE)],
            x=over_units,
            y=Axis("", {"rangemode": "tozero", "tickformat": "~g", "exponentformat": "power"}),
        ),
        curve_chart(
            "Gradient norm, before clipping",
            [Curve("norm", units, _column(records, "gradient_norm"), LINE)],
            x=over_units,
            y=Axis("", {"rangemode": "tozero"}),
        ),
        _speed_chart(stage),
    ]


def _loss_chart(stage: Stage) -> Chart:
    train, validation = stage.train, stage.validation
    smooth = [{**record, "loss": loss} for record, loss in zip(train, smoothed(_column(train, "loss")), strict=True)]
    raw, smooth = thin(train), thin(smooth)
    unit = stage.unit
    step_units = train[-1][unit] / train[-1]["step"]
    curves = [
        Curve("each step", _column(raw, unit), _column(raw, "loss"), FAINT),
        Curve("training, smoothed", _column(smooth, unit), _column(smooth, "loss"), LINE),
    ]
    if validation:
        places = [record["step"] * step_units for record in validation]
        curves.append(Curve("held-out", places, _column(validation, "loss"), POINTS))
        best = min(validation, key=lambda record: record["loss"])
        curves.append(Curve(f"best: {decimal(best['loss'])}", [best["step"] * step_units], [best["loss"]], BEST))
    x = Axis(unit, {"tickformat": "~s", "hoverformat": ",.0f", "rangemode": "tozero"})
    return curve_chart(
        "Loss",
        curves,
        x=x,
        y=Axis("nats per target" if unit == "examples" else "nats per token", {"hoverformat": ".3f"}),
        wide=True,
    )


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
    described = [_describe(stage) for stage in stages]
    rows: list[tuple[Cell, ...]] = [(name, *(facts[name] for facts in described)) for name in described[0]]
    columns = (Column("", "text"), *(Column(stage.label) for stage in stages))
    note = "Speed and its share are medians over the steps; the peak was measured on this machine, for each process."
    return Table(columns, tuple(rows), title="How it was computed", note=note)


def _describe(stage: Stage) -> dict[str, str]:
    summary, numerics = stage.summary, stage.summary["numerics"]
    waited = waited_seconds(stage)
    return {
        "Parameters": count(summary["parameters"]),
        "Parameters that were trained": count(summary.get("trained_parameters", summary["parameters"])),
        "Precision of matrix products": numerics["precision"],
        "Compiled": "yes" if numerics["compiled"] else "no",
        "Processes × threads": f"{summary.get('processes', 1)} × {numerics['num_threads']}",
        "Speed": f"{count(summary['tokens_per_second'])} tokens/s",
        "Peak of matrix products": f"{count(numerics['peak_gflops'])} GFLOP/s",
        "Share of that peak": share(summary["share_of_peak"], 1),
        "Speed of the median step": f"{count(summary['median_tokens_per_second'])} tokens/s",
        "Waiting for data": f"{duration(waited)} ({share(waited, step_seconds(stage))})",
        "Memory, forecast": _size_or_dash(summary.get("forecast_memory_bytes")),
        "Memory, most held at once": _size_or_dash(summary.get("peak_memory_bytes")),
    }


def _size_or_dash(size_bytes: int | None) -> str:
    return size(size_bytes) if size_bytes else "–"


def waited_seconds(stage: Stage) -> float:
    """Time in which the loop stood still because its next batch was not there."""
    return math.fsum(record["wait_seconds"] for record in stage.train)


def step_seconds(stage: Stage) -> float:
    """Time of all steps, validation and checkpoints left out."""
    return math.fsum(record["seconds"] for record in stage.train)


def smoothed(values: Sequence[float]) -> list[float]:
    """The mean of each value and its neighbours, as many on either side; towards the ends, fewer. It does not lag."""
    reach = max(1, round(SMOOTHED_SHARE * len(values) / 2))
    sums = [0.0, *accumulate(values)]
    reaches = [min(reach, index, len(values) - 1 - index) for index in range(len(values))]
    return [(sums[i + r + 1] - sums[i - r]) / (2 * r + 1) for i, r in enumerate(reaches)]


def thin(records: Sequence[MetricRecord]) -> list[MetricRecord]:
    """At most `MOST_POINTS` records: each the mean of as many neighbours as that takes."""
    width = -(-len(records) // MOST_POINTS)
    if width == 1:
        return list(records)
    groups = [records[start : start + width] for start in range(0, len(records), width)]
    return [{key: sum(record[key] for record in group) / len(group) for key in _numbers(group)} for group in groups]


def _numbers(records: Sequence[MetricRecord]) -> list[str]:
    """What is a number in all of them."""
    return [key for key in records[0] if all(isinstance(record.get(key), int | float) for record in records)]


def _column(records: Sequence[MetricRecord], name: str) -> list[Any]:
    return [record[name] for record in records]
