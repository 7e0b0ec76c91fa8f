"""The sections on the record: what they show is what the artifacts say, computed by another way."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import DataConfig
from quantflow.data.artifacts import decode, encode
from quantflow.data.panel import Panel
from quantflow.data.quality.history import quotes
from quantflow.data.quotes import Quotes
from quantflow.quant.backtest import simulate
from quantflow.quant.costs import Rates
from quantflow.quant.metrics import against, summarise
from quantflow.stages.report.proof.all_figures import all_figures
from quantflow.stages.report.proof.attribution import attributed, attribution
from quantflow.stages.report.proof.benchmark import benchmarked
from quantflow.stages.report.proof.calendar import periods
from quantflow.stages.report.proof.distribution import distributed
from quantflow.stages.report.proof.falls import drawdown
from quantflow.stages.report.proof.growth import performance
from quantflow.stages.report.proof.rebalances import rebalances

N, T, FIRST = 30, 700, 100
NAMES = tuple(f"S{i:02d}" for i in range(N))
SECTORS = {name: ("Tech", "Energy", "Banks")[i % 3] for i, name in enumerate(NAMES)}


def run(cash_rate: float = 0.0) -> dict[str, Any]:
    """Return the artifacts of a walk-forward of 30 names, holes in prices among them, that goes to cash once."""
    rng = np.random.default_rng(11)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0004, 0.015, (N, T)), axis=1))
    close[rng.random((N, T)) < 0.02] = np.nan
    for session in (FIRST, FIRST + 5 * 21):  # the first trade, and the one to cash, reach every name
        close[:, session] = np.nan_to_num(close[:, session], nan=100.0)
    days = pd.bdate_range("2019-01-01", periods=T).to_numpy().astype("datetime64[D]")
    panel = Panel(NAMES, days, {"close": close})
    roster = pd.DataFrame({"symbol": list(NAMES)})
    empty = Panel((), days[:0], {"close": np.empty((0, 0))})
    found = quotes(panel, empty, roster, DataConfig())
    at = np.arange(FIRST, T, 21)
    targets = np.where(rng.random((len(at), N)) < 0.4, rng.random((len(at), N)), 0.0)
    targets /= targets.sum(axis=1, keepdims=True)
    targets[5] = 0.0
    earned = simulate(found.returns, at, targets, Rates(0.001, 0.0, cash_rate / 252), found.tradable)
    pool = simulate(found.returns, at, np.full(targets.shape, 1 / N), Rates(0.001), found.tradable)
    index = pd.DatetimeIndex(days[FIRST:], name="date")
    columns = {name: getattr(earned, name) for name in ("net", "gross", "cost", "turnover")}
    which, name = np.nonzero(targets)
    held = {"date": index[at[which] - FIRST], "decided": pd.DatetimeIndex(days[at[which] - 1])}
    held |= {"symbol": np.array(NAMES, dtype=object)[name], "weight": targets[which, name]}
    done = {"scheduled": len(at), "levels": {"1": len(at) - 1, "3": 1}, "held": [], "methods": {"hrp": len(at)}}
    done["relaxed"] = [{"date": str(days[at[2] - 1]), "level": 3}]
    done["fallbacks"] = [{"date": str(days[at[3] - 1]), "method": "equal_weight", "reason": "no optimum"}]
    return {
        "quotes": found,
        "oos_returns": pd.DataFrame(columns | {"equal_weight": pool.net}, index),
        "oos_weights": pd.DataFrame(held),
        "metrics": {
            "annualisation": 252,
            "strategy": summarise(earned.net, 252),
            "equal_weight": summarise(pool.net, 252),
            "rebalances": done,
        },
        "run": {},
    }


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The walk-forward without interest on cash."""
    return run()


def cells(html: str, first: str) -> list[str]:
    """Return the figures of the first row that a name begins."""
    row = html[html.index(f">{first}</th>") :]
    return re.findall(r"<td[^>]*>(.*?)</td>", row[: row.index("</tr>")])


@pytest.mark.parametrize("cash_rate", [0.0, 0.03])
def test_contributions_sum_to_the_total_return(cash_rate: float) -> None:
    """Names, costs and interest add up to the stored stream's total return to 1e-12, also after a time in cash."""
    inputs = run(cash_rate)
    found = attributed(inputs, inputs["quotes"])
    assert found is not None
    parts = found.found
    total = np.prod(1.0 + inputs["oos_returns"]["net"].to_numpy()) - 1.0
    assert found.total.sum() + parts.cost.sum() + parts.rest.sum() == pytest.approx(total, abs=1e-12)
    cash = slice(5 * 21 + 1, 6 * 21)
    assert not parts.held[:, cash].any()
    assert abs(parts.rest[cash]).max() > 0 if cash_rate else abs(parts.rest).max() < 1e-12
    html = attribution(inputs, inputs["quotes"], SECTORS, 10)
    assert ("Interest on cash" in html) == bool(cash_rate)
    assert cells(html, "Total")[1] == f"{100 * total:+.2f}%".replace("-", "−")


def test_sectors_sum_to_the_return_of_each_year(made: dict[str, Any]) -> None:
    """The last row is the year's return, and the rows above it add up to that."""
    html = attribution(made, made["quotes"], SECTORS, 10)
    net = made["oos_returns"]["net"]
    yearly = ((1 + net).groupby(net.index.year).prod() - 1).tolist()
    assert cells(html, "Return of the year") == [f"{100 * value:.1f}%".replace("-", "−") for value in yearly]
    rows = [cells(html, name) for name in ("Tech", "Energy", "Banks", "Costs and cash")]
    sums = np.array([[float(cell.replace("−", "-").rstrip("%")) for cell in row] for row in rows]).sum(axis=0)
    assert sums == pytest.approx(100 * np.array(yearly), abs=0.25)


def test_the_table_of_drawdowns_begins_with_the_max_drawdown(made: dict[str, Any]) -> None:
    """Its first depth is the figure of the metrics, as is that of all figures; dates are those of the stream."""
    html, net = drawdown(made), made["oos_returns"]["net"]
    depth = f"−{100 * made['metrics']['strategy']['max_drawdown']:.1f}%"
    assert f'<th scope="row" class="l">{depth}</th>' in html
    wealth = (1 + net).cumprod()
    bottom = (wealth / wealth.cummax().clip(lower=1.0)).idxmin()
    peak = wealth[:bottom].idxmax()
    assert cells(html, depth)[:2] == [str(peak.date()), str(bottom.date())]
    assert int(cells(html, depth)[3]) == net.index.get_loc(bottom) - net.index.get_loc(peak)
    assert cells(all_figures(made), "Max drawdown")[0] == f"−{100 * made['metrics']['strategy']['max_drawdown']:.2f}%"


def test_all_figures_are_those_of_the_metrics(made: dict[str, Any]) -> None:
    """The figures that the walk-forward has are the same here, for the strategy and its benchmark."""
    html = all_figures(made)
    same = {"Sharpe ratio": "sharpe", "Sortino ratio": "sortino", "Calmar ratio": "calmar"}
    for column, block in enumerate(("strategy", "equal_weight")):
        own = made["metrics"][block]
        for name, key in same.items():
            assert cells(html, name)[column] == f"{own[key]:.2f}".replace("-", "−")
        for name, key in {"Return per year (CAGR)": "cagr", "Win rate, days": "hit_rate"}.items():
            assert cells(html, name)[column] == f"{100 * own[key]:.1f}%".replace("-", "−")
        assert cells(html, "Expected shortfall, 95% daily")[column] == f"−{100 * own['cvar_95']:.2f}%"
    assert html.count('<td class="l') == html.count('<th scope="row"')  # each has its definition


def test_the_benchmarks_figures_are_those_of_the_metrics(made: dict[str, Any]) -> None:
    """Beta, tracking error and information ratio are those of ``metrics.against``."""
    frame = made["oos_returns"]
    found = against(frame["net"].to_numpy(), frame["equal_weight"].to_numpy(), 252)
    html = benchmarked(made)
    assert cells(html, "Beta")[0] == f"{found['beta']:.2f}"
    assert cells(html, "Tracking error")[0] == f"{100 * (found['tracking_error'] or 0):.1f}%"
    assert cells(html, "Information ratio")[0] == f"{found['information_ratio']:.2f}".replace("-", "−")
    assert cells(html, "Correlation")[0] == f"{np.corrcoef(frame['net'], frame['equal_weight'])[0, 1]:.2f}"
    assert cells(html, "Its Sharpe ratio")[0] == f"{made['metrics']['equal_weight']['sharpe']:.2f}"


def test_rebalances_are_listed_with_how_they_were_decided(made: dict[str, Any]) -> None:
    """The last comes first; cash is a rebalance of no names; levels, fallbacks and what was traded are beside."""
    html, frame = rebalances(made, made["oos_weights"], "hrp"), made["oos_returns"]
    dates = [str(day.date()) for day in frame.index[::21]]
    assert re.findall(r'<th scope="row" class="l">([\d-]+)</th>', html) == dates[::-1]
    row = cells(html, dates[2])
    assert row[2:4] == [f"{100 * frame['turnover'].iloc[42]:.1f}%", f"{100 * frame['cost'].iloc[42]:.3f}%"]
    assert row[4:] == ["hrp", "3", ""]
    assert cells(html, dates[3])[4:] == ["equal_weight", "1", "no optimum"]
    assert cells(html, dates[5])[1] == "0"
    between = rebalances(made, made["oos_weights"], "hrp", cash=False)
    assert re.findall(r'<th scope="row" class="l">([\d-]+)</th>', between) == [*dates[:5], *dates[6:]][::-1]


def test_a_large_growth_is_on_a_logarithmic_scale(made: dict[str, Any]) -> None:
    """From four times on, and the axis says so; each curve is a download with every session."""
    assert "logarithmic" not in performance(made)
    grown = made["oos_returns"].assign(net=0.004)
    html = performance({**made, "oos_returns": grown})
    assert "Growth of 1, net of costs, logarithmic scale" in html
    assert 'download="growth.csv"' in html


def test_sections_do_with_one_session(made: dict[str, Any]) -> None:
    """A walk-forward that has just begun has a page: what cannot be computed yet is a dash or a sentence."""
    one = {**made, "oos_returns": made["oos_returns"].iloc[:1], "oos_weights": made["oos_weights"].iloc[:3]}
    short: Quotes = made["quotes"]
    for section in (performance, periods, drawdown, distributed, benchmarked, all_figures):
        assert "nan" not in section(one)
    assert "Total" in attribution(one, short, SECTORS, 5)
    assert "too few, or all alike" in distributed(one)


def test_what_is_stored_gives_the_same(made: dict[str, Any]) -> None:
    """Artifacts read back from the store give the same attribution."""
    stored = {name: decode(*encode(made[name])[:2]) for name in ("oos_returns", "oos_weights")}
    before = attribution(made, made["quotes"], SECTORS, 10)
    assert attribution({**made, **stored}, made["quotes"], SECTORS, 10) == before
