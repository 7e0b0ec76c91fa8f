from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from quantflow.quant.sleeves import join_streams, net_positions, risk_shares


def days(*numbers: int) -> np.ndarray:
    """Days of January 2020."""
    return np.datetime64("2020-01-01", "D") + np.array(numbers) - 1


def test_streams_of_the_same_sessions_are_put_side_by_side() -> None:
    """Where all sessions are common, every return keeps its bits."""
    a, b = np.random.default_rng(0).normal(0, 0.01, (2, 5))
    joined, returns = join_streams([days(1, 2, 3, 6, 7)] * 2, [a, b])
    assert joined.tolist() == days(1, 2, 3, 6, 7).tolist()
    assert returns.tobytes() == np.column_stack([a, b]).tobytes()


def test_only_common_sessions_stay() -> None:
    """Sessions before the first and after the last common one leave no trace."""
    joined, returns = join_streams([days(1, 2, 3), days(2, 3, 4)], [np.array([0.9, 0.1, 0.2]), np.array([0.3, 0.4, 9])])
    assert joined.tolist() == days(2, 3).tolist()
    np.testing.assert_array_equal(returns, [[0.1, 0.3], [0.2, 0.4]])


def test_what_was_earned_in_between_is_compounded() -> None:
    """A weekend that one stream has and the other has not counts on the next common session."""
    weekdays, always = days(3, 6), days(3, 4, 5, 6)
    joined, returns = join_streams([weekdays, always], [np.array([0.01, 0.02]), np.array([0.5, 0.1, -0.2, 0.3])])
    assert joined.tolist() == weekdays.tolist()
    np.testing.assert_allclose(returns[:, 1], [0.5, 1.1 * 0.8 * 1.3 - 1], rtol=1e-15)


def test_nothing_in_common() -> None:
    """Streams without a common session join to none."""
    joined, returns = join_streams([days(1, 2), days(3)], [np.zeros(2), np.zeros(1)])
    assert len(joined) == 0
    assert returns.shape == (0, 2)


def test_longs_and_shorts_of_one_asset_are_netted() -> None:
    """Net is long less short, asset by asset."""
    net, long, short = net_positions(np.array([0.3, -0.1, 0.2, -0.4]), np.array([0, 0, 1, 2]), 3)
    np.testing.assert_allclose(net, [0.2, 0.2, -0.4], atol=1e-16)
    np.testing.assert_allclose(long, [0.3, 0.2, 0.0], atol=0)
    np.testing.assert_allclose(short, [0.1, 0.0, 0.4], atol=0)


def test_what_cancels_but_for_rounding_is_zero() -> None:
    """0.1 + 0.2 - 0.3 is no position of 5.6e-17."""
    assert net_positions(np.array([0.1, 0.2, -0.3]), np.zeros(3, dtype=int), 1)[0].tolist() == [0.0]


def test_sums_are_exact_in_any_order() -> None:
    """Sums equal exact rational arithmetic rounded once, however the contributions come."""
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, 400) * 10.0 ** rng.integers(-12, 3, 400)
    exact = float(sum(Fraction(v) for v in values.tolist() if v > 0))
    for _ in range(3):
        shuffled = rng.permutation(values)
        assert net_positions(shuffled, np.zeros(400, dtype=int), 1)[1][0] == exact


def test_shares_of_risk_are_those_of_the_covariance() -> None:
    """Shares are w (C w) / (w C w) with the sample covariance, and sum to 1."""
    rng = np.random.default_rng(2)
    returns = rng.normal(0, [0.01, 0.02, 0.03], (300, 3)) + rng.normal(0, 0.01, (300, 1))
    weights = np.array([0.5, 0.3, 0.2])
    covariance = np.cov(returns.T)
    expected = weights * (covariance @ weights) / (weights @ covariance @ weights)
    np.testing.assert_allclose(risk_shares(returns, weights), expected, rtol=1e-12)
    assert risk_shares(returns, weights).sum() == pytest.approx(1.0, abs=1e-14)


def test_a_hedge_has_a_negative_share() -> None:
    """A sleeve that moves against the rest lowers risk, and its share says so."""
    base = np.random.default_rng(3).normal(0, 0.01, 200)
    shares = risk_shares(np.column_stack([base, -0.5 * base]), np.array([0.8, 0.2]))
    assert shares[1] < 0 < 1 < shares[0]


def test_no_risk_has_no_shares() -> None:
    """Where nothing moves, shares are undefined."""
    assert np.isnan(risk_shares(np.full((10, 2), 0.001), np.array([0.5, 0.5]))).all()
