"""Performance figures of a return stream.

All take simple returns per session, shape (S,), oldest first, as fractions (0.01 = 1 %), free of NaN, and give None
where the figure is undefined. A is the number of sessions per year; the risk-free rate is 0.
"""

from __future__ import annotations

from math import ceil, expm1, log1p, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from quantflow.errors import DataError
from quantflow.quant.significance import NOISE, figures

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def summarise(returns: FloatArray, annualisation: int) -> dict[str, Any]:
    """Return all figures of one stream by name; ``sessions`` is S.

    Raises:
        DataError: If *returns* is empty, holds NaN, or a return below -1.
    """
    _check(returns)
    growth, drawdown = cagr(returns, annualisation), max_drawdown(returns)
    return {
        "total_return": total_return(returns),
        "cagr": growth,
        "volatility": volatility(returns, annualisation),
        "sharpe": sharpe(returns, annualisation),
        **figures(returns, annualisation),
        "sortino": sortino(returns, annualisation),
        "max_drawdown": drawdown,
        "calmar": growth / drawdown if drawdown > NOISE else None,
        "cvar_95": cvar(returns, 0.95),
        "hit_rate": hit_rate(returns),
        "sessions": len(returns),
    }


def total_return(returns: FloatArray) -> float:
    """Return the compounded return over all sessions: prod(1 + r) - 1."""
    return float(np.prod(1.0 + returns) - 1.0)


def cagr(returns: FloatArray, annualisation: int) -> float:
    """Return the constant yearly return with the same final wealth: prod(1 + r) ^ (A / S) - 1."""
    if bool((returns <= -1.0).any()):
        return -1.0
    return expm1(float(np.log1p(returns).sum()) * annualisation / len(returns))


def volatility(returns: FloatArray, annualisation: int) -> float | None:
    """Return the annualised sample standard deviation (n - 1) times sqrt(A); None for fewer than two sessions."""
    return float(returns.std(ddof=1)) * sqrt(annualisation) if len(returns) > 1 else None


def sharpe(returns: FloatArray, annualisation: int) -> float | None:
    """Return mean / standard deviation (n - 1) times sqrt(A); None without risk.

    Source:
        Sharpe (1994), The Sharpe Ratio, ex post, with the risk-free rate at 0.
    """
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation * sqrt(annualisation) if deviation > NOISE else None


def sortino(returns: FloatArray, annualisation: int) -> float | None:
    """Return mean / downside deviation times sqrt(A), the target being 0; None if no session lost.

    The downside deviation is sqrt(mean(min(r, 0)^2)) over all S sessions, not only over those that lost.

    Source:
        Sortino and Price (1994), Performance Measurement in a Downside Risk Framework.
    """
    downside = sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(returns.mean()) / downside * sqrt(annualisation) if downside > NOISE else None


def drawdowns(returns: FloatArray) -> FloatArray:
    """Return the loss from the highest wealth so far at each close, shape (S,), positive fractions.

    Wealth starts at 1 before the first session, which is the first peak.
    """
    wealth = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    return np.asarray(1.0 - wealth / np.maximum.accumulate(wealth))[1:]


def max_drawdown(returns: FloatArray) -> float:
    """Return the deepest loss from a peak of wealth, in [0, 1]; 0 if wealth never falls.

    Raises:
        DataError: If *returns* is empty, holds NaN, or a return below -1 (no loss exceeds all wealth).
    """
    _check(returns)
    return float(max(drawdowns(returns).max(), 0.0))


def cvar(returns: FloatArray, level: float) -> float:
    """Return the mean loss of the worst (1 - level) share of sessions, as a positive fraction; negative for a gain.

    The share's last session counts with the part of it that belongs to the share.

    Source:
        Rockafellar and Uryasev (2002), Conditional Value-at-Risk for General Loss Distributions.
    """
    tail = (1.0 - level) * len(returns)
    worst = np.sort(returns)[: max(ceil(tail - 1e-9), 1)]
    parts = np.ones(len(worst))
    parts[-1] = max(tail - (len(worst) - 1), 1e-9)
    return float(-(worst @ parts) / parts.sum())


def hit_rate(returns: FloatArray) -> float | None:
    """Return the share of sessions with a gain among those that moved; None if none did."""
    moved = int(np.count_nonzero(returns))
    return float(np.count_nonzero(returns > 0.0)) / moved if moved else None


def annual_turnover(turnover: FloatArray, annualisation: int) -> float:
    """Return traded weight per year: sum of turnover x A / S, the entry from cash included (1.0 = all wealth once)."""
    return float(turnover.sum()) * annualisation / len(turnover)


def cost_drag(gross: FloatArray, net: FloatArray, annualisation: int) -> float:
    """Return how much costs take from the yearly growth: cagr(gross) - cagr(net), as a fraction."""
    return cagr(gross, annualisation) - cagr(net, annualisation)


def final_cost(cost: FloatArray) -> float:
    """Return the share of final wealth that costs took: 1 - prod(1 - cost)."""
    return -expm1(sum(log1p(-float(c)) for c in cost))


def against(returns: FloatArray, benchmark: FloatArray, annualisation: int) -> dict[str, float | None]:
    """Return all figures of a stream beside a benchmark of the same sessions by name.

    Raises:
        DataError: If the streams differ in length, or are empty.
    """
    if returns.shape != benchmark.shape or not len(returns):
        raise DataError(f"A stream of {len(returns)} sessions has a benchmark of {len(benchmark)}.")
    slope = beta(returns, benchmark)
    return {
        "beta": slope,
        "alpha": None if slope is None else float(returns.mean() - slope * benchmark.mean()) * annualisation,
        "tracking_error": volatility(returns - benchmark, annualisation),
        "information_ratio": information_ratio(returns, benchmark, annualisation),
        "up_capture": capture(returns, benchmark, benchmark > 0.0),
        "down_capture": capture(returns, benchmark, benchmark < 0.0),
    }


def beta(returns: FloatArray, benchmark: FloatArray) -> float | None:
    """Return the slope of the stream on its benchmark: covariance over the benchmark's variance.

    ``alpha`` is what is left of the mean, times A: mean(r) - beta mean(b).

    Source:
        Jensen (1968), The Performance of Mutual Funds in the Period 1945-1964.
    """
    away = benchmark - benchmark.mean()
    spread = float(away @ away)
    return float(away @ (returns - returns.mean())) / spread if spread > NOISE**2 * len(away) else None


def information_ratio(returns: FloatArray, benchmark: FloatArray, annualisation: int) -> float | None:
    """Return the mean difference over its standard deviation (n - 1, the tracking error), times sqrt(A).

    Source:
        Goodwin (1998), The Information Ratio.
    """
    error = volatility(returns - benchmark, annualisation)
    return None if error is None or error <= NOISE else float((returns - benchmark).mean()) * annualisation / error


def capture(returns: FloatArray, benchmark: FloatArray, when: BoolArray) -> float | None:
    """Return the stream's geometric mean return in the sessions *when*, over the benchmark's there; 1 is all of it."""
    if not when.any():
        return None
    ours, theirs = (_geometric_mean(stream[when]) for stream in (returns, benchmark))
    return ours / theirs if abs(theirs) > NOISE else None


def _geometric_mean(returns: FloatArray) -> float:
    return -1.0 if bool((returns <= -1.0).any()) else expm1(float(np.log1p(returns).mean()))


def _check(returns: FloatArray) -> None:
    if returns.ndim != 1 or not len(returns) or not np.isfinite(returns).all():
        raise DataError("A performance figure needs a stream of finite returns.")
    if bool((returns < -1.0).any()):
        raise DataError("A return is below -100 %: no unlevered portfolio loses more than all it has.")
