"""Whatever the data hold, the report stays one well-formed, harmless page."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quantflow.config.data import DataConfig
from quantflow.config.operation import ReportConfig
from quantflow.data.panel import Panel
from quantflow.stages.report.charts.lines import LINE, spread
from quantflow.stages.report.charts.scale import date_ticks, linear_axis, log_axis, thinned
from quantflow.stages.report.render import part
from quantflow.stages.report.stage import ReportStage, ReportStageConfig

HOSTILE = (
    "<script>alert(1)</script>",
    "</style><b>",
    '"><img src=x onerror=y>',
    "a&b",
    "x\ny",
    "\u202egnp",
    "\x00",
    "]]>",
)
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=12))
VALUE = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")))
PAGE = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "nav",
    "section",
    "div",
    "details",
    "summary",
}
FLOW = {"h1", "h2", "h3", "p", "a", "span", "i", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
CHART = {"figure", "figcaption", "g", "svg", "desc", "rect", "text", "line", "path", "polyline", "polygon"}
TAGS = PAGE | FLOW | CHART
PLACES = {"d", "points", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "viewbox"}
VOID = frozenset({"meta"})


class Strict(HTMLParser):
    """Fails on tags and attributes that the report never writes, and on tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.feed(html)
        self.close()
        assert not self.open
        assert not [name for name, n in self.ids.items() if n > 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check the tag and its attributes, and remember it as open."""
        assert tag in TAGS
        assert not [value for name, value in attrs if name in PLACES and re.search("nan|inf", value or "")]
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "style")]
        self.ids.update(value for name, value in attrs if name == "id" and value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open tag closes."""
        assert self.open.pop() == tag


def frame(symbols: list[str], **columns: Any) -> pd.DataFrame:
    """Return a frame indexed by symbol."""
    return pd.DataFrame(columns, index=pd.Index(symbols, name="symbol", dtype=object))


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the artifacts of a run whose every text is arbitrary and whose figures may be undefined."""
    symbols = sorted(draw(st.lists(TEXT, min_size=1, max_size=4, unique=True)))
    n, t = len(symbols), draw(st.integers(1, 40))
    text = draw(TEXT)
    figures = draw(st.lists(VALUE, min_size=n, max_size=n))
    returns = draw(st.lists(st.floats(-0.99, 3.0), min_size=t, max_size=t))
    dates = pd.DatetimeIndex(
        np.datetime64(draw(st.dates(pd.Timestamp("1970-01-01").date()))) + np.arange(t), name="date"
    )
    days = dates.to_numpy().astype("datetime64[D]")
    group = {"direction": text, "cluster": 1, "sector": text, "alpha_score": figures}
    block = dict.fromkeys(("cagr", "sharpe", "volatility", "max_drawdown", "sessions"), draw(st.none() | st.floats()))
    steps = [{"method": text, "outcome": text, "reason": text}]
    stage = {"id": text, "state": text, "seconds": None, "attempt": 1, "entered": n, "left": n, "note": text}
    stage["made"] = {text: text}
    return {
        "prices": Panel(tuple(symbols), days, {"close": np.ones((n, t))}),
        "past": Panel((), days[:0], {"close": np.empty((0, 0))}),
        "roster": pd.DataFrame({"symbol": symbols}),
        "instruments": frame(symbols, name=text, sector=text, currency=text, exchange=text),
        "quality": pd.DataFrame({"symbol": symbols, "check": text, "severity": "error", "observed": figures}).assign(
            limit=figures, outcome="quarantined", reason=text
        ),
        "features": frame(symbols, momentum=figures),
        "scores": frame(symbols, **group, score=figures, rank=range(1, n + 1), c_momentum=figures),
        "clusters": frame(symbols, cluster=1, order=range(n)),
        "winners": frame(symbols, **group, rank=range(1, n + 1), level=draw(st.integers(1, 4))),
        "decisions": frame(symbols, outcome=text, rule=text, value=figures, limit=figures, margin=figures, level=1),
        "atoms": frame(symbols, logic=text),
        "weights": frame(symbols, weight=np.nan_to_num(figures), atom_id=text, **group),
        "allocation": {"method": text, "used": "hrp", "chain": steps, "binding": [text], "infeasible_because": text},
        "oos_returns": pd.DataFrame(
            dict.fromkeys(("net", "gross", "cost", "turnover", "equal_weight", "benchmark"), returns), index=dates
        ),
        "oos_weights": pd.DataFrame({"date": dates[:1].repeat(n), "symbol": symbols, "weight": np.nan_to_num(figures)}),
        "exposures": pd.DataFrame({"date": pd.date_range("2000-01-01", periods=n).repeat(4), "name": text}).assign(
            kind=["beta", "sector", "cluster", "feature"] * n, net=np.repeat(figures, 4), gross=1.0
        ),
        "betas": frame(symbols, **{text: figures}),
        "metrics": {"annualisation": 252, "strategy": block, "equal_weight": block, "costs": {text: None}},
        "run": {"run_id": text, "profile": text, "as_of": text, "created": text, "parent": text, "degraded": True}
        | {"notes": [text], "versions": {text: text}, "stages": [stage], "config": {text: {text: text}}}
        | {"cpu": text, "former": {"run_id": text, "as_of": text, "weights": {text: figures[0]}}},
    }


@settings(max_examples=30)
@given(runs(), st.none() | st.text(min_size=1, max_size=120), st.integers(1, 3))
def test_page_is_well_formed_and_harmless(inputs: dict[str, Any], title: str | None, top: int) -> None:
    """No name, reason or figure adds a tag, an attribute or an id; the brief keeps its size; all of it is UTF-8."""
    config = ReportStageConfig(report=ReportConfig(title=title, top=top), data=DataConfig())
    first, again = (ReportStage().run(inputs, config) for _ in range(2))
    Strict(first["report"])
    first["report"].encode()
    lines = first["brief"].split("\n")
    assert len(lines) <= 16
    assert max(map(len, lines)) <= 100
    assert first == again


@given(st.text())
def test_text_never_becomes_markup(text: str) -> None:
    """Escaped text holds no bracket and no bare quote, as content and as attribute."""
    shown = part("legend", [(text, text)], "")
    assert Counter(re.findall('[<>"]', shown)) == {"<": 6, ">": 6, '"': 4}


@given(st.floats(-1e12, 1e12), st.floats(0.0, 1e12))
@example(0.0, 5e-324)
def test_linear_axes_enclose_their_data(low: float, width: float) -> None:
    """Every range gets an axis around it with a handful of rising, evenly spaced ticks."""
    axis = linear_axis(low, low + width, lambda value, digits: f"{value:.{digits}f}")
    values = np.array([value for value, _ in axis.ticks])
    slack = 1e-8 * max(abs(low), width, 1e-300)
    assert axis.low <= low + slack
    assert axis.high >= low + width - slack
    assert 2 <= len(values) <= 9
    assert (np.diff(values) > 0).all()


@given(st.floats(1e-12, 1e12), st.floats(2.0, 1e12))
def test_log_axes_enclose_their_data(low: float, ratio: float) -> None:
    """Every positive range gets at most seven rising ticks within it."""
    axis = log_axis(low, low * ratio, lambda value, _: f"{value:g}")
    values = np.array([value for value, _ in axis.ticks])
    assert axis.low < low < low * ratio < axis.high
    assert len(values) <= 7
    assert (np.diff(values) > 0).all()


@given(st.dates(pd.Timestamp("1900-01-01").date(), pd.Timestamp("2100-01-01").date()), st.integers(0, 60_000))
def test_dates_never_crowd(start: Any, span: int) -> None:
    """Any span gets at most seven rising dates on the axis, at least one of up to a century."""
    ticks = date_ticks(np.datetime64(start, "D") + np.array([0, span]))
    places = [place for place, _ in ticks]
    assert len(ticks) <= 7
    assert places == sorted(set(places))
    assert all(0.0 <= place <= 1.0 for place in places)


@given(st.lists(st.floats(-1e9, 1e9), max_size=300), st.integers(4, 50))
def test_thinning_keeps_range_and_ends(values: list[float], limit: int) -> None:
    """A thinned series has no more points than asked, the same ends, and the same extremes."""
    given_ = np.array(values, dtype=np.float64)
    kept = thinned(given_, limit)
    assert len(kept) <= max(limit, 0)
    assert (np.diff(kept) > 0).all()
    if values:
        assert (kept[0], kept[-1]) == (0, len(values) - 1)
        assert (given_[kept].min(), given_[kept].max()) == (given_.min(), given_.max())


@given(st.lists(st.floats(0.0, 200.0), max_size=8))
def test_labels_never_touch(places: list[float]) -> None:
    """However close lines end, their labels keep their distance and their order."""
    moved = spread(sorted(places), 0.0, 200.0)
    assert all(b - a >= LINE - 1e-9 for a, b in pairwise(moved))
