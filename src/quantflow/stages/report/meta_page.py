"""The page and the brief of a meta run: what is missing first, then the verdict, the sleeves and the portfolio."""

from __future__ import annotations

from collections.abc import Iterator

from quantflow.stages.report import brief, changes, performance, portfolio, record, sleeves
from quantflow.stages.report.facts import Inputs, allocation_line, column, verdict
from quantflow.stages.report.figures import count, day, percent, plural
from quantflow.stages.report.html import Html, el, shorten
from quantflow.stages.report.page import document

LINKS = (
    ("weights", "Weights"),
    ("changes", "Changes"),
    ("sleeves", "Sleeves"),
    ("contributions", "Contributions"),
    ("equity", "Growth"),
    ("monthly", "Months"),
    ("costs", "Costs"),
    ("correlation", "Correlation"),
    ("allocation", "Allocation"),
    ("provenance", "Provenance"),
)


def head(inputs: Inputs, title: str | None) -> Html:
    """Return what is missing, the meta profile, the as-of session, the verdict and the key figures."""
    run, metrics = inputs["run"], inputs["metrics"]
    ours = metrics.get("strategy", {})
    span = f"{day(ours.get('start'))} to {day(ours.get('end'))}, {count(ours.get('sessions'))} sessions out of sample"
    notes = [el("li", note) for note in (*sleeves.remarks(inputs), *run.get("notes", []))]
    called = f"Meta profile {run['profile']}, {plural(len(inputs['sleeve_weights']), 'sleeve')}"
    return el(
        "header",
        *(el("p", line, class_="warn") for line in sleeves.missing(inputs)),
        el("p", f"As of {run['as_of']} · run {run['run_id']}", class_="kicker"),
        el("h1", title or run["profile"]),
        el("p", called, class_="kicker"),
        el("p", verdict(inputs), class_="verdict"),
        performance.key_figures(metrics),
        el("p", f"{span}. Equal weight: all sleeves in equal parts, before costs.", class_="lead"),
        el("p", f"Capital among sleeves: {allocation_line(inputs['meta_allocation'])}.", class_="lead"),
        el("p", "This run ended well but not as asked.", class_="warn") if run.get("degraded") else None,
        el("ul", *notes, class_="notes") if notes else None,
        el("nav", *(el("a", name, href=f"#{slug}") for slug, name in LINKS)),
    )


def sections(inputs: Inputs, top: int) -> list[Html]:
    """Return the page's sections in reading order: what is held, by whom, how it did, and what it rests on.

    Tables are cut to *top* rows where the rest says little.
    """
    return [
        sleeves.net_weights(inputs, top),
        changes.changed(inputs, top),
        sleeves.sleeves(inputs),
        sleeves.contributions(inputs, top),
        performance.equity(inputs, sleeves.streams(inputs)),
        performance.drawdown(inputs),
        performance.volatility(inputs),
        portfolio.weights_over_time(inputs),
        performance.monthly(inputs),
        performance.costs(inputs),
        sleeves.correlation(inputs),
        sleeves.division(inputs),
        record.timings(inputs),
        record.provenance(inputs),
    ]


def meta_report(inputs: Inputs, title: str | None, top: int) -> str:
    """Return the report of one meta run as a self-contained page."""
    run = inputs["run"]
    return document(f"{title or run['profile']} · {run['as_of']}", head(inputs, title), *sections(inputs, top))


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
    yield from brief.figures(inputs)
    yield f"Allocation: {allocation_line(inputs['meta_allocation'])}"
    yield brief.trading(inputs)
    yield f"Risk: {brief.fallen(inputs['oos_returns'])}"
    yield f"Netting: {sleeves.netting(inputs)}"


def _divided(inputs: Inputs) -> str:
    frame = inputs["sleeve_weights"]
    return ", ".join(
        f"{shorten(n, 20)} {percent(w)}" for n, w in zip(frame.index, column(frame, "weight"), strict=True)
    )
