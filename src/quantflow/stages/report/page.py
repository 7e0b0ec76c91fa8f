"""The page: its head, the order of its sections, and the frame around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from quantflow.pipeline.arrange import SIGNALS
from quantflow.stages.report import changes, exposures, performance, portfolio, record, selection, signals, track
from quantflow.stages.report.facts import Inputs, allocation_line, level, verdict
from quantflow.stages.report.figures import count, day
from quantflow.stages.report.render import environment

Values = Mapping[str, Any]

LINKS = (
    ("weights", "Weights"),
    ("changes", "Changes"),
    ("track", "Track"),
    ("funnel", "Funnel"),
    ("winners", "Winners"),
    ("contributions", "Scores"),
    ("decisions", "Decisions"),
    ("equity", "Growth"),
    ("monthly", "Months"),
    ("costs", "Costs"),
    (SIGNALS, "Signals"),
    ("exposures", "Exposures"),
    ("correlation", "Correlation"),
    ("quality", "Data"),
    ("allocation", "Allocation"),
    ("provenance", "Provenance"),
)


def header(inputs: Inputs, title: str | None) -> Values:
    """Return what the head of the page shows: profile, as-of session, verdict and key figures."""
    run = inputs["run"]
    return {
        "heading": title or run["profile"],
        "called": f"Profile {run['profile']}" if title else "",
        "leads": [f"{span(inputs)}. Weights: {allocation_line(inputs['allocation'])}; winners: {level(inputs)}."],
        "notes": run.get("notes", []),
        "warnings": [],
    }


def span(inputs: Inputs) -> str:
    """Return from when to when, and how many sessions, the figures are of."""
    ours = inputs["metrics"].get("strategy", {})
    return f"{day(ours.get('start'))} to {day(ours.get('end'))}, {count(ours.get('sessions'))} sessions out of sample"


def sections(inputs: Inputs, top: int) -> list[Markup]:
    """Return the page's sections in reading order: what is held, why, how it did, and what it rests on.

    Tables are cut to *top* rows where the rest says little.
    """
    return [
        portfolio.weights(inputs, top),
        changes.changed(inputs, top),
        track.tracked(inputs),
        selection.funnel(inputs),
        selection.winners(inputs, top),
        selection.contributions(inputs, top),
        selection.decisions(inputs),
        performance.equity(inputs),
        performance.drawdown(inputs),
        performance.volatility(inputs),
        portfolio.weights_over_time(inputs, inputs["oos_weights"]),
        performance.monthly(inputs),
        performance.costs(inputs),
        *signals.examined(inputs),
        exposures.exposed(inputs),
        portfolio.correlation(inputs),
        selection.quality(inputs),
        portfolio.allocation(inputs),
        record.timings(inputs),
        record.provenance(inputs),
    ]


def document(inputs: Inputs, header: Values, links: Sequence[tuple[str, str]], sections: Sequence[Markup]) -> str:
    """Return a whole HTML page with the style sheet in it; it loads nothing and runs nothing."""
    run = inputs["run"]
    return (
        environment()
        .get_template("page.html")
        .render(
            **header,
            title=f"{header['heading']} · {run['as_of']}",
            run={"degraded": False, **run},
            verdict=verdict(inputs),
            figures=performance.key_figures(inputs),
            links=links,
            sections=sections,
        )
    )


def report(inputs: Inputs, title: str | None, top: int) -> str:
    """Return the report of one run as a self-contained page."""
    links = [link for link in LINKS if link[0] != SIGNALS or SIGNALS in inputs]
    return document(inputs, header(inputs, title), links, sections(inputs, top))
