"""The page and the brief of a meta run: what is missing first, then the verdict, the sleeves and the portfolio."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from quantflow.data.quotes import Quotes
from quantflow.stages.report import brief, changes, portfolio, record, sleeves, track
from quantflow.stages.report.facts import Inputs, allocation_line, column, verdict
from quantflow.stages.report.figures import percent, plural
from quantflow.stages.report.page import BOOK, PROOF, Values, book, document, proof, span
from quantflow.stages.report.proof.attribution import attribution, by_sleeve
from quantflow.stages.report.proof.costs import costs
from quantflow.stages.report.proof.rebalances import rebalances
from quantflow.stages.report.render import shorten

LINKS = (
    *PROOF,
    *BOOK,
    ("sleeves", "Sleeves"),
    ("contributions", "Contributions"),
    ("correlation", "Correlation"),
    ("rebalances", "Rebalances"),
    ("costs", "Costs"),
    ("allocation", "Allocation"),
    ("timings", "Timings"),
    ("provenance", "Provenance"),
)


def header(inputs: Inputs, title: str | None) -> Values:
    """Return what the head of the page shows: what is missing, meta profile, as-of session, verdict and key figures."""
    run = inputs["run"]
    return {
        "heading": title or run["profile"],
        "called": f"Meta run {run['run_id']} of meta profile {run['profile']}, "
        f"{plural(len(inputs['sleeve_weights']), 'sleeve')}",
        "leads": [
            f"{book(inputs)}. Out of sample: {span(inputs)}. Equal weight: of each sleeve's universe; equal sleeves: "
            "all in equal parts."
        ],
        "notes": [*sleeves.remarks(inputs), *run.get("notes", [])],
        "warnings": sleeves.missing(inputs),
    }


def sections(inputs: Inputs, quotes: Quotes, top: int) -> list[Markup]:
    """Return the page's sections in reading order: how it did, what is held and by whom, and what it rests on.

    Args:
        inputs: The run's artifacts.
        quotes: The assets that the walk-forward could trade.
        top: Rows of a table that are shown at once, where the rest says little.
    """
    configured = str(inputs["meta_allocation"].get("method", ""))
    return [
        *proof(inputs, sleeves.streams(inputs)),
        sleeves.net_weights(inputs, top),
        changes.changed(inputs, top),
        track.tracked(inputs),
        portfolio.weights_over_time(inputs, inputs["oos_capital"]),
        attribution(inputs, quotes, inputs["weights"]["sector"].to_dict(), top, by_sleeve(inputs)),
        sleeves.sleeves(inputs),
        sleeves.contributions(inputs, top),
        sleeves.correlation(inputs),
        rebalances(inputs, inputs["oos_capital"], configured, cash=False),
        costs(inputs),
        sleeves.division(inputs),
        record.timings(inputs),
        record.provenance(inputs),
    ]


def meta_report(inputs: Inputs, quotes: Quotes, title: str | None, top: int) -> str:
    """Return the report of one meta run as a self-contained page."""
    return document(inputs, header(inputs, title), LINKS, sections(inputs, quotes, top))


def meta_brief(inputs: Inputs) -> str:
    """Return the meta run on at most 15 lines of plain text; what is missing comes first."""
    return brief.written(_lines(inputs))


def _lines(inputs: Inputs) -> Iterator[str]:
    run = inputs["run"]
    for line in sleeves.missing(inputs):
        yield from brief.wrapped(line)
    yield f"{shorten(run['profile'], 40)} as of {run['as_of']}, run {run['run_id']}"
    if notes := [*sleeves.remarks(inputs), *map(str, run.get("notes", []))]:
        yield f"{'DEGRADED' if run.get('degraded') else 'Note'}: {'; '.join(notes)}"
    yield from brief.wrapped(f"Verdict: {verdict(inputs)}")
    yield f"Sleeves: {_divided(inputs)}"
    yield brief.weights(inputs["weights"])
    yield changes.line(inputs, brief.WIDTH)
    yield from track.line(inputs)
    yield f"Allocation: {allocation_line(inputs['meta_allocation'])}"
    yield brief.trading(inputs)
    yield f"Risk: {brief.fallen(inputs['oos_returns'])}"
    yield f"Netting: {sleeves.netting(inputs)}"
    yield from brief.figures(inputs)


def _divided(inputs: Inputs) -> str:
    frame = inputs["sleeve_weights"]
    return ", ".join(
        f"{shorten(n, 20)} {percent(w)}" for n, w in zip(frame.index, column(frame, "weight"), strict=True)
    )
