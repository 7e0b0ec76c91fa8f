"""The section with every figure of the returns, each with its definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from quantflow.quant import metrics
from quantflow.quant.returns import drawdowns, tails
from quantflow.quant.returns.periods import compounded, months
from quantflow.stages.report.facts import FloatArray, Inputs, series, sessions
from quantflow.stages.report.figures import count, fixed, loss, percent
from quantflow.stages.report.proof.growth import EMPTY
from quantflow.stages.report.render import headed, nothing, section


@dataclass(frozen=True)
class Stream:
    """Returns of one portfolio: by session, by month, and the sessions per year."""

    daily: FloatArray
    monthly: FloatArray
    year: int


Row = tuple[str, Callable[[Stream], object], Callable[[object], str], str]
"""Name of a figure, what it is of a stream, how it is written, and what it means."""


def _two(value: object) -> str:
    return percent(value, 2)


def _loss(value: object) -> str:
    return loss(value, 2)


def _recovery(of: Stream) -> float | None:
    deepest = metrics.max_drawdown(of.daily)
    return metrics.total_return(of.daily) / deepest if deepest > drawdowns.NOISE else None


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None


def _calmar(of: Stream) -> float | None:
    deepest = metrics.max_drawdown(of.daily)
    return metrics.cagr(of.daily, of.year) / deepest if deepest > drawdowns.NOISE else None


RETURN: tuple[Row, ...] = (
    ("Total return", lambda of: metrics.total_return(of.daily), percent, "Compounded over all sessions, net of costs."),
    (
        "Return per year (CAGR)",
        lambda of: metrics.cagr(of.daily, of.year),
        percent,
        "The constant yearly return with the same final wealth.",
    ),
    ("Mean month", lambda of: _mean(of.monthly), _two, "Arithmetic mean of monthly returns."),
    ("Mean up month", lambda of: _mean(of.monthly[of.monthly > 0]), _two, "Mean of the months that gained."),
    ("Mean down month", lambda of: _mean(of.monthly[of.monthly < 0]), _two, "Mean of the months that lost."),
    ("Best day", lambda of: of.daily.max(), _two, "Highest daily return."),
    ("Worst day", lambda of: of.daily.min(), _two, "Lowest daily return."),
    ("Best month", lambda of: of.monthly.max(), _two, "Highest monthly return."),
    ("Worst month", lambda of: of.monthly.min(), _two, "Lowest monthly return."),
)
RISK: tuple[Row, ...] = (
    (
        "Volatility per year",
        lambda of: metrics.volatility(of.daily, of.year),
        percent,
        "Standard deviation of daily returns, annualised.",
    ),
    ("Max drawdown", lambda of: metrics.max_drawdown(of.daily), _loss, "Largest loss from a peak of wealth."),
    (
        "Longest drawdown, sessions",
        lambda of: drawdowns.longest(of.daily),
        count,
        "Most sessions in a row below an earlier peak.",
    ),
    (
        "Ulcer index",
        lambda of: drawdowns.ulcer_index(of.daily),
        _two,
        "Root mean square of the drawdown at each close.",
    ),
    (
        "Value at risk, 95% daily",
        lambda of: tails.value_at_risk(of.daily, 0.95),
        _loss,
        "Loss that 95 of 100 days do not exceed (historical).",
    ),
    (
        "Expected shortfall, 95% daily",
        lambda of: metrics.cvar(of.daily, 0.95),
        _loss,
        "Mean loss of the worst 5% of days (CVaR).",
    ),
    (
        "Value at risk, 99% daily",
        lambda of: tails.value_at_risk(of.daily, 0.99),
        _loss,
        "Loss that 99 of 100 days do not exceed.",
    ),
    (
        "Expected shortfall, 99% daily",
        lambda of: metrics.cvar(of.daily, 0.99),
        _loss,
        "Mean loss of the worst 1% of days.",
    ),
)
ADJUSTED: tuple[Row, ...] = (
    (
        "Sharpe ratio",
        lambda of: metrics.sharpe(of.daily, of.year),
        fixed,
        "Mean over standard deviation of daily returns, annualised; risk-free rate 0.",
    ),
    (
        "Sortino ratio",
        lambda of: metrics.sortino(of.daily, of.year),
        fixed,
        "Mean over downside deviation, annualised.",
    ),
    ("Calmar ratio", _calmar, fixed, "Return per year over max drawdown."),
    ("Recovery factor", _recovery, fixed, "Total return over max drawdown."),
    (
        "Profit factor (Omega at 0)",
        lambda of: tails.profit_factor(of.daily),
        fixed,
        "Sum of daily gains over sum of daily losses.",
    ),
    ("Payoff ratio", lambda of: tails.payoff_ratio(of.daily), fixed, "Mean daily gain over mean daily loss."),
    (
        "Tail ratio",
        lambda of: tails.tail_ratio(of.daily),
        fixed,
        "95% quantile of daily returns over the size of the 5% quantile.",
    ),
)
SHAPE: tuple[Row, ...] = (
    ("Skewness, daily", lambda of: tails.skewness(of.daily), fixed, "Below 0: the long tail is on the side of losses."),
    (
        "Excess kurtosis, daily",
        lambda of: tails.excess_kurtosis(of.daily),
        fixed,
        "Above 0: more extreme days than a normal distribution has.",
    ),
    ("Skewness, monthly", lambda of: tails.skewness(of.monthly), fixed, "The same of monthly returns."),
    ("Excess kurtosis, monthly", lambda of: tails.excess_kurtosis(of.monthly), fixed, "The same of monthly returns."),
    (
        "Win rate, days",
        lambda of: metrics.hit_rate(of.daily),
        percent,
        "Share of days with a gain among those that moved.",
    ),
    (
        "Win rate, months",
        lambda of: metrics.hit_rate(of.monthly),
        percent,
        "Share of months with a gain among those that moved.",
    ),
    (
        "Longest run of gains, days",
        lambda of: tails.longest_streak(of.daily, 1),
        count,
        "Most days with a gain in a row.",
    ),
    (
        "Longest run of losses, days",
        lambda of: tails.longest_streak(of.daily, -1),
        count,
        "Most days with a loss in a row.",
    ),
)
GROUPS = (("Return", RETURN), ("Risk", RISK), ("Risk-adjusted", ADJUSTED), ("Shape and wins", SHAPE))


def all_figures(inputs: Inputs) -> Markup:
    """Return every figure of the strategy and of each benchmark, with its definition."""
    title, frame = "All figures", inputs["oos_returns"]
    if not len(frame):
        return section("figures", title, nothing(EMPTY))
    found = {label: _stream(inputs, values) for _, label, values in series(inputs)}
    head = ["Figure", *found, "Definition"]
    tables = [
        headed(
            group,
            head,
            [[name, *(write(figure(of)) for of in found.values()), said] for name, figure, write, said in rows],
            words=frozenset({len(head) - 1}),
        )
        for group, rows in GROUPS
    ]
    return section("figures", title, *tables, lead="Out of sample, net of costs; day means session.")


def _stream(inputs: Inputs, values: FloatArray) -> Stream:
    daily = np.nan_to_num(values)
    monthly = np.array(list(compounded(months(sessions(inputs["oos_returns"])), daily).values()))
    return Stream(daily, monthly, int(inputs["metrics"]["annualisation"]))
