"""Charts and scales of the report."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup

from quantflow.stages.report.figures import fixed, loss, percent, significant
from quantflow.stages.report.render import clean, folded, nothing, section, table
from quantflow.stages.report.scale import date_ticks, linear_axis, log_axis, thinned
from quantflow.stages.report.svg import (
    LINE,
    Bar,
    Caption,
    Line,
    area_chart,
    bar_chart,
    column_chart,
    heat_map,
    line_chart,
    spread,
)

SVG = "{http://www.w3.org/2000/svg}"
CAPTION = Caption("c-x", "A <title>", "Key figure & more")


def days(start: str, n: int) -> np.ndarray:
    """Return n days from start."""
    return np.datetime64(start) + np.arange(n)


def written(value: float, decimals: int) -> str:
    """Return a plain tick label."""
    return f"{value:.{decimals}f}"


def parsed(chart: Markup) -> ElementTree.Element:
    """Return the chart as XML."""
    return ElementTree.fromstring(chart)


def texts(chart: Markup) -> list[str]:
    """Return the texts drawn in a chart."""
    return [node.text or "" for node in parsed(chart).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.434, 0.0, ["-0.5", "-0.4", "-0.3", "-0.2", "-0.1", "0.0"]),
        (3.0, 97.0, ["0", "20", "40", "60", "80", "100"]),
        (5.0, 5.0, ["4.7", "4.8", "4.9", "5.0", "5.1", "5.2", "5.3"]),
    ],
)
def test_linear_ticks_are_round(low: float, high: float, labels: list[str]) -> None:
    """Ticks are round numbers that enclose the data, with no more decimals than they need."""
    axis = linear_axis(low, high, written)
    assert [label for _, label in axis.ticks] == labels
    assert axis.low <= low
    assert axis.high >= high


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.9, 3.6, ["1", "1.5", "2", "3"]),
        (0.8, 30.0, ["1", "2", "5", "10", "20"]),
        (0.5, 2e6, ["1", "10", "100", "1000", "10000", "100000", "1000000"]),
        (1e-9, 1e9, ["0.00001", "1", "100000"]),
    ],
)
def test_log_ticks_are_round_and_few(low: float, high: float, labels: list[str]) -> None:
    """A logarithmic axis shows round multiples of powers of ten, fewer of them the more it spans."""
    assert [label for _, label in log_axis(low, high, written).ticks] == labels


def test_log_axis_makes_equal_ratios_equally_long() -> None:
    """From 1 to 10 is as far as from 10 to 100."""
    axis = log_axis(1.0, 100.0, written)
    one, ten, hundred = axis.at(np.array([1.0, 10.0, 100.0]))
    assert ten - one == pytest.approx(hundred - ten)


@pytest.mark.parametrize(
    ("start", "n", "first", "last"),
    [
        ("1990-01-02", 12000, "1995", "2020"),
        ("2020-11-03", 700, "2021-01", "2022-07"),
        ("2022-01-15", 100, "2022-02", "2022-04"),
        ("2022-01-15", 10, "01-15", "01-23"),
        ("2022-01-15", 1, "2022-01-15", "2022-01-15"),
    ],
)
def test_dates_are_round(start: str, n: int, first: str, last: str) -> None:
    """The time axis shows years, months or days, whichever the span asks for, at their true place."""
    ticks = date_ticks(days(start, n))
    assert (ticks[0][1], ticks[-1][1]) == (first, last)
    assert len(ticks) <= 7
    assert all(0.0 <= place <= 1.0 for place, _ in ticks)


def test_thinning_keeps_ends_and_spikes() -> None:
    """One wild point among 50,000 survives, and so do both ends."""
    values = np.sin(np.arange(50_000) / 900)
    values[31_234], values[7] = 9.0, -9.0
    kept = thinned(values)
    assert len(kept) <= 800
    assert {0, 7, 31_234, 49_999} <= set(kept.tolist())


def test_line_chart_is_named_and_labelled() -> None:
    """A chart says in words what it shows, and each line carries its name at its end."""
    line = Line("net", np.array([1.0, 2.0, 3.0]), "net")
    other = Line("benchmark", np.array([np.nan, 2.0, 3.0]), "benchmark")
    chart = line_chart(CAPTION, days("2020-01-01", 3), [line, other], linear_axis(1.0, 3.0, written))
    root = parsed(chart)
    assert root.get("role") == "img"
    named = [root.find(f"{SVG}{name}") for name in ("title", "desc")]
    assert [node.text for node in named if node is not None] == ["A <title>", "Key figure & more"]
    assert root.get("aria-labelledby") == "c-x-t c-x-d"
    assert {"net", "benchmark"} <= set(texts(chart))


def test_line_chart_places_points_on_its_axes() -> None:
    """First and last date lie at the plot's edges, the lowest value at its foot, the highest at its top."""
    values = np.array([0.0, 1.0, 0.5])
    chart = line_chart(CAPTION, days("2020-01-01", 3), [Line("x", values, "net")], linear_axis(0.0, 1.0, written))
    node = parsed(chart).find(f"{SVG}polyline")
    assert node is not None
    assert node.get("points") == "50.0,232.0 216.0,12.0 382.0,122.0"


def test_line_without_points_is_left_out() -> None:
    """A line of NaN draws nothing and takes no label."""
    chart = line_chart(
        CAPTION, days("2020-01-01", 2), [Line("x", np.full(2, np.nan), "net")], linear_axis(0.0, 1.0, written)
    )
    assert parsed(chart).find(f"{SVG}polyline") is None
    assert "x" not in texts(chart)


def test_bars_share_a_zero() -> None:
    """Positive and negative bars start at one zero, as long as their values."""
    chart = bar_chart(CAPTION, [Bar("A", 0.2, "20%"), Bar("B", -0.1, "−10%", style="k2")])
    up, down = parsed(chart).findall(f"{SVG}rect")
    zero = float(up.get("x", "nan"))
    assert float(down.get("x", "nan")) + float(down.get("width", "nan")) == pytest.approx(zero, abs=0.2)
    assert float(up.get("width", "nan")) == pytest.approx(2 * float(down.get("width", "nan")), abs=0.3)
    assert texts(chart) == ["A", "20%", "B", "−10%"]


def test_areas_stack_away_from_zero() -> None:
    """Longs pile up from zero and shorts down, so that the outermost edge is the sum of its side."""
    stack = [("k1", np.array([0.5, 0.5])), ("k2", np.array([0.25, -0.25]))]
    chart = area_chart(CAPTION, days("2020-01-01", 3), stack, linear_axis(-0.5, 1.0, written))
    paths = {node.get("class"): node.get("d", "") for node in parsed(chart).findall(f"{SVG}path")}
    assert paths["area k1"] == "M50.0 158.7V85.3H216.0V85.3H382.0V158.7Z"
    assert paths["area k2"].startswith("M50.0 158.7V158.7H216.0V195.3")  # the last one drawn is the short side


def test_columns_thin_their_labels() -> None:
    """Forty years have forty columns and at most eight labels."""
    labels = [str(1980 + i) for i in range(40)]
    chart = column_chart(CAPTION, labels, np.linspace(0.0, 2.0, 40), linear_axis(0.0, 2.0, written))
    assert len(parsed(chart).findall(f"{SVG}rect")) == 40
    assert len([text for text in texts(chart) if text in labels]) == 8


def test_heat_map_frames_groups() -> None:
    """Each run of one group gets a frame; rows and columns are named; equal values share a shade; NaN is left empty."""
    matrix = np.array([[1.0, 0.6, np.nan], [0.6, 1.0, -1.0], [np.nan, -1.0, 1.0]])
    root = parsed(heat_map(CAPTION, ["A", "B", "C"], matrix, [1, 1, 2]))
    assert len(root.findall(f"{SVG}rect")) == 2
    shades = {node.get("class"): node.get("d", "").count("M") for node in root.findall(f"{SVG}path")}
    assert shades == {"qp5": 3, "qp3": 2, "qn5": 2}
    names = [node for node in root.findall(f"{SVG}text") if node.text == "B"]
    assert ["rotate" in node.get("transform", "") for node in names] == [False, True]  # at the left, and below


def test_labels_do_not_touch() -> None:
    """Labels at one height are moved apart and stay on the chart."""
    places = spread([100.0, 100.0, 101.0], 0.0, 120.0)
    assert all(b - a >= LINE for a, b in pairwise(places))
    assert places[-1] <= 120.0


def test_markup_escapes_what_is_not_markup() -> None:
    """Text, attributes and cells are escaped; markup is not escaped twice."""
    assert folded("<i>", Markup("<i></i>")) == "<details><summary>&lt;i&gt;</summary><i></i></details>"
    assert section('"&', "a", nothing("<")) == '<section id="&#34;&amp;"><h2>a</h2><p class="none">&lt;</p></section>'
    assert "<script>" not in table("<script>", ["<script>"], [["<script>", "<script>"]])


def test_unprintable_text_is_made_harmless() -> None:
    """Line breaks become blanks; controls, lone surrogates and bidirectional overrides a replacement sign."""
    assert clean("a\nb\x00c\ud800d\u202ee\u00e9") == "a b\ufffdc\ufffdd\ufffde\u00e9"


def test_figures_have_one_style() -> None:
    """Minus signs are typographic, zero has no sign, undefined is a dash, losses are negative."""
    assert [fixed(-1234.567), fixed(-0.001, 1), fixed(None), percent(0.1234), percent(0.1, signed=True)] == [
        "−1,234.57",
        "0.0",
        "–",
        "12.3%",
        "+10.0%",
    ]
    assert [loss(0.3), loss(-0.3), significant(float("nan")), significant(-0.0123456)] == [
        "−30.0%",
        "−30.0%",
        "–",
        "−0.01235",
    ]
