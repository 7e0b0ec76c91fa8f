"""Charts and scales of the report."""

from __future__ import annotations

import re
from base64 import b64decode
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup

from quantflow.quant.returns.tails import histogram, normal_counts
from quantflow.stages.report.charts.areas import Layer, area_chart
from quantflow.stages.report.charts.bars import Bar, bar_chart, column_chart, histogram_chart
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.heat import heat_map
from quantflow.stages.report.charts.lines import LINE, Line, line_chart, spread
from quantflow.stages.report.charts.scale import date_ticks, linear_axis, log_axis, thinned
from quantflow.stages.report.figures import fixed, loss, percent, significant
from quantflow.stages.report.render import Cell, clean, folded, nothing, section, table

SVG = "{http://www.w3.org/2000/svg}"
CAPTION = Caption("c-x", "A <title>", "Key figure & more", "Unit <%>")


def days(start: str, n: int) -> np.ndarray:
    """Return n days from start."""
    return np.datetime64(start) + np.arange(n)


def written(value: float, decimals: int) -> str:
    """Return a plain tick label."""
    return f"{value:.{decimals}f}"


def drawing(chart: Markup) -> ElementTree.Element:
    """Return the drawing of a figure as XML."""
    found = ElementTree.fromstring(chart).find(f"{SVG}svg")
    assert found is not None
    return found


def texts(chart: Markup) -> list[str]:
    """Return the texts drawn in a chart."""
    return [node.text or "" for node in drawing(chart).iter(f"{SVG}text")]


def columns(chart: Markup) -> list[ElementTree.Element]:
    """Return the columns of a chart that show text under the pointer."""
    return drawing(chart).findall(f".//{SVG}g[@class='h']/{SVG}rect")


def told(chart: Markup) -> list[list[str]]:
    """Return the lines of text that a chart shows under the pointer, column by column."""
    return [(node.findtext(f"{SVG}title") or "").split("\n") for node in columns(chart)]


def csv_of(chart: str) -> list[str]:
    """Return the lines of the CSV that a figure or table holds."""
    (data,) = re.findall(r'href="data:text/csv;base64,([^"]*)"', chart)
    return b64decode(data).decode().splitlines()


def portion(node: ElementTree.Element, name: str) -> float:
    """Return an attribute that is a percentage."""
    return float(node.get(name, "nan").removesuffix("%"))


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
    chart = line_chart(CAPTION, days("2020-01-01", 3), [line, other], linear_axis(1.0, 3.0, written), fixed)
    root = drawing(chart)
    assert root.get("role") == "img"
    named = [root.find(f"{SVG}{name}") for name in ("title", "desc")]
    assert [node.text for node in named if node is not None] == ["A <title>", "Key figure & more"]
    assert root.get("aria-labelledby") == "c-x-t c-x-d"
    assert {"net", "benchmark"} <= set(texts(chart))


def test_line_chart_places_points_on_its_axes() -> None:
    """First and last date lie at the plot's edges, the lowest value at its foot, the highest at its top."""
    values = np.array([0.0, 1.0, 0.5])
    lines = [Line("x", values, "net")]
    chart = line_chart(CAPTION, days("2020-01-01", 3), lines, linear_axis(0.0, 1.0, written), fixed)
    node = drawing(chart).find(f".//{SVG}polyline")
    assert node is not None
    assert node.get("points") == "0.0,1000.0 500.0,0.0 1000.0,500.0"


def test_line_without_points_is_left_out() -> None:
    """A line of NaN draws nothing and takes no label."""
    lines = [Line("x", np.full(2, np.nan), "net")]
    chart = line_chart(CAPTION, days("2020-01-01", 2), lines, linear_axis(0.0, 1.0, written), fixed)
    assert drawing(chart).find(f".//{SVG}polyline") is None
    assert "x" not in texts(chart)


def test_bars_share_a_zero() -> None:
    """Positive and negative bars start at one zero, as long as their values."""
    chart = bar_chart(CAPTION, [Bar("A", 0.2, "20%"), Bar("B", -0.1, "−10%", style="k2")])
    up, down = drawing(chart).findall(f"{SVG}rect")
    assert portion(down, "x") + portion(down, "width") == pytest.approx(portion(up, "x"), abs=0.02)
    assert portion(up, "width") == pytest.approx(2 * portion(down, "width"), abs=0.02)
    assert texts(chart) == ["A", "20%", "B", "−10%"]


def test_areas_stack_away_from_zero() -> None:
    """Longs pile up from zero and shorts down, so that the outermost edge is the sum of its side."""
    stack = [Layer("A", np.array([0.5, 0.5]), "k1"), Layer("B", np.array([0.25, -0.25]), "k2")]
    chart = area_chart(CAPTION, days("2020-01-01", 3), stack, linear_axis(-0.5, 1.0, written), percent)
    paths = {node.get("class"): node.get("d", "") for node in drawing(chart).iter(f"{SVG}path")}
    assert paths["area k1"] == "M0.0 666.7V333.3H500.0V333.3H1000.0V666.7Z"
    assert paths["area k2"].startswith("M0.0 666.7V666.7H500.0V833.3")  # the last one drawn is the short side
    assert told(chart) == [["2020-01-01", "A 50.0%", "B 25.0%"], ["2020-01-02", "A 50.0%", "B −25.0%"]]
    assert csv_of(chart) == ["date,A,B", "2020-01-01,0.5,0.25", "2020-01-02,0.5,-0.25"]


def test_columns_thin_their_labels() -> None:
    """Forty years have forty columns of each series, and no more labels than a screen or a phone has room for."""
    labels = [str(1980 + i) for i in range(40)]
    series = [Line("one", np.linspace(0.0, 2.0, 40), "net"), Line("two", np.full(40, -1.0), "equal_weight")]
    chart = column_chart(CAPTION, labels, series, linear_axis(-1.0, 2.0, written), fixed)
    assert len([node for node in drawing(chart).iter(f"{SVG}rect") if node.get("class", "").startswith("c")]) == 80
    groups = {node.get("class"): len(node.findall(f"{SVG}text")) for node in drawing(chart).iter(f"{SVG}g")}
    assert groups == {"desk": 14, "phone": 8, "h": 0}
    assert told(chart)[39] == ["2019", "one 2.00", "two −1.00"]


def test_heat_map_frames_groups() -> None:
    """Each run of one group gets a frame; rows and columns are named; equal values share a shade; NaN is left empty."""
    matrix = np.array([[1.0, 0.6, np.nan], [0.6, 1.0, -1.0], [np.nan, -1.0, 1.0]])
    root = drawing(heat_map(CAPTION, ["A", "B", "C"], matrix, [1, 1, 2]))
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


def test_values_are_under_the_pointer_and_in_the_csv() -> None:
    """Each column shows the date and every line's value; columns fill the width; the CSV has the same points."""
    lines = [Line("a", np.array([1.0, 2.0, np.nan]), "net"), Line("b", np.array([4.0, 5.0, 6.0]), "benchmark")]
    chart = line_chart(CAPTION, days("2020-01-01", 3), lines, linear_axis(0.0, 6.0, written), fixed)
    assert told(chart)[1:] == [["2020-01-02", "a 2.00", "b 5.00"], ["2020-01-03", "a –", "b 6.00"]]
    assert [float(node.get("x", "nan")) for node in columns(chart)] == [0.0, 250.0, 750.0]
    assert sum(float(node.get("width", "nan")) for node in columns(chart)) == 1000.0
    assert csv_of(chart) == ["date,a,b", "2020-01-01,1,4", "2020-01-02,2,5", "2020-01-03,,6"]


def test_a_long_history_has_no_more_columns_than_a_screen() -> None:
    """50,000 sessions have 400 columns and 4,200 rows, the last session among both, and the link says so."""
    dates = days("1890-01-01", 50_000)
    lines = [Line("a", np.arange(50_000.0), "net")]
    chart = line_chart(CAPTION, dates, lines, linear_axis(0.0, 50_000.0, written), fixed)
    assert len(told(chart)) == 400
    assert len(csv_of(chart)) == 4201
    assert ">CSV (4,200 of 50,000 dates)<" in chart
    assert told(chart)[-1] == [str(dates[-1]), "a 49,999.00"]
    assert csv_of(chart)[-1] == f"{dates[-1]},49999"


def test_a_histogram_shows_counts_beside_the_normal() -> None:
    """Bins are named by their edges with what they hold, what normal draws would, and how many lie beyond."""
    found = histogram(np.array([-0.5, -0.015, 0.005, 0.005, 0.012]), 0.01, 0.02)
    chart = histogram_chart(
        CAPTION, found, normal_counts(found.edges, 0.0, 0.01, 5), linear_axis(0, 2, written), percent
    )
    assert told(chart)[0] == ["−2.0% to −1.0%", "2 returns", "normal 0.7", "1 of them beyond"]
    assert told(chart)[2] == ["0.0% to 1.0%", "2 returns", "normal 1.7"]
    assert csv_of(chart)[1].startswith("-0.02,-0.01,2,0.67")


def test_a_table_is_its_own_csv() -> None:
    """Numbers have plain signs; what is undefined is empty; what a spreadsheet would compute is marked as text."""
    rows = [["=A1", "−1,234.5%", "–", Cell("+2.00", "p1")], ["b,c", Markup("<b>x</b>"), "2020-01-01", -0.5]]
    assert csv_of(table("Any Table", ["Name", "a", "b", "c"], rows)) == [
        "Name,a,b,c",
        "'=A1,-1234.5%,,+2.00",
        '"b,c",x,2020-01-01,-0.5',
    ]
    assert 'download="any-table.csv"' in table("Any Table", ["Name"], [])
