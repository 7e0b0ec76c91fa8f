"""The page: its head, the order of its sections, and the frame around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from quantflow.data.quotes import Quotes
from quantflow.pipeline.arrange import SIGNALS
from quantflow.stages.report import changes, exposures, portfolio, record, selection, signals, track
from quantflow.stages.report.charts.lines import Line
from quantflow.stages.report.facts import Inputs, column, exposure, verdict
from quantflow.stages.report.figures import count, day, percent, plural
from quantflow.stages.report.proof.all_figures import all_figures
from quantflow.stages.report.proof.attribution import attribution
from quantflow.stages.report.proof.benchmark import benchmarked
from quantflow.stages.report.proof.calendar import periods
from quantflow.stages.report.proof.costs import costs
from quantflow.stages.report.proof.distribution import distributed
from quantflow.stages.report.proof.falls import drawdown
from quantflow.stages.report.proof.growth import performance
from quantflow.stages.report.proof.rebalances import rebalances
from quantflow.stages.report.proof.rolling import rolled
from quantflow.stages.report.render import environment, shorten
from quantflow.types import Record

Values = Mapping[str, Any]

PROOF = (
    ("equity", "Performance"),
    ("monthly", "Years and months"),
    ("drawdown", "Drawdowns"),
    ("rolling", "Rolling"),
    ("distribution", "Distribution"),
    ("benchmark", "Benchmarks"),
    ("figures", "All figures"),
)
BOOK = (
    ("weights", "Weights"),
    ("changes", "Changes"),
    ("track", "Track"),
    ("history", "Weights over time"),
    ("attribution", "Attribution"),
)
LINKS = (
    *PROOF,
    *BOOK,
    ("exposures", "Exposures"),
    ("rebalances", "Rebalances"),
    ("costs", "Costs"),
    ("funnel", "Funnel"),
    ("winners", "Winners"),
    ("contributions", "Scores"),
    ("decisions", "Decisions"),
    (SIGNALS, "Signals"),
    ("correlation", "Correlation"),
    ("allocation", "Allocation"),
    ("quality", "Data"),
    ("timings", "Timings"),
    ("provenance", "Provenance"),
)


def header(inputs: Inputs, title: str | None) -> Values:
    """Return what the head of the page shows: which run of what, which book, how old, and the verdict."""
    run = inputs["run"]
    return {
        "heading": title or run["profile"],
        "called": f"Selection run {run['run_id']} of profile {run['profile']}",
        "leads": [f"{book(inputs)}. Out of sample: {span(inputs)}."],
        "notes": run.get("notes", []),
        "warnings": [],
    }


def age(run: Record) -> str:
    """Return the as-of session, when the page was written, and how many days later that was."""
    try:
        days = (date.fromisoformat(day(run["created"])) - date.fromisoformat(str(run["as_of"]))).days
    except (KeyError, ValueError):
        return f"As of {run['as_of']}"
    return f"As of {run['as_of']}, written {day(run['created'])} ({plural(days, 'day')} later)"


def book(inputs: Inputs) -> str:
    """Return what is held, in a few words."""
    frame = inputs["weights"]
    if not len(frame):
        return "Book: nothing is held"
    long, short = exposure(frame)
    sides = f"{percent(long, 0)} long" + (f", {percent(short, 0)} short" if short else "")
    most = f"{shorten(frame.index[0], 14)} {percent(column(frame, 'weight')[0])}"
    return f"Book: {plural(len(frame), 'name')}, {sides}, largest {most}"


def span(inputs: Inputs) -> str:
    """Return from when to when, and how many sessions, the figures are of."""
    ours = inputs["metrics"].get("strategy", {})
    return f"{day(ours.get('start'))} to {day(ours.get('end'))}, {count(ours.get('sessions'))} sessions"


def proof(inputs: Inputs, others: Sequence[Line] = ()) -> list[Markup]:
    """Return the sections on the out-of-sample record, beside the returns of *others*."""
    return [
        performance(inputs, others),
        periods(inputs),
        drawdown(inputs),
        rolled(inputs),
        distributed(inputs),
        benchmarked(inputs),
        all_figures(inputs),
    ]


def sections(inputs: Inputs, quotes: Quotes, top: int) -> list[Markup]:
    """Return the page's sections in reading order: how it did, what is held and why, and what it rests on.

    Args:
        inputs: The run's artifacts.
        quotes: What the walk-forward could trade.
        top: Rows of a table that are shown at once, where the rest says little.
    """
    sectors = inputs["instruments"]["sector"].to_dict()
    configured = str(inputs["allocation"].get("method", ""))
    return [
        *proof(inputs),
        portfolio.weights(inputs, top),
        changes.changed(inputs, top),
        track.tracked(inputs),
        portfolio.weights_over_time(inputs, inputs["oos_weights"]),
        attribution(inputs, quotes, sectors, top),
        exposures.exposed(inputs),
        rebalances(inputs, inputs["oos_weights"], configured),
        costs(inputs),
        selection.funnel(inputs),
        selection.winners(inputs, top),
        selection.contributions(inputs, top),
        selection.decisions(inputs),
        *signals.examined(inputs),
        portfolio.correlation(inputs),
        portfolio.allocation(inputs),
        selection.quality(inputs),
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
            aged=age(run),
            title=f"{header['heading']} · {run['as_of']}",
            run={"degraded": False, **run},
            verdict=verdict(inputs),
            links=links,
            sections=sections,
        )
    )


def report(inputs: Inputs, quotes: Quotes, title: str | None, top: int) -> str:
    """Return the report of one run as a self-contained page."""
    links = [link for link in LINKS if link[0] != SIGNALS or SIGNALS in inputs]
    return document(inputs, header(inputs, title), links, sections(inputs, quotes, top))
