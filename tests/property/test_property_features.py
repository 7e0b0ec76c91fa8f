"""The features against slow definitions on markets with holes, ties and constants, and what must not move them."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats

from quantflow.config.features import FEATURES
from quantflow.quant.features import FeatureWindows, compute

Bars = dict[str, np.ndarray]
UNITLESS = tuple(name for name in FEATURES if name != "liquidity")


@st.composite
def markets(draw: st.DrawFn, symbols: int = 3, longest: int = 420) -> Bars:
    """Prices on a tick grid, so that ties are common, with holes, idle stretches and a dead symbol now and then."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sessions = draw(st.sampled_from([0, 1, 2, 30, 60, 200, longest - 1, longest]))
    shape = (symbols, sessions)
    moves = rng.standard_t(4, shape) * draw(st.sampled_from([0.02, 0.001, 0.0]))
    moves[rng.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.95]))] = 0.0
    tick = draw(st.sampled_from([0.01, 0.25, 1.0]))
    close = np.maximum(np.round(100.0 * np.exp(np.cumsum(moves, axis=1)) / tick), 1.0) * tick
    high = close + tick * rng.integers(0, 4, shape)
    low = np.maximum(close - tick * rng.integers(0, 4, shape), tick / 2)
    bars = {"close": close, "high": high, "low": low, "volume": rng.integers(0, 1000, shape).astype(float)}
    rate = draw(st.sampled_from([0.0, 0.01, 0.02, 0.3]))
    for values in bars.values():
        values[rng.random(shape) < rate / 4] = np.nan
    hole = rng.random(shape) < rate
    return {name: np.where(hole, np.nan, values) for name, values in bars.items()}


windows_drawn = st.builds(
    FeatureWindows,
    lookback=st.sampled_from([30, 128, 200, 256, 300, 301, 512]),
    momentum_long=st.integers(11, 260),
    momentum_skip=st.integers(0, 10),
    trend_window=st.integers(2, 220),
)


def slow_bar_at(close: np.ndarray, index: int) -> float:
    """Return the last price among the session *index* and the five before it."""
    near = [close[t] for t in range(index - 5, index + 1) if 0 <= t < close.size and not math.isnan(close[t])]
    return near[-1] if near else math.nan


def slow_entropy(returns: np.ndarray) -> float:
    """Count stable argsort patterns of five."""
    windows = [returns[k : k + 5] for k in range(len(returns) - 4)]
    counts = Counter(tuple(np.argsort(w, kind="stable")) for w in windows if not np.isnan(w).any())
    if sum(counts.values()) < 120:
        return math.nan
    return float(stats.entropy(list(counts.values()))) / math.log(120)


def is_flat(x: np.ndarray) -> bool:
    """Return whether the values are constant but for rounding."""
    return bool(np.std(x) <= 1e-12 * (1 + abs(np.mean(x))))


def slow_hurst(x: np.ndarray) -> float:
    """Regress ln(R/S) less its Anis-Lloyd expectation on ln(size), with library pieces."""
    if len(x) < 128:
        return math.nan
    points = []
    for size in (8, 16, 32, 64, 128, 256):
        blocks = [x[len(x) - (b + 1) * size : len(x) - b * size] for b in range(len(x) // size)]
        walks = [(np.concatenate([[0.0], np.cumsum(b - b.mean())]), b.std()) for b in blocks if not is_flat(b)]
        if len(blocks) >= 2 and walks:
            i = np.arange(1, size)
            expected = np.sqrt((size - i) / i).sum() / special.poch((size - 1) / 2, 0.5) / math.sqrt(math.pi)
            points.append((math.log(size), math.log(np.mean([np.ptp(w) / s for w, s in walks]) / expected)))
    return 0.5 + stats.linregress(*zip(*points, strict=True)).slope if len(points) >= 3 else math.nan


def slow_adx(high: np.ndarray, low: np.ndarray, period: int = 14) -> float:
    """Wilder's table, column by column: DM, smoothed sums, DI over an arbitrary true range, DX, ADX."""
    rise, fall = np.diff(high), -np.diff(low)
    plus = np.where((rise > fall) & (rise > 0), rise, 0.0)
    minus = np.where((fall > rise) & (fall > 0), fall, 0.0)
    if len(high) < 2 * period:
        return math.nan

    def smoothed(values: np.ndarray) -> list[float]:
        out = [float(values[:period].sum())]
        for value in values[period:]:
            out.append(out[-1] - out[-1] / period + value)
        return out

    dx = [
        100 * abs(p - m) / (p + m) if p + m > 0 else 0.0 for p, m in zip(smoothed(plus), smoothed(minus), strict=True)
    ]
    adx = float(np.mean(dx[:period]))
    for value in dx[period:]:
        adx = (adx * (period - 1) + value) / period
    return adx


def slow(bars: Bars, i: int, windows: FeatureWindows, annualisation: int) -> dict[str, float]:
    """Return the features of symbol *i*, each from its definition."""
    close, sessions = bars["close"][i], bars["close"].shape[1]
    out = dict.fromkeys(FEATURES, math.nan)
    recent = close[max(sessions - 1 - windows.lookback, 0) :]
    returns = recent[1:] / recent[:-1] - 1
    x, path = returns[~np.isnan(returns)], recent[~np.isnan(recent)]
    out["observations"] = float(len(x))
    out["momentum"] = (
        slow_bar_at(close, sessions - 1 - windows.momentum_skip)
        / slow_bar_at(close, sessions - 1 - windows.momentum_long)
        - 1
    )
    if len(x) >= 20:
        out["volatility"] = 0.0 if is_flat(x) else x.std(ddof=1) * math.sqrt(annualisation)
        out["cvar"] = -np.sort(x)[: math.ceil(len(x) / 20)].mean()
        if not is_flat(x):
            out["skewness"], out["kurtosis"] = stats.skew(x), stats.kurtosis(x)
            out["entropy"], out["hurst"] = slow_entropy(returns), slow_hurst(x)
    if len(path) >= 21:
        length = np.abs(np.diff(path)).sum()
        out["efficiency"] = abs(path[-1] - path[0]) / length if length > 0 else math.nan
        out["drawdown"] = float((1 - path / pd.Series(path).cummax()).max())
    traded = (close * bars["volume"][i])[max(sessions - windows.lookback, 0) :]
    if (~np.isnan(traded)).sum() >= 20:
        out["liquidity"] = float(np.nanmedian(traded))
    average = pd.Series(close).rolling(windows.trend_window, min_periods=math.ceil(windows.trend_window * 0.75)).mean()
    if sessions:
        out["trend"] = slow_bar_at(close, sessions - 1) / average.iloc[-1] - 1
    frame = pd.DataFrame({k: bars[k][i] for k in ("close", "high", "low")}).iloc[-windows.lookback - 1 :].dropna()
    if len(frame) and frame.index[-1] >= sessions - 6:
        out["adx"] = slow_adx(frame["high"].to_numpy(), frame["low"].to_numpy())
    return out


def assert_same_bytes(
    left: dict[str, np.ndarray], right: dict[str, np.ndarray], names: tuple[str, ...] = tuple(FEATURES)
) -> None:
    """Assert equality to the last bit, NaN included."""
    for name in names:
        assert left[name].tobytes() == right[name].tobytes(), name


@settings(max_examples=60)
@given(markets(), windows_drawn, st.sampled_from([252, 365]))
def test_features_agree_with_their_definitions(bars: Bars, windows: FeatureWindows, annualisation: int) -> None:
    """Every feature equals its slow definition to 1e-10, and is NaN exactly where that is undefined."""
    fast = compute(bars, windows, annualisation)
    assert tuple(fast) == tuple(FEATURES)
    for i in range(3):
        for name, value in slow(bars, i, windows, annualisation).items():
            assert fast[name][i] == pytest.approx(value, rel=1e-10, abs=1e-10, nan_ok=True), name


@settings(max_examples=40)
@given(hnp.arrays(float, (2, 40), elements=st.sampled_from([1.0, 2.0, 3.0, 4.0, math.nan])))
def test_features_agree_on_few_distinct_prices(close: np.ndarray) -> None:
    """The definitions hold where most values tie and holes are anywhere."""
    bars = dict.fromkeys(("close", "high", "low", "volume"), close)
    windows = FeatureWindows(lookback=30, momentum_long=9, momentum_skip=2, trend_window=10)
    fast = compute(bars, windows, 252)
    for i in range(2):
        for name, value in slow(bars, i, windows, 252).items():
            assert fast[name][i] == pytest.approx(value, rel=1e-10, abs=1e-10, nan_ok=True), name


@settings(max_examples=30)
@given(markets(), windows_drawn, st.integers(-8, 8))
def test_price_unit_does_not_matter(bars: Bars, windows: FeatureWindows, power: int) -> None:
    """Quoting prices in another unit changes nothing but the traded value (exact units, so to the last bit)."""
    unit = 2.0**power
    scaled = {name: values if name == "volume" else values * unit for name, values in bars.items()}
    before, after = compute(bars, windows, 252), compute(scaled, windows, 252)
    assert_same_bytes(before, after, UNITLESS)
    np.testing.assert_array_equal(after["liquidity"], before["liquidity"] * unit)


@settings(max_examples=30)
@given(markets(symbols=6), windows_drawn, st.permutations(range(6)))
def test_symbols_do_not_see_each_other(bars: Bars, windows: FeatureWindows, order: list[int]) -> None:
    """Reordering the symbols reorders the values, and a symbol alone has the values that it has among others."""
    among = compute(bars, windows, 252)
    assert_same_bytes(
        compute({k: v[order] for k, v in bars.items()}, windows, 252), {k: v[order] for k, v in among.items()}
    )
    assert_same_bytes(compute({k: v[:1] for k, v in bars.items()}, windows, 252), {k: v[:1] for k, v in among.items()})


@settings(max_examples=30)
@given(markets(), windows_drawn, st.data())
def test_the_future_and_the_far_past_do_not_matter(bars: Bars, windows: FeatureWindows, data: st.DataObject) -> None:
    """Cutting later sessions off a longer history, or dropping those beyond the windows, gives the same bytes."""
    sessions = bars["close"].shape[1]
    end = data.draw(st.integers(0, sessions))
    past = {name: values[:, :end] for name, values in bars.items()}
    disturbed = {name: np.where(np.arange(sessions) < end, v, v * 3.0) for name, v in bars.items()}
    expected = compute(past, windows, 252)
    assert_same_bytes(compute({k: v[:, :end] for k, v in disturbed.items()}, windows, 252), expected)
    recent = {name: values[:, max(end - windows.sessions, 0) : end] for name, values in bars.items()}
    assert_same_bytes(compute(recent, windows, 252), expected)


@settings(max_examples=40)
@given(markets(), windows_drawn)
def test_features_stay_in_their_ranges(bars: Bars, windows: FeatureWindows) -> None:
    """Bounded features are within their bounds whatever the market did."""
    values: dict[str, Any] = compute(bars, windows, 252)
    for name, low, high in (
        ("volatility", 0, np.inf),
        ("entropy", 0, 1 + 1e-12),
        ("efficiency", 0, 1 + 1e-12),
        ("drawdown", 0, 1),
        ("liquidity", 0, np.inf),
        ("cvar", -np.inf, 1),
        ("adx", 0, 100 + 1e-9),
        ("kurtosis", -2 - 1e-9, np.inf),
    ):
        seen = values[name][~np.isnan(values[name])]
        assert ((seen >= low) & (seen <= high)).all(), name
