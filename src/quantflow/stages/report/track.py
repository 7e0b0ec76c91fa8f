"""What the published book has earned, beside what the walk-forward promised of it."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from quantflow.data.track import Band, band
from quantflow.stages.report.charts.frame import Caption
from quantflow.stages.report.charts.lines import Line, line_chart
from quantflow.stages.report.charts.scale import finite_range, linear_axis
from quantflow.stages.report.facts import Inputs, wealth
from quantflow.stages.report.figures import multiple, percent, plural
from quantflow.stages.report.render import nothing, section


def tracked(inputs: Inputs) -> Markup:
    """Return the growth of the book and of its benchmark since it was first published, and the promised band."""
    title, found = "Track of the book", inputs["run"].get("track") or {}
    days = np.array(found.get("date", []), dtype="datetime64[D]")
    if not len(days):
        return section("track", title, nothing("No session has passed since a book of this profile was published."))
    net, pool = (np.array(found[name], dtype=np.float64) for name in ("net", "benchmark"))
    lines = [Line("book", wealth(net), "net"), Line("benchmark", wealth(pool), "equal_weight")]
    if found["promised"]:
        bands = [band(net[:number], pool[:number], found["promised"]) for number in range(1, len(days) + 1)]
        for name in ("low", "high"):
            lines.append(Line("", np.array([1.0 + (getattr(each, name) or 0.0) for each in bands]), "benchmark"))
    axis = linear_axis(*finite_range(np.concatenate([line.values for line in lines]), 1.0), multiple)
    text = _said(band(net, pool, found["promised"]))
    caption = Caption("c-track", title, f"Since {days[0]}: {text}.", "Growth of 1 since the first book, after costs")
    chart = line_chart(caption, days, lines, axis, lambda value: multiple(value, 4))
    lead = f"What was published, held and paid for, not simulated. Since {days[0]}: {text}."
    return section("track", title, chart, lead=lead)


def line(inputs: Inputs) -> list[str]:
    """Return the track on a line of plain text; nothing before its first session."""
    found = inputs["run"].get("track") or {}
    if not found.get("date"):
        return []
    net, pool = (np.array(found[name], dtype=np.float64) for name in ("net", "benchmark"))
    return [f"Track: {_said(band(net, pool, found['promised']))}"]


def _said(found: Band) -> str:
    earned, pool = (percent(value, 2, signed=True) for value in (found.growth, found.benchmark))
    said = f"{earned} in {plural(found.sessions, 'session')}, benchmark {pool}"
    if found.low is None or found.high is None:
        return said
    low, high = (percent(value, 1, signed=True) for value in (found.low, found.high))
    return f"{said}; {'OUTSIDE' if found.outside else 'within'} the promised {low} to {high}"
