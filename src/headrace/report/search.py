"""The page of a search: the trials, what was best, and which keys mattered."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import JsonValue

from headrace.report.blocks import Block, Cell, Chart, Column, Fact, Gauge, Note, Page, Section, Table
from headrace.report.charts import DROPPED, NEUTRAL, PALE, Axis, Bar, Curve, bar_chart, curve_chart, literal
from headrace.report.colours import PALETTE
from headrace.report.html import render
from headrace.report.search_record import SearchFolder, SearchRecord, TrialRecord
from headrace.report.wording import duration, plural, share, shorten
from headrace.store import write_file
from headrace.version import VERSION

METRICS = {
    "validation_loss": "held-out loss, nats",
    "validation_accuracy": "held-out accuracy",
    "bits_per_byte": "bits per byte",
}
CHOICE_CHARACTERS = 24
MOST_TICKS = 15  # trials of which each has its own number below the chart
MOST_CURVES = 60  # trials whose course is drawn, the latest and the best
POINTS = {"mode": "markers", "marker": {"size": 8, "color": PALETTE[0]}}
BEST_SO_FAR = {"mode": "lines", "line": {"width": 2, "color": PALETTE[1], "shape": "hv"}}
BEST = {"mode": "markers", "marker": {"size": 13, "symbol": "star", "color": DROPPED}}
COURSE = {"mode": "lines", "line": {"width": 1, "color": PALE}}
GIVEN_UP = {"mode": "lines+markers", "line": {"width": 1, "color": NEUTRAL, "dash": "dot"}, "marker": {"size": 4}}
BEST_COURSE = {"mode": "lines+markers", "line": {"width": 3, "color": DROPPED}, "marker": {"size": 6}}


def build_search_report(folder: SearchFolder) -> Path:
    """Writes the page of a search, replacing an older one in one step, and returns its path."""
    write_file(folder.report_path, render(compose_search(folder.read())).encode("utf-8"))
    return folder.report_path


def compose_search(record: SearchRecord) -> Page:
    """What the page shows; sections without data are left out."""
    over = [trial for trial in record.trials if trial.state != "running"]
    sections = (make(record) for make in (_importance, _course, _values, _table, _recipe))
    return Page(
        name=f"{record.name}: search",
        status="finished" if len(over) >= record.wanted else "not finished",
        verdict=_verdict(record, over),
        facts=_facts(record, over),
        sections=tuple(section for section in sections if section),
        footer=f"headrace {VERSION} · written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def parameter(value: JsonValue) -> str:
    """A value that was tried, as people read it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def figure(value: float | None) -> str:
    """A figure of a trial."""
    return "–" if value is None else f"{value:.4f}"


def _verdict(record: SearchRecord, over: Sequence[TrialRecord]) -> str:
    if (best := record.best_trial) is None:
        return f"No trial of {record.wanted} is finished yet."
    values = ", ".join(f"{key} {parameter(value)}" for key, value in best.parameters.items())
    return f"{plural(len(over), 'trial')} → {METRICS[record.metric]} {figure(best.value)} with {values}"


def _facts(record: SearchRecord, over: Sequence[TrialRecord]) -> tuple[Fact, ...]:
    states = [trial.state for trial in over]
    seconds = math.fsum(trial.seconds or 0.0 for trial in over)
    facts = [Fact("Trials", f"{len(over)}", note=f"of {record.wanted} asked for, chosen by {record.sampler}")]
    if (best := record.best_trial) is not None:
        facts.insert(0, Fact(METRICS[record.metric], figure(best.value), note=f"trial {best.number}"))
    facts.append(Fact("Given up", f"{states.count('pruned')}", note=f"by the pruner {record.pruner}"))
    if "failed" in states:
        facts.append(Fact("Failed", f"{states.count('failed')}", note="their errors stand in the table"))
    return (*facts, Fact("Time of all trials", duration(seconds)))


def _importance(record: SearchRecord) -> Section | None:
    if not record.importance:
        return None
    bars = [Bar(key, value, share(value, 1)) for key, value in record.importance.items()]
    note = "Of few trials this is a guess: more of them, above all random ones, make it surer."
    lead = "How much of the difference between finished trials goes back to each key (fANOVA, over a random forest)."
    chart = bar_chart("Importance of each key", bars, unit="share of the differences", note=note)
    return Section("importance", "What mattered", lead, (chart,))


def _course(record: SearchRecord) -> Section | None:
    finished = [trial for trial in record.trials if trial.value is not None]
    if not finished:
        return None
    return Section(
        "course",
        "The search",
        "Every finished trial in the order in which they were tried, and how each came there.",
        tuple(block for block in (_best_so_far(record, finished), _measurements(record)) if block),
    )


def _best_so_far(record: SearchRecord, finished: Sequence[TrialRecord]) -> Chart:
    better: Callable[..., float] = max if record.higher_is_better else min
    numbers, values = [trial.number for trial in finished], [trial.value or 0.0 for trial in finished]
    best = [better(values[: index + 1]) for index in range(len(values))]
    curves = [Curve("trial", numbers, values, POINTS), Curve("best so far", numbers, best, BEST_SO_FAR)]
    last = max(numbers, default=0)
    whole = {"dtick": 1} if last <= MOST_TICKS else {}
    x = Axis("trial", {"tickformat": "d", "range": [-0.5, last + 0.5], **whole})
    return curve_chart("Best so far", curves, x=x, y=Axis(METRICS[record.metric], {"hoverformat": ".4f"}), wide=True)


def _measurements(record: SearchRecord) -> Chart | None:
    """Held-out figures on the way, the best trial in front."""
    watched = [trial for trial in record.trials if trial.measurements and trial.number != record.best][-MOST_CURVES:]
    best = record.best_trial
    curves = [_curve(trial, GIVEN_UP if trial.state == "pruned" else COURSE) for trial in watched]
    if best is not None and best.measurements:
        curves.append(_curve(best, BEST_COURSE))
    if not curves:
        return None
    note = "Dotted: trials that were given up. Thick: the best one."
    return curve_chart(
        "On the way",
        curves,
        x=Axis("measurement", {"tickformat": "d"}),
        y=Axis(METRICS[record.metric], {"hoverformat": ".4f"}),
        note=note,
    )


def _curve(trial: TrialRecord, look: Mapping[str, Any]) -> Curve:
    values = [measured.value for measured in trial.measurements]
    return Curve(f"trial {trial.number}", list(range(1, len(values) + 1)), values, look)


def _values(record: SearchRecord) -> Section | None:
    finished = [trial for trial in record.trials if trial.value is not None]
    if len(finished) < 2:
        return None
    charts = tuple(_slice(key, record, finished) for key in record.space)
    lead = "What finished trials were worth, over the values of one key; the others differ from point to point."
    return Section("values", "Value by value", lead, charts)


def _slice(key: str, record: SearchRecord, finished: Sequence[TrialRecord]) -> Chart:
    dimension = record.space[key]
    places, settings = _places(dimension, [trial.parameters[key] for trial in finished])
    values = [trial.value or 0.0 for trial in finished]
    curves = [Curve("trial", places, values, POINTS)]
    index = next((index for index, trial in enumerate(finished) if trial.number == record.best), None)
    if index is not None:
        curves.append(Curve("best", [places[index]], [values[index]], BEST))
    return curve_chart(key, curves, x=Axis("", settings), y=Axis(METRICS[record.metric], {"hoverformat": ".4f"}))


def _places(dimension: JsonValue, values: Sequence[JsonValue]) -> tuple[list[float], dict[str, object]]:
    """Where values lie on an axis: numbers where they are, choices at whole numbers."""
    if isinstance(dimension, dict):
        settings: dict[str, object] = {"type": "log", "dtick": 1} if dimension.get("log") else {}
        return [float(str(value)) for value in values], {**settings, "exponentformat": "power"}
    assert isinstance(dimension, list), "a dimension is a range or a list"
    names = [literal(shorten(parameter(choice), CHOICE_CHARACTERS)) for choice in dimension]
    axis = {"tickvals": list(range(len(dimension))), "ticktext": names, "range": [-0.5, len(dimension) - 0.5]}
    return [float(dimension.index(value)) for value in values], axis


def _table(record: SearchRecord) -> Section | None:
    if not record.trials:
        return None
    columns = (
        Column("trial"),
        Column("state", "text"),
        *(Column(key) for key in record.space),
        Column(METRICS[record.metric]),
        Column("measured", hint="How often the held-out figure was measured"),
        Column("time", hint="Wall time; next to nothing where its model was there"),
        Column("why", "text"),
    )
    best, worst = _ends(record)
    rows = tuple(_row(trial, record, best=best, worst=worst) for trial in record.trials)
    lead = (
        "Each trial is a run like any other, with a page of its own; the first is the recipe as written, if it may be."
    )
    return Section("trials", "Trials", lead, (Table(columns, rows),))


def _row(trial: TrialRecord, record: SearchRecord, *, best: float, worst: float) -> tuple[Cell, ...]:
    value: Cell = figure(trial.value)
    if trial.value is not None and best != worst:
        value = Gauge(figure(trial.value), (trial.value - worst) / (best - worst))
    state = "best" if trial.number == record.best else trial.state
    return (
        f"{trial.number}",
        state,
        *(parameter(trial.parameters.get(key)) for key in record.space),
        value,
        f"{len(trial.measurements)}",
        "–" if trial.seconds is None else duration(trial.seconds),
        trial.error,
    )


def _ends(record: SearchRecord) -> tuple[float, float]:
    values = [trial.value for trial in record.trials if trial.value is not None] or [0.0]
    ends = (min(values), max(values))
    return (ends[1], ends[0]) if record.higher_is_better else ends


def _recipe(record: SearchRecord) -> Section | None:
    if record.best_recipe is None:
        return None
    blocks: tuple[Block, ...] = (Note(f"headrace run {record.best_recipe}"),)
    lead = "The recipe with the best values is written; what its trial has trained is found, and evaluated."
    return Section("recipe", "The best recipe", lead, blocks)
