"""Figures that plotly would make itself, and its script packed once."""

import base64
import gzip
import json
import math
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from headrace.corpus.arrays import user_cache_folder
from headrace.report import html
from headrace.report.blocks import Chart
from headrace.report.charts import Axis, Bar, Curve, bar_chart, curve_chart, share_chart

LINE = {"mode": "lines", "line": {"color": "#fff", "width": 2}}
CHARTS = (
    bar_chart("bars", [Bar("a<b>", 3.0, "3"), Bar("b", 4.5, "4.5", start=1.0, colour="#ffffff")], unit="documents"),
    bar_chart("no bars", [], unit="documents"),
    share_chart("shares", {"documents": {"a": 1, "b": 2}, "bytes": {"a": 5, "b": 3.5}}),
    share_chart("one row", {"documents": {"a": 1, "b": 2}}, colours={"a": "#ffffff", "b": "#000000"}),
    curve_chart(
        "wide", [Curve("n", [1, 2], [1.0, 3e-10], LINE)], x=Axis("x", {"type": "log"}), y=Axis("y", {}), wide=True
    ),
    curve_chart("narrow", [Curve("n", [1], [2.5], {"mode": "markers"})], x=Axis("x", {}), y=Axis("y", {})),
)


def figure_of(chart: Chart) -> Any:
    return json.loads(chart.figure)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_plotly_knows_every_setting_and_keeps_it(chart: Chart) -> None:
    figure = figure_of(chart)

    assert json.loads(go.Figure(figure).to_json()) == figure
    assert figure["layout"]["height"] == chart.height


def test_a_number_that_is_none_is_a_gap() -> None:
    chart = curve_chart("gap", [Curve("n", [1, 2], [math.nan, 1.0], LINE)], x=Axis("x", {}), y=Axis("y", {}))

    assert figure_of(chart)["data"][0]["y"] == [None, 1.0]


def test_the_script_is_the_one_that_plotly_ships() -> None:
    from plotly.offline import get_plotlyjs

    assert html._plotly() == get_plotlyjs()


def test_a_script_is_packed_once_and_again_if_that_was_spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    packed = html._packed("let a = 1;")
    (kept,) = user_cache_folder().iterdir()
    kept.write_bytes(gzip.compress(b"let a = 2;"))

    assert gzip.decompress(base64.b64decode(packed)) == b"let a = 1;"
    assert html._packed("let a = 1;") == packed == base64.b64encode(kept.read_bytes()).decode()
    kept.write_bytes(b"\x1f\x8b spoilt")
    assert html._packed("let a = 1;") == packed


def test_a_script_is_packed_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert gzip.decompress(base64.b64decode(html._packed("let a = 1;"))) == b"let a = 1;"
