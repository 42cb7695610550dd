"""Charts of tasks: figures with their intervals, and confidence against what came of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.evaluate.task_report import Calibration, Figure, ReliabilityBin
from headrace.report.blocks import Chart, Heat, Matrix
from headrace.report.charts import (
    BAR_FRAME_PIXELS,
    BAR_PIXELS,
    CURVE_PIXELS,
    DROPPED,
    NEUTRAL,
    Axis,
    Curve,
    curve_chart,
    finish,
    frame,
    literal,
    name_axis,
    titled,
)
from headrace.report.colours import PALETTE
from headrace.report.wording import count, decimal, share, shorten

MOST_FIGURES = 24
MOST_NAMES = 16
COLUMN_CHARACTERS = 14
OTHERS = "(others)"
SHORTEST_PIXELS = 150


def interval_chart(
    title: str, figures: Mapping[str, Figure], *, unit: str, marks: Mapping[str, float] | None = None
) -> Chart:
    """A point and a whisker for each figure from top to bottom; `marks` are other points in the same rows."""
    shown = dict(list(figures.items())[:MOST_FIGURES])
    values = list(shown.values())
    points: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": "this model",
        "x": [figure.value for figure in values],
        "y": list(range(len(values))),
        "marker": {"size": 10, "color": PALETTE[0]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [(figure.value if figure.high is None else figure.high) - figure.value for figure in values],
            "arrayminus": [figure.value - (figure.value if figure.low is None else figure.low) for figure in values],
            "color": PALETTE[0],
            "thickness": 2,
            "width": 5,
        },
        "hovertext": [literal(f"{name}: {interval_text(figure)}") for name, figure in shown.items()],
        "hoverinfo": "text",
    }
    traces = [points, *_mark_traces(shown, marks or {})]
    ends = [figure.high or figure.value for figure in values] + list((marks or {}).values())
    most = 1.0 if max(ends, default=1) <= 1 else max(ends) * 1.05
    layout = frame(x={**titled(unit), "range": [0, 1.02 * most], "nticks": 6}, y=name_axis(list(shown)))
    layout["yaxis"] |= {"range": [len(shown) - 0.5, -0.5], "autorange": False, "showgrid": True}
    layout["showlegend"] = bool(marks)
    height = max(SHORTEST_PIXELS, BAR_FRAME_PIXELS + BAR_PIXELS * len(shown))
    note = "Whiskers: 95 % of what other examples of the same kind would give (bootstrap)."
    if len(figures) > len(shown):
        note += f" The first {len(shown)} of {len(figures)}; the table has all."
    return finish(traces, layout, title=title, height=height, note=note)


def _mark_traces(shown: Mapping[str, Figure], marks: Mapping[str, float]) -> list[dict[str, Any]]:
    places = [place for place, name in enumerate(shown) if name in marks]
    if not places:
        return []
    names = [name for name in shown if name in marks]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "baseline",
            "x": [marks[name] for name in names],
            "y": places,
            "marker": {"size": 10, "symbol": "line-ns-open", "color": DROPPED, "line": {"width": 3}},
            "hovertext": [literal(f"{name}, baseline: {decimal(marks[name])}") for name in names],
            "hoverinfo": "text",
        }
    ]


def interval_text(figure: Figure, digits: int = 3) -> str:
    """0.912 (0.884 to 0.935); no brackets where there is no interval."""
    if figure.low is None or figure.high is None:
        return decimal(figure.value, digits)
    return f"{decimal(figure.value, digits)} ({decimal(figure.low, digits)} to {decimal(figure.high, digits)})"


def reliability_charts(calibration: Calibration) -> list[Chart]:
    """How often guesses are right against how sure they were, and how many there are of each sureness."""
    bins = calibration.bins
    note = (
        f"On the grey line probabilities mean what they say. Mean gap: {decimal(calibration.error)}; with bins of "
        f"equally many guesses: {decimal(calibration.adaptive_error)}."
    )
    line = {"mode": "lines", "line": {"width": 1, "color": NEUTRAL, "dash": "dot"}, "hoverinfo": "skip"}
    curves = [Curve("as it should be", [0, 1], [0, 1], line), *_reliability_curves(bins)]
    axes = {"range": [0, 1.02], "nticks": 6}
    return [
        curve_chart("Reliability", curves, x=Axis("confidence", axes), y=Axis("share right", axes), note=note),
        _confidence_chart(bins),
    ]


def _reliability_curves(bins: Sequence[ReliabilityBin]) -> list[Curve]:
    look = {
        "mode": "lines+markers",
        "line": {"width": 2, "color": PALETTE[0]},
        "marker": {"size": 7},
        "hovertext": [f"{part.count} guesses: {part.accuracy:.3f} right, {part.confidence:.3f} sure" for part in bins],
        "hoverinfo": "text",
    }
    return [Curve("guesses", [part.confidence for part in bins], [part.accuracy for part in bins], look)]


def _confidence_chart(bins: Sequence[ReliabilityBin]) -> Chart:
    trace = {
        "type": "bar",
        "x": [(part.low + part.high) / 2 for part in bins],
        "y": [part.count for part in bins],
        "width": [0.92 * (part.high - part.low) for part in bins],
        "marker": {"color": PALETTE[0], "cornerradius": 2},
        "hovertext": [f"{part.low:.2f} to {part.high:.2f}: {count(part.count)}" for part in bins],
        "hoverinfo": "text",
    }
    layout = frame(x={**titled("confidence"), "range": [0, 1.02], "nticks": 6}, y={"nticks": 5})
    return finish([trace], layout, title="Guesses by confidence", height=CURVE_PIXELS, wide=False)


def confusion_matrix(
    title: str, names: Sequence[str], counts: Sequence[Sequence[int]], *, nothing: str = "", note: str = ""
) -> Matrix:
    """Counts on a colour: the share of their row. The rarest of many names are taken together.

    nothing: the name that no diagonal is wanted of, because it stands for what is not there.
    """
    names, counts = _merged(list(names), [list(row) for row in counts], keep=nothing)
    rows = []
    for truth, row in zip(names, counts, strict=True):
        total = max(1, sum(row))
        cells = tuple(
            Heat(
                count(number) if number else "·",
                _strength(number / total),
                guess == truth and truth not in (nothing, OTHERS),
            )
            for guess, number in zip(names, row, strict=True)
        )
        rows.append((truth, cells))
    said = f"Stronger colour: a greater share of the row. {note}".strip()
    return Matrix(
        title, "true ↓  guessed →", tuple(shorten(name, COLUMN_CHARACTERS) for name in names), tuple(rows), said
    )


def _strength(fraction: float) -> float:
    """How strong a colour is: its root, because a confusion of 5 % is worth seeing."""
    return math.sqrt(fraction)


def _merged(names: list[str], counts: list[list[int]], *, keep: str) -> tuple[list[str], list[list[int]]]:
    if len(names) <= MOST_NAMES:
        return names, counts
    weight = {place: (names[place] == keep, sum(counts[place])) for place in range(len(names))}
    shown = sorted(sorted(weight, key=lambda place: weight[place], reverse=True)[: MOST_NAMES - 1])
    place_of = {place: index for index, place in enumerate(shown)}
    merged = [[0] * MOST_NAMES for _ in range(MOST_NAMES)]
    for row, numbers in enumerate(counts):
        for column, number in enumerate(numbers):
            merged[place_of.get(row, MOST_NAMES - 1)][place_of.get(column, MOST_NAMES - 1)] += number
    return [*(names[place] for place in shown), OTHERS], merged


def figure_name(key: str) -> str:
    """The key of a figure as people write it: `macro_f1` -> macro F1."""
    return key.replace("_", " ").replace("f1", "F1")


def figure_text(value: float) -> str:
    """A share with three decimals; what goes beyond 1, or is nothing at all, with one."""
    return decimal(value, 3 if 0 < abs(value) <= 1 else 1)


def percent(fraction: float) -> str:
    """A share of 0 to 1 as per cent."""
    return share(fraction, 1)
