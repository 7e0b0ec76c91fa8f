"""Rolling figures, against pandas and the figures of a whole stream."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quantflow.quant.metrics import sharpe, volatility
from quantflow.quant.returns.rolling import rolling_sharpe, rolling_volatility

RETURNS = np.random.default_rng(8).normal(0.0004, 0.012, 700)


def test_rolling_figures_are_those_of_each_window() -> None:
    """Each value is the figure of the sessions up to it, NaN before there are enough; pandas agrees."""
    rolled = pd.Series(RETURNS).rolling(252)
    ratios, spreads = rolling_sharpe(RETURNS, 252, 260), rolling_volatility(RETURNS, 252, 260)
    assert spreads == pytest.approx((rolled.std() * 260**0.5).to_numpy(), abs=1e-10, nan_ok=True)
    assert ratios == pytest.approx((rolled.mean() / rolled.std() * 260**0.5).to_numpy(), abs=1e-10, nan_ok=True)
    assert np.isnan(ratios[:251]).all()
    assert ratios[251] == pytest.approx(sharpe(RETURNS[:252], 260), abs=1e-12)
    assert spreads[-1] == pytest.approx(volatility(RETURNS[-252:], 260), abs=1e-12)


def test_a_short_or_still_stream_has_no_ratio() -> None:
    """With fewer sessions than the window, or without any move, every ratio is NaN."""
    assert np.isnan(rolling_sharpe(RETURNS[:20], 30, 252)).all()
    assert len(rolling_sharpe(RETURNS[:20], 30, 252)) == 20
    assert np.isnan(rolling_sharpe(np.zeros(40), 30, 252)).all()
    assert rolling_volatility(np.zeros(40), 30, 252)[29:].tolist() == [0.0] * 11
