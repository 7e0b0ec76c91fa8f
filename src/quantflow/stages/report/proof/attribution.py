"""The section on attribution: what each name contributed to the return of the walk-forward, and each sector by year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from quantflow.data.quotes import Quotes
from quantflow.quant.returns.contributions import Contributions, contributions
from quantflow.quant.returns.periods import years
from quantflow.stages.report.charts.bars import Bar, bar_chart
from quantflow.stages.report.charts.frame import Caption, Dates
from quantflow.stages.report.facts import FloatArray, Inputs, column, sessions
from quantflow.stages.report.figures import DASH, percent, plural
from quantflow.stages.report.render import Cell, boxed, folded, headed, nothing, part, section, shade, shorten, table

if TYPE_CHECKING:
    import pandas as pd

TINY = 5e-7
"""A gain of cash below this is rounding, and has no row."""


UNKNOWN = "Sector unknown"
"""The last row of sectors: names of which none is known now."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What names contributed, over the sessions of the walk-forward.

    Attributes:
        names: N names that were held.
        dates: S sessions.
        found: Their contributions.
    """

    names: tuple[str, ...]
    dates: Dates
    found: Contributions

    @property
    def total(self) -> FloatArray:
        """Gain of each name over all sessions, in capital at the start, shape (N,)."""
        return np.asarray(self.found.names.sum(axis=1))


def targets(held: pd.DataFrame) -> pd.DataFrame:
    """Return targets as a row per session and a column per name, 0 where a name has none."""
    return held.pivot_table(index="date", columns="symbol", values="weight", aggfunc="sum", fill_value=0.0)


def traded(returns: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Return the targets of each session that traded: a row per session, a column per name, all 0 for cash."""
    grid = targets(held)
    cash = returns.index[(returns["turnover"] > 0.0) & ~returns.index.isin(grid.index)]
    return grid.reindex(grid.index.union(cash), fill_value=0.0)


def attributed(inputs: Inputs, quotes: Quotes) -> Attribution | None:
    """Return what each name contributed; None without a trade.

    Args:
        inputs: The run's artifacts.
        quotes: What could be traded, the names of ``oos_weights`` and the sessions of ``oos_returns`` among it.
    """
    frame, held = inputs["oos_returns"], inputs["oos_weights"]
    if not len(frame) or not len(held):
        return None
    grid = traded(frame, held)
    names = sorted(map(str, grid.columns))
    dates = sessions(frame)
    mine = quotes.select([name for name in names if name in set(quotes.names)])
    at = np.searchsorted(mine.sessions, dates)
    found = contributions(
        mine.returns[:, at],
        column(frame, "gross"),
        column(frame, "cost"),
        np.searchsorted(dates, sessions(grid)),
        grid.reindex(columns=list(mine.names)).to_numpy(dtype=np.float64),
        mine.tradable[:, at],
    )
    return Attribution(mine.names, dates, found)


def attribution(
    inputs: Inputs, quotes: Quotes, sectors: Mapping[str, str], top: int, more: Markup | None = None
) -> Markup:
    """Return what each name contributed to the total return, and each sector in each year.

    Args:
        inputs: The run's artifacts.
        quotes: What could be traded.
        sectors: Sector by name, as it is known now.
        top: Names that are drawn, half of them gains and half losses.
        more: What is shown at the end of the section.
    """
    title, found = "Attribution", attributed(inputs, quotes)
    if found is None:
        return section("attribution", title, nothing("Nothing was held out of sample."))
    total = float(found.found.wealth[-1] - 1.0)
    lead = (
        f"What each name added to the total return of {percent(total)}, in percent of the capital at the start, from "
        "prices and the weights held, drifted since their last trade. Names, costs and cash add up to the total. Later "
        "sessions count more, since capital had grown by then."
    )
    shown = [_bars(found, top), _names(found, sectors, total), _by_year(found, sectors)]
    return section("attribution", title, *shown, more, lead=lead)


def _order(found: Attribution) -> list[int]:
    return sorted(range(len(found.names)), key=lambda i: (-found.total[i], found.names[i]))


def _bars(found: Attribution, top: int) -> Markup:
    order, total = _order(found), found.total
    if len(order) > top:
        order = [*order[: -(-top // 2)], *order[len(order) - top // 2 :]]
    bars = [
        Bar(found.names[i], float(total[i]), percent(total[i], signed=True), style="k1" if total[i] >= 0 else "k2")
        for i in order
    ]
    text = ", ".join(f"{bar.label} {bar.note}" for bar in bars)
    which = "" if len(bars) == len(total) else f", the {len(bars)} of {len(total)} names with the most and the least"
    heading = part("heading", f"Contribution to the total return, % of the capital at the start{which}")
    return heading + bar_chart(Caption("c-attribution", "Contribution to the total return", text), bars)


def _names(found: Attribution, sectors: Mapping[str, str], total: float) -> Markup:
    gains, held = found.total, found.found.held
    rows: list[list[object]] = []
    for i in _order(found):
        days = held[i] != 0.0
        mean = float(np.abs(held[i][days]).mean()) if days.any() else 0.0
        share = gains[i] / total if abs(total) > TINY else None
        figures = [percent(gains[i], 2, signed=True), percent(share), percent(mean), percent(days.mean(), 0)]
        rows.append([found.names[i], shorten(sectors.get(found.names[i]) or DASH, 40), *figures])
    rows += [[name, "", percent(value, 2, signed=True), "", "", ""] for name, value in _sums(found)]
    head = ["Symbol", "Sector", "Contribution", "Share of total", "Mean weight when held", "Sessions held"]
    shown = boxed(table("Contribution by name", head, rows, words=frozenset({1})), len(rows))
    return folded(f"All {plural(len(found.names), 'name')}", shown)


def _sums(found: Attribution) -> list[tuple[str, float]]:
    parts = found.found
    sums = [("All names", float(found.total.sum())), ("Costs", float(parts.cost.sum()))]
    if abs(cash := float(parts.rest.sum())) > TINY:
        sums.append(("Interest on cash", cash))
    return [*sums, ("Total", sum(value for _, value in sums))]


def _by_year(found: Attribution, sectors: Mapping[str, str]) -> Markup:
    """Return the contribution of each sector to the return of each year, in capital at the start of that year."""
    of, parts = years(found.dates), found.found
    firsts = np.flatnonzero(np.r_[True, of[1:] != of[:-1]])
    start = parts.before[firsts]
    grouped: dict[str, FloatArray] = {}
    for name, gains in zip(found.names, parts.names, strict=True):
        sector = str(sectors.get(name) or UNKNOWN)
        grouped[sector] = grouped.get(sector, np.zeros(len(start))) + np.add.reduceat(gains, firsts) / start
    grouped = dict(sorted(grouped.items(), key=lambda one: (one[0] == UNKNOWN, -float(one[1].sum()), one[0])))
    rest = np.add.reduceat(parts.cost + parts.rest, firsts) / start
    widest = max((float(np.abs(each).max()) for each in grouped.values()), default=0.0) or 1.0
    rows = [[shorten(name, 40), *(_part(value, widest) for value in each)] for name, each in grouped.items()]
    rows.append(["Costs and cash", *(percent(value) for value in rest)])
    rows.append(["Return of the year", *(percent(value) for value in sum(grouped.values()) + rest)])
    title = "By sector and year, in capital at the start of the year"
    return headed(title, ["Sector (as known now)", *(str(of[i]) for i in firsts)], rows)


def by_sleeve(inputs: Inputs) -> Markup | None:
    """Return what each sleeve of a meta portfolio contributed, by its capital and its own stream after costs.

    What they do not add up to is that the portfolio trades net positions: it saves what sleeves pay for trades that
    cancel, and pays for moving capital.
    """
    frame, held = inputs["oos_returns"], inputs["oos_capital"]
    if not len(frame) or not len(held):
        return None
    dates, grid = sessions(frame), targets(held)
    names = sorted(map(str, grid.columns))
    at, net = np.searchsorted(sessions(inputs["streams"]), dates), column(frame, "net")
    returns = inputs["streams"][names].to_numpy(dtype=np.float64).T[:, at]
    trades = np.searchsorted(dates, sessions(grid))
    found = contributions(returns, net, np.zeros(len(net)), trades, grid[names].to_numpy(dtype=np.float64))
    gains, total = found.names.sum(axis=1), float(found.wealth[-1] - 1.0)
    shares = [percent(gain / total) if abs(total) > TINY else DASH for gain in gains]
    rows = [
        [shorten(name, 24), percent(gain, 2, signed=True), share, percent(weight.mean())]
        for name, gain, share, weight in zip(names, gains, shares, found.held, strict=True)
    ]
    rows.append(["Netting, less moving capital", percent(float(found.rest.sum()), 2, signed=True), "", ""])
    rows.append(["Total", percent(total, 2, signed=True), "", ""])
    title = "By sleeve, after its own costs, % of the capital at the start"
    return headed(title, ["Sleeve", "Contribution", "Share of total", "Mean weight"], rows)


def _part(value: float, widest: float) -> Cell:
    return Cell(percent(value), shade(value / widest))
