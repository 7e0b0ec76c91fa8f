"""The page: its head, the order of its sections, and the frame around them."""

from __future__ import annotations

from importlib.resources import files

from quantflow.stages.report import changes, performance, portfolio, record, selection
from quantflow.stages.report.facts import Inputs, allocation_line, level, verdict
from quantflow.stages.report.figures import count, day
from quantflow.stages.report.html import Html, el, join

LINKS = (
    ("weights", "Weights"),
    ("changes", "Changes"),
    ("funnel", "Funnel"),
    ("winners", "Winners"),
    ("contributions", "Scores"),
    ("decisions", "Decisions"),
    ("equity", "Growth"),
    ("monthly", "Months"),
    ("costs", "Costs"),
    ("correlation", "Correlation"),
    ("quality", "Data"),
    ("allocation", "Allocation"),
    ("provenance", "Provenance"),
)


def head(inputs: Inputs, title: str | None) -> Html:
    """Return the profile, the as-of session, the verdict and the key figures."""
    run, metrics = inputs["run"], inputs["metrics"]
    ours = metrics.get("strategy", {})
    span = f"{day(ours.get('start'))} to {day(ours.get('end'))}, {count(ours.get('sessions'))} sessions out of sample"
    notes = [el("li", note) for note in run.get("notes", [])]
    return el(
        "header",
        el("p", f"As of {run['as_of']} · run {run['run_id']}", class_="kicker"),
        el("h1", title or run["profile"]),
        el("p", f"Profile {run['profile']}", class_="kicker") if title else None,
        el("p", verdict(inputs), class_="verdict"),
        performance.key_figures(metrics),
        el("p", f"{span}. Weights: {allocation_line(inputs['allocation'])}; winners: {level(inputs)}.", class_="lead"),
        el("p", "This run ended well but not as asked.", class_="warn") if run.get("degraded") else None,
        el("ul", *notes, class_="notes") if notes else None,
        el("nav", *(el("a", name, href=f"#{slug}") for slug, name in LINKS)),
    )


def sections(inputs: Inputs, top: int) -> list[Html]:
    """Return the page's sections in reading order: what is held, why, how it did, and what it rests on.

    Tables are cut to *top* rows where the rest says little.
    """
    return [
        portfolio.weights(inputs, top),
        changes.changed(inputs, top),
        selection.funnel(inputs),
        selection.winners(inputs, top),
        selection.contributions(inputs, top),
        selection.decisions(inputs),
        performance.equity(inputs),
        performance.drawdown(inputs),
        performance.volatility(inputs),
        portfolio.weights_over_time(inputs),
        performance.monthly(inputs),
        performance.costs(inputs),
        portfolio.correlation(inputs),
        selection.quality(inputs),
        portfolio.allocation(inputs),
        record.timings(inputs),
        record.provenance(inputs),
    ]


def document(title: str, *content: Html) -> str:
    """Return a whole HTML page with the style sheet in it; it loads nothing and runs nothing."""
    style = Html((files(__package__) / "style.css").read_text(encoding="utf-8"))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    metas = Html(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy" content="{policy}">'
    )
    parts = [el("head", metas, el("title", title), el("style", style)), el("body", el("main", *content))]
    return f'<!doctype html>\n<html lang="en">{join(parts)}</html>\n'


def report(inputs: Inputs, title: str | None, top: int) -> str:
    """Return the report of one run as a self-contained page."""
    run = inputs["run"]
    return document(f"{title or run['profile']} · {run['as_of']}", head(inputs, title), *sections(inputs, top))
