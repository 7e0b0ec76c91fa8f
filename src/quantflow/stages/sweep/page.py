"""The page and the brief of a sweep: the sentence, the best trials, heat maps, what matters, every trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from quantflow.stages.report.brief import wrapped, written
from quantflow.stages.report.figures import count, fixed, loss, percent, plural
from quantflow.stages.report.page import age
from quantflow.stages.report.render import Cell, boxed, environment, joined, nothing, part, section, shorten, table

Inputs = Mapping[str, Any]

LINKS = (
    ("best", "Best"),
    ("maps", "Heat maps"),
    ("matters", "What matters"),
    ("choice", "Choice"),
    ("trials", "Trials"),
    ("failed", "Failed"),
)
TOP = 10
STEPS = 5
FIGURES = (
    ("sharpe", "Sharpe", fixed),
    ("deflated_sharpe", "Deflated", percent),
    ("beyond", "Beyond market", fixed),
    ("beyond_deflated", "Deflated", percent),
    ("cagr", "Return per year", percent),
    ("volatility", "Volatility", percent),
    ("max_drawdown", "Max drawdown", loss),
    ("turnover_annual", "Turnover per year", fixed),
    ("cost", "Cost per year", percent),
)
"""Column of the table, its title, and how its values are written."""


def page(inputs: Inputs, title: str | None) -> str:
    """Return the page of a sweep: it loads nothing and runs nothing."""
    run, found = inputs["run"], inputs["sweep"]
    heading = title or f"Sweep {run['sweep']['name'] or 'of ' + run['profile']}"
    varied = ", ".join(run["sweep"]["over"])
    return (
        environment()
        .get_template("page.html")
        .render(
            heading=heading,
            title=f"{heading} · {run['as_of']}",
            called=f"Profile {run['profile']}, {plural(found['trials'], 'trial')} over {shorten(varied, 120)}",
            run={"degraded": False, **run},
            verdict=found["sentence"],
            aged=age(run),
            leads=[span(found)],
            warnings=[],
            notes=_notes(found),
            links=LINKS,
            sections=sections(inputs),
        )
    )


def span(found: Mapping[str, Any]) -> str:
    """Return which sessions all figures are of."""
    return (
        f"{found['start']} to {found['end']}, {count(found['sessions'])} sessions that all trials have, after costs. "
        f"Ranked by {found['metric']}."
    )


def sections(inputs: Inputs) -> list[Markup]:
    """Return the page's sections in reading order."""
    frame, found, settings = inputs["trials"], inputs["sweep"], list(inputs["run"]["sweep"]["over"])
    done = frame[frame["state"] == "completed"]
    ranked = done.sort_values(found["metric"], ascending=False, kind="stable")
    return [
        section("best", "Best trials", _trials("Best trials", ranked.head(TOP), settings), lead=_best_lead(found)),
        section("maps", "Heat maps", *[heat_map(each) for each in found["surfaces"]], lead=_map_lead(found)),
        section("matters", "What matters", _importance(found), lead=MATTERS),
        section("choice", "The choice out of sample", _cross_validated(found), _nested(found), lead=CHOICE),
        section("trials", "All trials", boxed(_trials("All trials", done, settings), len(done))),
        section("failed", "Failed trials", _failed(frame, settings)),
    ]


MATTERS = (
    "The share of the variance of the figure over trials that a setting explains alone, what it would explain by "
    "chance, and what it explains together with its effects in concert with others."
)


def _best_lead(found: Mapping[str, Any]) -> str:
    chance = found["luck"]
    before = f" {count(found['before'])} other settings were tried on these data before." if found["before"] else ""
    return (
        f"Deflated: probability that the true Sharpe ratio is above 0, given {chance['among']}; the best of them "
        f"without skill is expected to show {fixed(chance['expected_best'])}. Beyond market: the Sharpe ratio of "
        "returns less beta times equal weight, since what holds stocks earns what stocks earn; deflated likewise, with "
        f"{fixed(chance['expected_beyond'])} expected.{before}"
    )


def _map_lead(found: Mapping[str, Any]) -> str:
    return (
        f"Mean {found['metric']} of the trials in each cell, blue above the mean of all and orange below. ± is the "
        "spread of the neighbours; a peak that stands alone among worse neighbours is marked !: it is likely luck."
    )


def _trials(caption: str, frame: Any, settings: Sequence[str]) -> Markup:
    head = ["Trial", *settings, *(title for _, title, _ in FIGURES)]
    rows = [
        [
            str(number),
            *(shorten(row[name], 30) for name in settings),
            *(_figure(row, name, write) for name, _, write in FIGURES),
        ]
        for number, row in frame.iterrows()
    ]
    return table(caption, head, rows, words=frozenset(range(1, len(settings) + 1)))


def _figure(row: Any, name: str, write: Any) -> str:
    if name != "sharpe":
        return str(write(row[name]))
    return f"{fixed(row['sharpe'])} ({fixed(row['sharpe_low'])} to {fixed(row['sharpe_high'])})"


def heat_map(one: Mapping[str, Any]) -> Markup:
    """Return a heat map as a table, so that its values can be read and copied."""
    grid = np.array(one["mean"], dtype=float)
    middle, reach = float(np.nanmean(grid)), float(np.nanmax(np.abs(grid - np.nanmean(grid)))) or 1.0
    caption = f"{one['rows']} by {one['columns']}" if one["columns"] else one["rows"]
    rows = [
        [shorten(name, 24), *(_cell(one, i, j, (grid[i, j] - middle) / reach) for j in range(grid.shape[1]))]
        for i, name in enumerate(one["row_values"])
    ]
    shown = table(caption, ["", *(shorten(name, 24) for name in one["column_values"])], rows)
    return joined([part("heading", caption), shown])


def _cell(one: Mapping[str, Any], i: int, j: int, where: float) -> object:
    value = one["mean"][i][j]
    if value is None:
        return ""
    spread = one["spread"][i][j]
    text = fixed(value) + (" !" if one["lonely"][i][j] else "") + (f" ±{fixed(spread)}" if spread is not None else "")
    step = min(STEPS, int(abs(where) * STEPS + 0.5))
    return Cell(text, f"{'p' if where >= 0 else 'n'}{step}" if step else "")


def _importance(found: Mapping[str, Any]) -> Markup:
    rows = [
        [each["name"], percent(each["share"]), percent(each["chance"]), percent(each["total"])]
        for each in sorted(found["importance"], key=lambda each: -(each["share"] or 0.0))
    ]
    return table("What matters", ["Setting", "Alone", "By chance", "With others"], rows)


CHOICE = (
    "The best trial was chosen by all sessions, so its figures are not out of sample. Here the choice itself is "
    "tested, on sessions that it did not see."
)


def _cross_validated(found: Mapping[str, Any]) -> Markup:
    own = found["cross_validation"]
    if own is None:
        return nothing("Too few sessions to cut into folds.")
    paths = ", ".join(fixed(ratio) for ratio in own["paths"])
    rows = [["Chosen on", fixed(own["trained"])], ["Tested on", fixed(own["tested"])], ["Paths", paths]]
    lead = (
        f"Combinatorial purged folds: in each of {own['splits']} splits the best trial of four folds is tested on the "
        "other two. Median Sharpe ratios, and that of each path of tested folds; their spread is that of the choice, "
        "not an interval of the ratio."
    )
    shown = table("Cross-validation of the choice", ["Sessions", "Sharpe"], rows)
    return joined([part("heading", "Cross-validated"), part("lead", lead), shown])


def _nested(found: Mapping[str, Any]) -> Markup:
    own = found.get("nested")
    if own is None:
        return nothing("Not asked for: with --nested, the choice among trials is walked forward too.")
    rows = [
        ["Sharpe", fixed(own["sharpe"])],
        ["Return per year", percent(own["cagr"])],
        ["Max drawdown", loss(own["max_drawdown"])],
        ["Turnover per year", fixed(own["turnover_annual"])],
        ["Choices", count(own["choices"])],
        ["Changes of the trial", count(own["changes"])],
    ]
    lead = (
        f"{own['start']} to {own['end']}. At each rebalance the trial with the best Sharpe ratio so far is held: this "
        "stream may be called out of sample, the best trial's own may not."
    )
    return joined(
        [part("heading", "Walked forward"), part("lead", lead), table("Nested walk-forward", ["Figure", "Value"], rows)]
    )


def _failed(frame: Any, settings: Sequence[str]) -> Markup:
    failed = frame[frame["state"] != "completed"]
    if not len(failed):
        return nothing("None.")
    rows = [
        [str(number), *(shorten(row[name], 30) for name in settings), shorten(row["message"], 200)]
        for number, row in failed.iterrows()
    ]
    words = frozenset(range(1, len(settings) + 2))
    return boxed(table("Failed trials", ["Trial", *settings, "Why"], rows, words=words), len(rows))


def _notes(found: Mapping[str, Any]) -> list[str]:
    return [f"{plural(found['failed'], 'trial')} failed; see below."] if found["failed"] else []


def brief(inputs: Inputs) -> str:
    """Return the sweep on at most 15 lines of plain text."""
    return written(_lines(inputs))


def _lines(inputs: Inputs) -> Iterator[str]:
    run, found = inputs["run"], inputs["sweep"]
    yield f"{shorten(run['profile'], 40)} as of {run['as_of']}, sweep {run['run_id']}"
    yield from wrapped(f"Verdict: {found['sentence']}")
    variant = " ".join(f"{name}={value}" for name, value in found["best"]["variant"].items())
    yield shorten(f"Best: trial {found['best']['trial']}, {variant}", 100)
    yield f"Trials: {found['completed']} of {found['trials']}" + (
        f", {found['failed']} failed" if found["failed"] else ""
    )
    matters = sorted(found["importance"], key=lambda each: -(each["share"] or 0.0))[:3]
    yield shorten("Matters: " + ", ".join(f"{each['name']} {percent(each['share'], 0)}" for each in matters), 100)
    if own := found.get("nested"):
        yield f"Nested: Sharpe {fixed(own['sharpe'])} out of sample, {count(own['choices'])} choices"
    yield f"Span: {span(found)}"
