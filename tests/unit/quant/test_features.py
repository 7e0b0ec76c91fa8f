"""The features on series whose answer is known, against libraries, and on their speed-related promises."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.features import FEATURES
from quantflow.quant import kernels
from quantflow.quant.features import FeatureWindows, compute
from quantflow.quant.kernels import expected_rescaled_range

OPTIONAL = {"liquidity", "adx"}


def walk(symbols: int = 4, sessions: int = 700, seed: int = 0) -> dict[str, np.ndarray]:
    """Return bars of random walks."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.standard_t(4, (symbols, sessions)) * 0.01, axis=1))
    spread = np.abs(rng.normal(0, 0.005, (2, symbols, sessions)))
    volume = rng.lognormal(12, 1, (symbols, sessions))
    return {"close": close, "high": close * (1 + spread[0]), "low": close * (1 - spread[1]), "volume": volume}


def one(close: np.ndarray, windows: FeatureWindows | None = None, **others: np.ndarray) -> dict[str, float]:
    """Return the features of one symbol."""
    fields = {"close": close[None, :], **{name: values[None, :] for name, values in others.items()}}
    return {name: float(v[0]) for name, v in compute(fields, windows or FeatureWindows(), 252).items()}


def test_moments_agree_with_pandas_and_scipy() -> None:
    """Volatility is the annualised sample deviation; skewness and kurtosis are the population ones."""
    from scipy import stats

    fields = walk()
    values = compute(fields, FeatureWindows(lookback=300), 365)
    returns = pd.DataFrame(fields["close"].T).pct_change().tail(300)
    np.testing.assert_allclose(values["volatility"], returns.std() * math.sqrt(365), rtol=1e-12)
    np.testing.assert_allclose(values["skewness"], stats.skew(returns), rtol=1e-10)
    np.testing.assert_allclose(values["kurtosis"], stats.kurtosis(returns), rtol=1e-10)


@pytest.mark.parametrize(("speed", "expected"), [(0.7, 0.9051975492754827), (1.9, 0.7492097229725235)])
def test_entropy_agrees_with_antropy(speed: float, expected: float) -> None:
    """Permutation entropy has the values that antropy 0.2.3 gives for order 5, delay 1, normalised."""
    t = np.arange(505)
    close = 100 * (1 + 0.2 * np.sin(speed * t) + 0.1 * np.sin(speed * t * t))
    assert one(close)["entropy"] == pytest.approx(expected, rel=1e-12)


def test_entropy_breaks_ties_by_time() -> None:
    """Equal returns count as rising: a series with one odd return among ties has the patterns counted by hand."""
    returns = np.zeros(200)
    returns[100] = 0.5
    close = 4.0 * np.cumprod(np.concatenate([[1.0], 1 + returns]))
    # 196 windows; the odd one at the last place sorts as the ties do, at each of the other four it is a pattern.
    p = np.array([192, 1, 1, 1, 1]) / 196
    assert one(close)["entropy"] == pytest.approx(-(p * np.log(p)).sum() / math.log(120), rel=1e-12)


@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_expected_rescaled_range_is_that_of_normal_returns(size: int) -> None:
    """The Anis-Lloyd expectation is the mean that simulation finds."""
    x = np.random.default_rng(3).normal(size=(20_000, size))
    x -= x.mean(axis=1, keepdims=True)
    sums = np.cumsum(x, axis=1)
    ratio = (np.maximum(sums.max(axis=1), 0) - np.minimum(sums.min(axis=1), 0)) / x.std(axis=1)
    assert expected_rescaled_range(size) == pytest.approx(ratio.mean(), abs=5 * ratio.std() / math.sqrt(20_000) + 1e-9)


def test_hurst_tells_persistence_from_reversion() -> None:
    """On average a random walk has 0.5 within 0.01; positive autocorrelation is above it, negative below."""
    noise = np.random.default_rng(5).normal(0, 0.01, (400, 505))
    averages = []
    for memory in (-0.4, 0.0, 0.4):
        returns = noise.copy()
        for t in range(1, returns.shape[1]):
            returns[:, t] += memory * returns[:, t - 1]
        close = 100 * np.cumprod(1 + returns, axis=1)
        averages.append(compute({"close": close}, FeatureWindows(), 252)["hurst"].mean())
    assert averages[1] == pytest.approx(0.5, abs=0.01)
    assert averages[0] < 0.45
    assert averages[2] > 0.55


def test_hurst_leaves_out_blocks_without_variation() -> None:
    """Blocks of steady growth count no more than blocks of no growth, although prices round."""
    noise = np.random.default_rng(8).normal(0, 0.01, 256)
    still, steady = (one(np.cumprod(np.r_[9.0, np.full(256, 1 + g), 1 + noise]))["hurst"] for g in (0.0, 0.001))
    assert still == pytest.approx(steady, rel=1e-9)


def test_hurst_needs_three_block_sizes() -> None:
    """Returns that vary between blocks of 16 only leave the sizes 32 and 64, through which any line would fit."""
    returns = np.tile(np.repeat([0.0, 0.25], 16), 4)
    assert math.isnan(one(np.cumprod(np.r_[4.0, 1 + returns]))["hurst"])
    assert not math.isnan(one(np.cumprod(np.r_[4.0, 1 + np.roll(returns, 8)]))["hurst"])


def test_cvar_averages_the_worst_twentieth_rounded_up() -> None:
    """Of 21 returns the worst two count, and a loss is positive."""
    returns = np.concatenate([[-0.5, -0.25], np.full(19, 0.25)])
    close = np.cumprod(np.concatenate([[1.0], 1 + returns]))
    assert one(close)["cvar"] == pytest.approx(0.375, rel=1e-12)


def test_adx_agrees_with_a_hand_made_case() -> None:
    """Bars that only rise have an ADX of 100, bars that only repeat have 0, and 27 bars are one too few."""
    rising = np.arange(10.0, 40.0)
    assert one(rising, high=rising + 1, low=rising - 1)["adx"] == pytest.approx(100.0)
    still = np.full(30, 10.0)
    assert one(still, high=still + 1, low=still - 1)["adx"] == 0.0
    assert math.isnan(one(rising[:27], high=rising[:27] + 1, low=rising[:27] - 1)["adx"])
    assert one(rising[:28], high=rising[:28] + 1, low=rising[:28] - 1)["adx"] == pytest.approx(100.0)


def test_a_straight_path_is_efficient_and_has_no_drawdown() -> None:
    """A price that only rises has efficiency 1 and drawdown 0; there and back has 0 and the fall's depth."""
    up = np.arange(100.0, 131.0)
    assert (one(up)["efficiency"], one(up)["drawdown"]) == (1.0, 0.0)
    back = np.concatenate([up, up[::-1]])
    assert one(back)["efficiency"] == 0.0
    assert one(back)["drawdown"] == pytest.approx(30 / 130)


def test_momentum_uses_the_closes_at_its_lags() -> None:
    """12-1 momentum compares the closes 21 and 252 sessions ago."""
    close = np.linspace(50.0, 150.0, 300)
    assert one(close)["momentum"] == close[-22] / close[-253] - 1
    assert math.isnan(one(close[-252:])["momentum"])


def test_momentum_bridges_five_holes_and_not_six() -> None:
    """A hole at a lag is filled by a bar up to five sessions older."""
    close = np.linspace(50.0, 150.0, 300)
    close[-26:-21] = np.nan
    assert one(close)["momentum"] == close[-27] / close[-253] - 1
    close[-27] = np.nan
    assert math.isnan(one(close)["momentum"])


def test_trend_and_adx_need_a_recent_bar() -> None:
    """Five missing sessions at the end leave trend and ADX those of the last bar, six leave neither."""
    fields = {name: values[0].copy() for name, values in walk(symbols=1).items()}
    before = one(fields["close"][:-5], high=fields["high"][:-5], low=fields["low"][:-5])
    for values in fields.values():
        values[-5:] = np.nan
    after = one(fields["close"], high=fields["high"], low=fields["low"])
    assert after["adx"] == pytest.approx(before["adx"], rel=1e-9)
    assert after["trend"] == pytest.approx(fields["close"][-6] / np.nanmean(fields["close"][-200:]) - 1, rel=1e-12)
    for values in fields.values():
        values[-6] = np.nan
    gone = one(fields["close"], high=fields["high"], low=fields["low"])
    assert math.isnan(gone["trend"])
    assert math.isnan(gone["adx"])


def test_a_constant_price_has_no_shape() -> None:
    """A price that never moves: volatility, CVaR, drawdown and trend are 0, what describes its moves is NaN."""
    values = one(np.full(600, 7.0))
    assert [values[name] for name in ("volatility", "cvar", "drawdown", "trend", "momentum")] == [0.0] * 5
    assert all(math.isnan(values[name]) for name in ("skewness", "kurtosis", "entropy", "efficiency", "hurst"))


def test_constant_growth_is_constant_despite_rounding() -> None:
    """Returns that differ only by the rounding of prices have volatility 0 and no shape."""
    values = one(100.0 * 1.001 ** np.arange(600))
    assert values["volatility"] == 0.0
    assert all(math.isnan(values[name]) for name in ("skewness", "kurtosis", "entropy", "hurst"))


def test_a_hole_undoes_the_returns_beside_it() -> None:
    """A jump across a hole is no return: it does not enter volatility or CVaR."""
    rng = np.random.default_rng(1)
    close = 100 * np.cumprod(1 + rng.normal(0, 0.01, 300))
    close[150:] *= 3
    assert one(close)["volatility"] > 1
    close[150] = np.nan
    assert one(close)["volatility"] < 0.3


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, -math.inf])
def test_an_impossible_price_is_a_hole(bad: float) -> None:
    """A price that is not positive and finite has the effect of a missing bar."""
    fields = walk(symbols=1)
    holed = {name: values.copy() for name, values in fields.items()}
    fields["close"][0, 500], holed["close"][0, 500] = bad, math.nan
    left, right = (compute(f, FeatureWindows(), 252) for f in (fields, holed))
    assert all(left[name].tobytes() == right[name].tobytes() for name in FEATURES)


def test_liquidity_is_of_the_prices_that_were_traded() -> None:
    """Raw close times volume: a later split or dividend, which changes the close, does not change what was traded."""
    fields = walk()
    once = {**fields, "raw_close": fields["close"] * 20.0}
    later = {**once, **{name: fields[name] * 0.97 for name in ("close", "high", "low")}}
    before, after = (compute(each, FeatureWindows(), 252)["liquidity"] for each in (once, later))
    np.testing.assert_array_equal(before, after)
    traded = (once["raw_close"] * fields["volume"])[:, -504:]
    np.testing.assert_array_equal(before, np.nanmedian(traded, axis=1))
    bare = compute(fields, FeatureWindows(), 252)["liquidity"]
    once["raw_close"][0] = np.nan
    assert compute(once, FeatureWindows(), 252)["liquidity"][0] == bare[0], "where there is none, the close is taken"


def test_fields_that_do_not_exist_make_nan_columns() -> None:
    """Without volume there is no liquidity, without highs and lows no ADX; the rest is untouched."""
    fields = walk()
    full, bare = compute(fields, FeatureWindows(), 252), compute({"close": fields["close"]}, FeatureWindows(), 252)
    for name in FEATURES:
        assert np.isnan(bare[name]).all() if name in OPTIONAL else (bare[name] == full[name]).all()


@pytest.mark.parametrize("sessions", range(4))
def test_too_short_a_history_is_undefined_not_an_error(sessions: int) -> None:
    """Below its minimum every feature is NaN; their observations are counted."""
    values = compute(walk(sessions=sessions), FeatureWindows(), 252)
    assert set(values.pop("observations")) == {max(sessions - 1, 0)}
    assert all(np.isnan(v).all() for v in values.values())


def test_no_symbols_give_empty_arrays() -> None:
    """A panel without symbols has features without rows."""
    assert all(v.shape == (0,) for v in compute(walk(symbols=0), FeatureWindows(), 252).values())


def test_minimum_of_returns_is_twenty() -> None:
    """Twenty returns define the moments, nineteen do not; the Hurst exponent needs 128, the entropy 124."""
    close = walk(symbols=1)["close"][0]
    for name, least in (("volatility", 20), ("skewness", 20), ("cvar", 20), ("efficiency", 20), ("drawdown", 20)):
        assert math.isnan(one(close[-least:])[name])
        assert not math.isnan(one(close[-least - 1 :])[name])
    for name, least in (("hurst", 128), ("entropy", 124)):
        assert math.isnan(one(close[-least:])[name])
        assert not math.isnan(one(close[-least - 1 :])[name])


def test_threads_do_not_change_a_bit() -> None:
    """One, two and seven threads over several chunks give the same bytes."""
    fields = walk(symbols=600)
    fields["close"][::7, 300:330] = np.nan
    alone = compute(fields, FeatureWindows(), 252, threads=1)
    for threads in (2, 7, None):
        spread = compute(fields, FeatureWindows(), 252, threads=threads)
        assert all(alone[name].tobytes() == spread[name].tobytes() for name in FEATURES)


def test_inputs_may_be_read_only_and_strided_and_stay_as_they_are() -> None:
    """Views, read-only arrays and other float types give the same values, compile nothing more, and are not written."""
    fields = walk()
    expected = compute(fields, FeatureWindows(), 252)
    compiled = len(kernels.fill_rows.signatures)  # type: ignore[attr-defined]
    views = {name: np.asfortranarray(values) for name, values in fields.items()}
    for values in views.values():
        values.flags.writeable = False
    values = compute(views, FeatureWindows(), 252)
    assert all(expected[name].tobytes() == values[name].tobytes() for name in FEATURES)
    assert len(kernels.fill_rows.signatures) == compiled  # type: ignore[attr-defined]


def test_works_where_nothing_can_be_written(tmp_path: Path) -> None:
    """With no folder for a code cache the kernels still import, and a small one runs."""
    source = tmp_path / "kernels.py"
    source.write_bytes(Path(kernels.__file__).read_bytes())
    (tmp_path / "__pycache__").write_bytes(b"a file where the cache folder would be")
    code = "import kernels, numpy; print(kernels._bar_at(numpy.array([1.0, 2.0]), 1))"
    nowhere = str(tmp_path / "__pycache__" / "home")
    env = {**os.environ, "HOME": nowhere, "XDG_CACHE_HOME": nowhere, "PYTHONPATH": str(tmp_path)}
    env.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2.0", done.stderr


@pytest.mark.parametrize("given", ["", "a file"])
def test_machine_code_is_never_kept_beside_the_source(given: str, tmp_path: Path) -> None:
    """It is in the user's cache folder; not even where ``NUMBA_CACHE_DIR`` cannot be written is it in the package."""
    source = tmp_path / "kernels.py"
    source.write_bytes(Path(kernels.__file__).read_bytes())
    (tmp_path / "a file").write_bytes(b"")
    code = "import kernels, numpy; print(kernels._bar_at(numpy.array([1.0, 2.0]), 1))"
    numba = {"NUMBA_CACHE_DIR": str(tmp_path / given) if given else ""}
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path), **numba}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2.0", done.stderr
    kept = list(tmp_path.rglob("*.nb?"))
    assert bool(kept) is not bool(given)
    assert all(tmp_path / "cache" / "quantflow" / "kernels" in path.parents for path in kept)
