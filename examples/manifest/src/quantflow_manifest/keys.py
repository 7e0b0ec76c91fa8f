"""What the keys of a JSON manifest mean in a profile: one rule per key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Rule:
    """What becomes of one key.

    Attributes:
        target: Section and key of the profile; empty when there is none, and *note* says why.
        convert: Turns the manifest's value into the profile's; raises ValueError with the reason when it cannot.
        note: What a person should know about it.
        days: Whether the manifest counts it in calendar days; the profile counts sessions.
    """

    target: tuple[str, str] | tuple[()]
    convert: Callable[[Any], Any]
    note: str = ""
    days: bool = False


YEAR_DAYS, YEAR_SESSIONS = 365, 252


def sessions_of(days: Any, calendar: str) -> int:
    """Return how many sessions there are in a number of calendar days: all of a market that never closes.

    Raises:
        ValueError: If it is not a whole number of days.
    """
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise ValueError("is not a number of calendar days")
    return days if calendar == "24/7" else max(1, round(days * YEAR_SESSIONS / YEAR_DAYS))


_DIRECTIONS = {
    **dict.fromkeys(("long", "buy", "long_only"), ("LONG",)),
    **dict.fromkeys(("short", "sell", "short_only"), ("SHORT",)),
    **dict.fromkeys(("both", "long_short", "long/short", "market_neutral", "all"), ("LONG", "SHORT")),
}


def directions(value: Any) -> list[str]:
    """Return the directions that a word, or a list of words, means.

    Raises:
        ValueError: If it is not one.
    """
    found: set[str] = set()
    for word in _listed(value):
        name = str(word).strip().lower().replace("-", "_").replace(" ", "_")
        if name not in _DIRECTIONS:
            raise ValueError("is neither long, short nor both")
        found |= set(_DIRECTIONS[name])
    if not found:
        raise ValueError("is neither long, short nor both")
    return sorted(found)


def _only(side: str) -> Callable[[Any], list[str]]:
    def convert(value: Any) -> list[str]:
        if value is not True:
            raise ValueError('says only what is not: give "direction"')
        return [side]

    return convert


def _with_shorts(value: Any) -> list[str]:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return ["LONG", "SHORT"] if value else ["LONG"]


def _logic(value: Any) -> Any:
    if isinstance(value, str) and "short" in value.lower():
        raise ValueError('names a short strategy, which would be a label here and no direction: give "direction"')
    return value


def _same(value: Any) -> Any:
    return value


def _basis_points(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is not a number")
    return round(float(value) * 1e4, 9)


def _positive(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is not a number")
    return abs(value)


_METHODS = {
    "equal": "equal_weight",
    "ew": "equal_weight",
    "1/n": "equal_weight",
    "inverse_vol": "inverse_volatility",
    "inv_vol": "inverse_volatility",
    "minvar": "min_variance",
    "min_var": "min_variance",
    "minimum_variance": "min_variance",
    "max_sharpe_ratio": "max_sharpe",
    "maximum_sharpe": "max_sharpe",
    "tangency": "max_sharpe",
    "erc": "risk_parity",
    "equal_risk": "risk_parity",
    "hierarchical_risk_parity": "hrp",
}


def method(value: Any) -> str:
    """Return the name of an allocation method; what is not a synonym is left as it is."""
    if not isinstance(value, str):
        raise ValueError("is no name")
    name = value.strip().lower().replace("-", "_").replace(" ", "_")
    return _METHODS.get(name, name)


_RHYTHMS = {5: "weekly", 21: "monthly", 63: "quarterly"}
"""What scripts mean that count the sessions of a week, a month, a quarter."""


def _rebalance(value: Any) -> str | int:
    """Return a rhythm: its word, or another number of sessions."""
    if isinstance(value, str):
        return value.strip().lower()
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is neither a word nor a number of sessions")
    return _RHYTHMS.get(value, value)


def _day(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not a date")
    return date.fromisoformat(value.strip()[:10]).isoformat()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _calendar(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is no name")
    return {"crypto": "24/7", "24x7": "24/7", "nyse": "XNYS", "nasdaq": "XNAS", "us": "XNYS"}.get(value.lower(), value)


def _rules(target: tuple[str, str], convert: Callable[[Any], Any], note: str, *keys: str) -> dict[str, Rule]:
    return {key: Rule(target, convert, note) for key in keys}


def _in_days(target: tuple[str, str], *keys: str) -> dict[str, Rule]:
    return {key: Rule(target, _same, "calendar days, converted to sessions", days=True) for key in keys}


def _none(why: str, *keys: str) -> dict[str, Rule]:
    return {key: Rule((), _same, why) for key in keys}


_FRACTION = "as basis points"
_WALK = "sessions before the first rebalance"

RULES: dict[str, Rule] = {
    **_rules(("features", "lookback"), _same, "in sessions", "lookback", "feature_lookback"),
    **_rules(("features", "momentum_long"), _same, "in sessions", "momentum_window", "momentum_lookback"),
    **_rules(("features", "momentum_skip"), _same, "in sessions", "momentum_skip"),
    **_in_days(("features", "lookback"), "lookback_days"),
    **_in_days(("features", "momentum_skip"), "skip_days"),
    **_in_days(("data", "min_sessions"), "min_history_days", "min_days"),
    **_rules(("scores", "directions"), directions, "", "direction", "directions", "side", "position_side"),
    **_rules(("scores", "directions"), _only("LONG"), "", "long_only"),
    **_rules(("scores", "directions"), _only("SHORT"), "", "short_only"),
    **_rules(("scores", "directions"), _with_shorts, "", "allow_short", "allow_shorts", "shorts"),
    **_rules(("features", "trend_window"), _same, "in sessions", "trend_window", "sma_window", "ma_window"),
    **_rules(("policy", "top_n"), _same, "per cluster and direction", "top_n", "top_n_per_cluster"),
    **_rules(("policy", "max_winners"), _same, "", "max_winners", "max_assets", "max_positions", "max_symbols"),
    **_rules(("policy", "min_winners"), _same, "", "min_winners", "min_assets", "min_positions"),
    **_rules(("policy", "max_per_sector"), _same, "", "max_per_sector", "sector_limit"),
    **_rules(("policy", "min_alpha"), _same, "", "min_alpha", "min_alpha_score", "min_score"),
    **_rules(("policy", "max_kurtosis"), _same, "", "kurtosis_max_threshold", "max_kurtosis"),
    **_rules(("policy", "max_volatility"), _same, "annualised, a fraction", "max_volatility", "volatility_cap"),
    **_rules(("policy", "max_drawdown"), _positive, "as a positive fraction", "max_drawdown", "max_drawdown_limit"),
    **_rules(("policy", "min_liquidity"), _same, "", "min_liquidity", "min_volume_usd", "min_dollar_volume"),
    **_rules(("clusters", "distance_threshold"), _same, "a Ward height", "threshold", "cluster_threshold"),
    **_rules(("clusters", "max_clusters"), _same, "", "max_clusters", "n_clusters"),
    **_rules(("clusters", "lookbacks"), _listed, "", "cluster_lookbacks", "correlation_windows", "cluster_lookback"),
    **_rules(("scores", "weights"), _same, "", "feature_weights", "score_weights", "weights"),
    **_rules(("allocation", "method"), method, "", "profile", "method", "optimizer", "optimiser", "allocation"),
    **_rules(("allocation", "max_weight"), _same, "", "max_weight", "weight_cap", "max_position"),
    **_rules(("allocation", "min_weight"), _same, "", "min_weight", "weight_floor"),
    **_rules(("allocation", "max_cluster_weight"), _same, "", "cluster_cap", "max_cluster_weight"),
    **_rules(("allocation", "max_sector_weight"), _same, "", "sector_cap", "max_sector_weight"),
    **_rules(("allocation", "budget"), _same, "gross exposure", "leverage", "gross_exposure", "budget"),
    **_rules(("allocation", "lookback"), _same, "in sessions", "risk_lookback", "covariance_window"),
    **_rules(("validation", "slippage_bps"), _basis_points, _FRACTION, "slippage"),
    **_rules(("validation", "slippage_bps"), _same, "", "slippage_bps"),
    **_rules(("validation", "commission_bps"), _basis_points, _FRACTION, "commission", "fee", "fees"),
    **_rules(("validation", "commission_bps"), _same, "", "commission_bps", "fee_bps"),
    **_rules(("validation", "min_history"), _same, _WALK, "train_window", "train_size", "min_history"),
    **_rules(("rebalance", "every"), _rebalance, "", "step_size", "rebalance", "rebalance_frequency", "step"),
    **_rules(("data", "provider"), _same, "", "provider", "source"),
    **_rules(("data", "start"), _day, "", "start", "start_date"),
    **_rules(("data", "path"), _same, "", "path", "data_path", "data_dir"),
    **_rules(("data", "quote"), _same, "", "quote", "quote_currency"),
    **_rules(("data", "exchange"), lambda value: str(value).lower(), "", "exchange"),
    **_rules(("data", "min_sessions"), _same, "", "min_sessions"),
    **_rules(("universe", "symbols"), _listed, "", "symbols", "tickers", "universe"),
    **_rules(("universe", "exclude"), _listed, "", "exclude", "exclude_symbols", "blacklist"),
    **_rules(("universe", "sectors"), _listed, "", "sectors"),
    **_rules(("calendar", "name"), _calendar, "", "calendar", "market_calendar"),
    **_rules(("synthesis", "logic"), _logic, "", "logic", "strategy"),
    **_none(
        "no limit on momentum alone: policy.min_alpha limits the whole score, scores.weights.momentum its part",
        *("min_momentum_score", "momentum_threshold"),
    ),
    **_none("a rebalance holds until the next one: rebalance.every says how often", "test_window", "test_size"),
    **_none("the last session is given when a run is started: --as-of", "end", "end_date", "as_of"),
    **_none("a sleeve has no capital: weights are fractions", "initial_capital", "capital", "cash"),
    **_none("weights need no risk-free rate here", "risk_free_rate", "risk_free"),
    **_none(
        "an absolute limit passes random walks: policy.max_entropy_z, min_efficiency_z and min_hurst_z are in standard "
        "errors of one",
        *("entropy_max_threshold", "max_entropy", "entropy_max", "efficiency_min_threshold", "min_efficiency"),
        *("efficiency_min", "hurst_random_walk_min", "hurst_random_walk_max", "hurst_min", "hurst_max", "hurst_low"),
        *("hurst_high", "hurst_min_threshold", "hurst_max_threshold"),
    ),
    **_none("bars are daily", "interval", "timeframe", "frequency"),
}
"""By key. What a section of the manifest means by a key that others mean otherwise is in ``OF_SECTION``."""

OF_SECTION: dict[tuple[str, str], Rule] = {
    ("data", "top_n"): Rule(("data", "top"), _same, "symbols of the largest volume"),
    ("data", "max_symbols"): Rule(("data", "top"), _same, "symbols of the largest volume"),
    ("risk", "lookback"): Rule(("allocation", "lookback"), _same, "in sessions"),
    **{("risk", key): rule for key, rule in _in_days(("allocation", "lookback"), "lookback_days").items()},
    ("risk", "max_drawdown"): Rule((), _same, "the portfolio's drawdown is reported, not limited"),
    ("data", "profile"): Rule((), _same, "names no allocation method here"),
    ("backtest", "lookback"): Rule(("validation", "min_history"), _same, _WALK),
    **{("backtest", key): rule for key, rule in _in_days(("validation", "min_history"), "lookback_days").items()},
}
