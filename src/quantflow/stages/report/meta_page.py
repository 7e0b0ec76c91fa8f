"""The page and the brief of a meta run: what is missing first, then the verdict, the sleeves and the portfolio."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from quantflow.stages.report import brief, changes, performance, portfolio, record, sleeves, track
from quantflow.stages.report.facts import Inputs, allocation_line, column, verdict
from quantflow.stages.report.figures import percent, plural
from quantflow.stages.report.page import Values, document, span
from quantflow.stages.report.render import shorten

LINKS = (
    ("weights", "Weights"),
    ("changes", "Changes"),
    ("track", "Track"),
    ("sleeves", "Sleeves"),
    ("contributions", "Contributions"),
    ("equity", "Growth"),
    ("monthly", "Months"),
    ("costs", "Costs"),
    ("correlation", "Correlation"),
    ("allocation", "Allocation"),
    ("provenance", "Provenance"),
)


def header(inputs: Inputs, title: str | None) -> Values:
    """Return what the head of the page shows: what is missing, meta profile, as-of session, verdict and key figures."""
    run = inputs["run"]
    return {
        "heading": title or run["profile"],
        "called": f"Meta profile {run['profile']}, {plural(len(inputs['sleeve_weights']), 'sleeve')}",
        "leads": [
            f"{span(inputs)}. Equal weight: of each sleeve's universe; equal sleeves: all in equal parts. All after "
            "costs, which are those of the net positions in assets.",
            f"Capital among sleeves: {allocation_line(inputs['meta_allocation'])}.",
        ],
        "notes": [*sleeves.remarks(inputs), *run.get("notes", [])],
        "warnings": sleeves.missing(inputs),
    }


def sections(inputs: Inputs, top: int) -> list[Markup]:
    """Return the page's sections in reading order: what is held, by whom, how it did, and what it rests on.

    Tables are cut to *top* rows where the rest says little.
    """
    return [
        sleeves.net_weights(inputs, top),
        changes.changed(inputs, top),
        track.tracked(inputs),
        sleeves.sleeves(inputs),
        sleeves.contributions(inputs, top),
        performance.equity(inputs, sleeves.streams(inputs)),
        performance.drawdown(inputs),
        performance.volatility(inputs),
        portfolio.weights_over_time(inputs, inputs["oos_capital"]),
        performance.monthly(inputs),
        performance.costs(inputs),
        sleeves.correlation(inputs),
        sleeves.division(inputs),
        record.timings(inputs),
        record.provenance(inputs),
    ]


def meta_report(inputs: Inputs, title: str | None, top: int) -> str:
    """Return the report of one meta run as a self-contained page."""
    return document(inputs, header(inputs, title), LINKS, sections(inputs, top))


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
