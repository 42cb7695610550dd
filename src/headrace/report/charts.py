"""Figures as plotly.js reads them: transparent, in colours that hold on light and on dark paper, with no text that
Plotly would interpret. They are plain dictionaries, because importing plotly takes longer than a small run.

The page's style sheet colours axis text and grid lines, so one figure serves both colour schemes.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from markupsafe import Markup

from headrace.report.blocks import Chart
from headrace.report.colours import PALETTE, tell_apart
from headrace.report.wording import shorten, visible

Settings = dict[str, Any]
"""A trace or a layout in Plotly's words."""

KEPT, HELD_OUT, DUPLICATED, DROPPED = "#3fae8c", "#9fd8c4", "#e3a9b5", "#d9647a"
NEUTRAL, PALE = "#8d9aa8", "rgba(74,143,216,0.5)"
MARGINS = {"l": 8, "r": 24, "t": 12, "b": 8, "pad": 4}
BAR_PIXELS, BAR_FRAME_PIXELS, DIGIT_PIXELS = 28, 60, 8
LEAST_BARS_PIXELS = 130  # room for the axis below a single bar
SHARE_PIXELS, SHARE_FRAME_PIXELS = 34, 110
LEGEND_NAMES, LEGEND_PIXELS = 3, 24  # names that a row of a legend holds on a narrow screen; the frame has room for two
CURVE_PIXELS, WIDE_CURVE_PIXELS = 250, 360
LABEL_CHARACTERS = 28
OTHERS = "(others)"  # no source or language can be called so


@dataclass(frozen=True)
class Bar:
    """One horizontal bar."""

    label: str
    length: float
    text: str
    """What stands behind its end."""
    start: float = 0.0
    colour: str = PALETTE[0]


@dataclass(frozen=True)
class Curve:
    """One line, or a set of points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    look: Mapping[str, Any]
    """Plotly's settings for the trace."""


@dataclass(frozen=True)
class Axis:
    """What an axis shows."""

    title: str
    settings: Mapping[str, Any]
    """Plotly's settings for the axis."""


def bar_chart(title: str, bars: Sequence[Bar], *, unit: str, note: str = "") -> Chart:
    """Horizontal bars from top to bottom."""
    places = list(range(len(bars)))
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": places,
        "x": [bar.length for bar in bars],
        "base": [bar.start for bar in bars],
        "marker": {"color": [bar.colour for bar in bars], "cornerradius": 3},
        "text": [literal(bar.text) for bar in bars],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [literal(f"{bar.label}: {bar.text}") for bar in bars],
        "hoverinfo": "text",
    }
    end = max((bar.start + bar.length for bar in bars), default=1.0) or 1.0
    layout = frame(
        x={**titled(unit), "range": [0, end], "nticks": 4, "tickangle": 0}, y=name_axis([bar.label for bar in bars])
    )
    room = DIGIT_PIXELS * max((len(bar.text) for bar in bars), default=0)  # for the texts behind the longest bars
    layout["margin"] = {**MARGINS, "r": MARGINS["r"] + room}
    return finish(
        [trace],
        layout,
        title=title,
        height=max(LEAST_BARS_PIXELS, BAR_FRAME_PIXELS + BAR_PIXELS * len(bars)),
        note=note,
    )


def share_chart(
    title: str,
    rows: Mapping[str, Mapping[str, float]],
    *,
    colours: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
) -> Chart:
    """One bar of 100 % per row (documents, bytes, tokens), cut into the shares of the same parts.

    colours: of every part, in the order of the parts; by default the largest come first and the smallest are merged.
    known: colours that parts have on the rest of the page; taken where no two parts would look the same.
    """
    rows = {name: parts for name, parts in rows.items() if sum(parts.values())}
    rows = rows if colours else _merge_small(rows)
    places = list(range(len(rows)))
    names = list(colours or dict.fromkeys(name for parts in rows.values() for name in parts))
    shown = [name for name in names if name != OTHERS]
    colours = colours or {**tell_apart(shown, known or {}), OTHERS: NEUTRAL}
    traces = []
    for name in names:
        shares = [100 * parts.get(name, 0) / sum(parts.values()) for parts in rows.values()]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": places,
                "x": shares,
                "name": literal(shorten(name, LABEL_CHARACTERS)),
                "marker": {"color": colours[name]},
                "hovertext": [
                    literal(f"{name}: {value:.1f} % of {row}") for row, value in zip(rows, shares, strict=True)
                ],
                "hoverinfo": "text",
            }
        )
    y = {"tickvals": places, "ticktext": [literal(row) for row in rows], "autorange": "reversed", "showgrid": False}
    y["showticklabels"] = len(rows) > 1
    layout = frame(x={"range": [0, 100], "ticksuffix": " %"}, y=y)
    layout["barmode"] = "stack"
    layout["legend"]["traceorder"] = "normal"
    legend = LEGEND_PIXELS * max(0, math.ceil(len(names) / LEGEND_NAMES) - 2)  # Plotly gives it half of the height
    return finish(traces, layout, title=title, height=SHARE_FRAME_PIXELS + SHARE_PIXELS * len(rows) + legend)


def curve_chart(title: str, curves: Sequence[Curve], *, x: Axis, y: Axis, wide: bool = False, note: str = "") -> Chart:
    """Curves over a common axis."""
    traces = [{"type": "scatter", "x": list(c.x), "y": list(c.y), "name": literal(c.name), **c.look} for c in curves]
    axes = ({**titled(axis.title), **axis.settings} for axis in (x, y))
    layout = frame(*axes)
    layout |= {"hovermode": "x unified" if wide else "closest", "showlegend": wide}
    height = WIDE_CURVE_PIXELS if wide else CURVE_PIXELS
    return finish(traces, layout, title=title, height=height, note=note, wide=wide)


def finish(
    traces: Sequence[Settings], layout: Settings, *, title: str, height: int, note: str = "", wide: bool = True
) -> Chart:
    """A figure as a block of the page. Numbers that JSON does not know become gaps."""
    figure = {"data": traces, "layout": {**layout, "height": height}}
    return Chart(
        title, script_json(orjson.dumps(figure, option=orjson.OPT_SERIALIZE_NUMPY).decode()), height, note, wide
    )


def script_json(json: str) -> Markup:
    """JSON that no HTML parser can mistake for the end of its script element."""
    for character in "<>&\u2028\u2029":
        json = json.replace(character, f"\\u{ord(character):04x}")
    return Markup(json)  # every character that means something to HTML is an escape now


def literal(text: str) -> str:
    """Text that Plotly draws as it is: its own mark-up and entities lose their meaning."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def frame(x: Mapping[str, Any], y: Mapping[str, Any]) -> Settings:
    """The layout that all figures share, with what is said of their axes."""
    axis = {"automargin": True, "zeroline": False, "gridwidth": 1, "ticks": "", "fixedrange": True}
    return {
        "template": {"data": {"scatter": [{"type": "scatter"}]}},  # none of Plotly's own
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": MARGINS,
        "font": {"family": "inherit", "size": 13},
        "xaxis": {**axis, **x},
        "yaxis": {**axis, **y},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "bgcolor": "rgba(0,0,0,0)"},
        "hoverlabel": {"bgcolor": "#22282f", "bordercolor": "#22282f", "font": {"color": "#f2f4f6"}},
        "bargap": 0.34,
    }


def titled(title: str) -> dict[str, Any]:
    """The title of an axis."""
    return {"title": {"text": title, "font": {"size": 12}}}


def name_axis(labels: Sequence[str]) -> dict[str, Any]:
    """An axis with names at whole numbers, from top to bottom: equal names stay apart, and none is taken for a date."""
    names = [literal(shorten(label, LABEL_CHARACTERS)) for label in labels]
    return {"tickvals": list(range(len(labels))), "ticktext": names, "autorange": "reversed", "showgrid": False}


def _merge_small(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Rows of the parts that have a colour of their own, largest first, and the rest as one."""
    totals: Counter[str] = Counter()
    for parts in rows.values():
        totals.update({name: value / sum(parts.values()) for name, value in parts.items() if value})
    shown = [name for name, _ in totals.most_common(len(PALETTE) if len(totals) <= len(PALETTE) else len(PALETTE) - 1)]
    merged = {row: {name: parts.get(name, 0) for name in shown} for row, parts in rows.items()}
    for row, parts in rows.items():
        if rest := sum(value for name, value in parts.items() if name not in shown):
            merged[row][OTHERS] = rest
    return merged
