"""Numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.report.charts import share_chart
from headrace.report.training import MOST_POINTS, smoothed, thin
from headrace.report.wording import duration, share, short_count, shorten, size, visible


@pytest.mark.parametrize(
    "seconds, wanted",
    [
        (0.0, "< 1 ms"),
        (0.0042, "4 ms"),
        (0.42, "0.42 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 0 s"),
        (380, "6 min 20 s"),
        (3_599.8, "1 h 0 min"),
        (11_520, "3 h 12 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_have_two_units(seconds: float, wanted: str) -> None:
    assert duration(seconds) == wanted


@pytest.mark.parametrize(
    "number, wanted", [(0, "0"), (13_412, "13,412"), (250_000, "250 k"), (4_102_334, "4.1 M"), (1.25e9, "1.2 B")]
)
def test_counts_are_short_where_digits_say_nothing(number: float, wanted: str) -> None:
    assert short_count(number) == wanted


@pytest.mark.parametrize("number, wanted", [(0, "0 B"), (999, "999 B"), (12_345, "12.3 kB"), (4.1e9, "4.1 GB")])
def test_sizes_are_decimal(number: float, wanted: str) -> None:
    assert size(number) == wanted


@pytest.mark.parametrize(
    "part, whole, wanted", [(0, 0, "–"), (0, 7, "0.0 %"), (1, 1e6, "< 0.1 %"), (1, 8, "12.5 %"), (3, 3, "100.0 %")]
)
def test_shares_are_never_rounded_to_nothing(part: float, whole: float, wanted: str) -> None:
    assert share(part, whole) == wanted


@given(st.floats(min_value=0, max_value=1e8))
def test_every_duration_can_be_said(seconds: float) -> None:
    assert duration(seconds)


@given(st.text())
def test_visible_text_stays_as_it_is_the_second_time(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(st.text(), st.integers(1, 50))
def test_shortened_text_is_never_too_long(text: str, most: int) -> None:
    assert len(shorten(text, most)) <= max(most, 1)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=300))
def test_smoothing_keeps_length_ends_and_range(values: list[float]) -> None:
    smooth = smoothed(values)

    assert len(smooth) == len(values)
    assert math.isclose(smooth[0], values[0], abs_tol=1e-9)
    assert math.isclose(smooth[-1], values[-1], abs_tol=1e-9)
    assert min(values) - 1e-9 <= min(smooth) <= max(smooth) <= max(values) + 1e-9


@pytest.mark.parametrize("number", [1, MOST_POINTS, MOST_POINTS + 1, 10 * MOST_POINTS])
def test_thinning_keeps_the_mean_and_bounds_the_points(number: int) -> None:
    records = [{"kind": "train", "loss": float(index % 7)} for index in range(number)]

    thinned = thin(records)

    assert len(thinned) <= MOST_POINTS
    mean = sum(record["loss"] for record in thinned) / len(thinned)
    assert mean == pytest.approx(sum(record["loss"] for record in records) / number, rel=0.01)


def test_small_parts_of_a_share_chart_are_merged_and_nothing_is_lost() -> None:
    import json

    parts = {f"source {index}": float(index + 1) for index in range(40)}

    figure = json.loads(str(share_chart("Sources", {"documents": parts, "bytes": parts}).figure))

    assert sum(trace["x"][0] for trace in figure["data"]) == pytest.approx(100)
    assert len(figure["data"]) < 12
