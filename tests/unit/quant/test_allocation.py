from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from pytest_mock import MockerFixture
from scipy.optimize import minimize, nnls
from skfolio.datasets import load_sp500_dataset
from skfolio.optimization import MeanRisk
from sklearn.covariance import ledoit_wolf, oas

from quantflow.config.methods import Covariance, Mean
from quantflow.errors import ConfigError, InfeasibleError
from quantflow.quant import allocation as module
from quantflow.quant.allocation import Held, allocate, clean, optimise, synthetic_longs
from quantflow.quant.limits import GroupCap, Limits
from quantflow.quant.moments.estimators import COVARIANCES, MEANS, Estimators, prior
from quantflow.quant.moments.factors import FactorCovariance

METHODS = ("equal_weight", "inverse_volatility", "min_variance", "max_sharpe", "risk_parity", "hrp")


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    """The last 504 returns of eight stocks, shape (504, 8)."""
    prices = load_sp500_dataset().iloc[-505:, [0, 2, 4, 6, 8, 10, 12, 14]].to_numpy()
    return prices[1:] / prices[:-1] - 1


def caps(n: int = 8) -> tuple[GroupCap, ...]:
    """Caps on four pairs and on three thirds of the names."""
    pairs, thirds = np.arange(n) // 2, np.arange(n) % 3
    return GroupCap("max_cluster_weight", "clusters", pairs, 0.3), GroupCap("max_sector_weight", "sectors", thirds, 0.4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_every_limit(method: str, returns: np.ndarray) -> None:
    """Weights of each method keep name, cluster and sector limits, and sum to the budget within 1e-12."""
    limits = Limits(8, 1.5, 0.03, 0.3, tuple(GroupCap(g.name, g.noun, g.labels, g.cap * 1.5) for g in caps()))
    weights = optimise(method, returns, limits)
    assert abs(weights.sum() - 1.5) < 1e-12
    assert weights.min() >= 0.03 - 1e-9
    assert weights.max() <= 0.3 + 1e-9
    assert (limits.matrix @ weights <= limits.caps + 2e-9).all()


@pytest.mark.parametrize("method", METHODS)
def test_same_inputs_same_bytes(method: str, returns: np.ndarray) -> None:
    """Each method gives the same bits twice, and leaves its input alone."""
    before = returns.copy()
    first, second = (optimise(method, returns, Limits(8, high=0.3, groups=caps())) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert returns.tobytes() == before.tobytes()


SAMPLE = Estimators("empirical", "empirical")
LIMITED = (Limits(8), Limits(8, high=0.3), Limits(8, low=0.03, high=0.3, groups=caps()))


def independent(objective: Callable[[np.ndarray], float], limits: Limits) -> np.ndarray:
    """Return the best weights that another solver finds from several starts."""
    within = [{"type": "eq", "fun": lambda w: w.sum() - 1.0}]
    if limits.groups:
        within.append({"type": "ineq", "fun": lambda w: limits.caps - limits.matrix @ w})
    bounds = list(zip(limits.lows, limits.highs, strict=True))
    starts = np.random.default_rng(0).dirichlet(np.ones(8), 6)
    options = {"ftol": 1e-18, "maxiter": 1000}
    found = [minimize(objective, w, bounds=bounds, constraints=within, method="SLSQP", options=options) for w in starts]
    best: np.ndarray = min(found, key=lambda each: float(each.fun)).x
    return best


@pytest.mark.parametrize("limits", LIMITED)
def test_minimum_variance_is_the_minimum(returns: np.ndarray, limits: Limits) -> None:
    """Minimum variance has the weights of an independent solver to 1e-6, whatever limits bind."""
    covariance = np.cov(returns.T) * 1e4
    expected = independent(lambda w: float(w @ covariance @ w), limits)
    np.testing.assert_allclose(optimise("min_variance", returns, limits, SAMPLE), expected, atol=1e-6)


@pytest.mark.parametrize("limits", LIMITED)
def test_maximum_sharpe_is_the_maximum(returns: np.ndarray, limits: Limits) -> None:
    """Maximum Sharpe has the weights of an independent solver to 1e-6, whatever limits bind."""
    covariance, mean = np.cov(returns.T) * 1e4, returns.mean(axis=0) * 1e2
    expected = independent(lambda w: float(-(mean @ w) / np.sqrt(w @ covariance @ w)), limits)
    np.testing.assert_allclose(optimise("max_sharpe", returns, limits, SAMPLE), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_maximum_sharpe_of_many_names_is_exact(seed: int) -> None:
    """Of 25 names, most of them at zero, the weights are those of non-negative least squares to 1e-6."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0004, 0.01, (504, 25)) @ (np.eye(25) + 0.2) + rng.normal(0.0, 0.02, (504, 25))
    root = np.linalg.cholesky(np.cov(returns.T))
    direct, _ = nnls(root.T, np.linalg.solve(root, returns.mean(axis=0)))
    found = optimise("max_sharpe", returns, Limits(25), SAMPLE)
    np.testing.assert_allclose(found, direct / direct.sum(), atol=1e-6)


@pytest.mark.parametrize("method", ["min_variance", "max_sharpe"])
def test_a_solver_is_asked_where_rounding_leaves_no_optimum(
    returns: np.ndarray, method: str, mocker: MockerFixture
) -> None:
    """Its weights are near the exact ones; as a rule it is not asked."""
    solver = mocker.patch("skfolio.optimization.MeanRisk", wraps=MeanRisk)
    expected = optimise(method, returns, Limits(8), SAMPLE)
    solver.assert_not_called()
    mocker.patch("quantflow.quant.allocation.exact", return_value=None)
    np.testing.assert_allclose(optimise(method, returns, Limits(8), SAMPLE), expected, atol=2e-3)
    solver.assert_called_once()


def test_maximum_sharpe_is_the_tangency_portfolio() -> None:
    """Unconstrained maximum Sharpe is proportional to inverse covariance times mean."""
    rng = np.random.default_rng(3)
    returns = rng.normal([0.01, 0.012, 0.009], [0.01, 0.02, 0.015], (400, 3))
    direct = np.linalg.solve(np.cov(returns.T), returns.mean(axis=0))
    np.testing.assert_allclose(optimise("max_sharpe", returns, Limits(3), SAMPLE), direct / direct.sum(), atol=1e-9)


def test_risk_parity_equalises_contributions(returns: np.ndarray) -> None:
    """Without limits each name contributes the same variance."""
    weights = optimise("risk_parity", returns, Limits(8), SAMPLE)
    shares = weights * (np.cov(returns.T) @ weights)
    np.testing.assert_allclose(shares / shares.sum(), 1 / 8, atol=1e-4)


def test_shrinking_takes_no_volatility_for_noise() -> None:
    """Independent names with volatilities of 1 to 8 keep them: inverse variance is what minimum variance comes to."""
    spread = np.array([0.005, 0.01, 0.02, 0.04])
    returns = np.random.default_rng(2).normal(0.0, spread, (504, 4))
    inverse = 1 / returns.var(axis=0)
    found = optimise("min_variance", returns, Limits(4), Estimators("shrunk"))
    np.testing.assert_allclose(found, inverse / inverse.sum(), atol=0.02)


def by_hand(name: str, returns: np.ndarray) -> np.ndarray:
    """Return a covariance by its definition."""
    if name != "exponential":
        spread = returns.std(axis=0, ddof=1)
        found = {"shrunk": ledoit_wolf, "oas": oas}[name](returns / spread)[0]
        np.fill_diagonal(found, found.diagonal().mean())  # all are equal up to rounding
        return np.asarray(found / found[0, 0] * np.outer(spread, spread))
    decay = 0.5 ** (np.arange(len(returns))[::-1] / 63)
    return np.asarray((returns * decay[:, None]).T @ returns / decay.sum())


@pytest.mark.parametrize("name", ["shrunk", "oas", "exponential"])
def test_covariances_are_what_they_are_called(name: str, returns: np.ndarray) -> None:
    """Minimum variance on each estimate is that on the estimate by its definition."""
    covariance = by_hand(name, returns)
    expected = independent(lambda w: float(w @ covariance @ w * 1e4), Limits(8))
    found = optimise("min_variance", returns, Limits(8), Estimators(name, "empirical"))
    np.testing.assert_allclose(found, expected, atol=2e-5 if name == "exponential" else 1e-6)


@pytest.mark.parametrize("method", ["inverse_volatility", "min_variance", "max_sharpe", "risk_parity", "hrp"])
def test_every_covariance_counts_in_every_method_of_risk(method: str, returns: np.ndarray) -> None:
    """Each estimator gives each method that estimates risk other weights; only one changes volatilities."""
    names = COVARIANCES if method != "inverse_volatility" else ("empirical", "exponential")
    found = {n: optimise(method, returns, Limits(8), Estimators(n, "empirical")).round(7).tobytes() for n in names}
    assert len(set(found.values())) == len(names)


@pytest.mark.parametrize("method", METHODS)
def test_means_count_for_maximum_sharpe_alone(method: str, returns: np.ndarray) -> None:
    """Each estimate of means gives maximum Sharpe other weights, and no other method."""
    found = {name: optimise(method, returns, Limits(8), Estimators("shrunk", name)).tobytes() for name in MEANS}
    assert len(set(found.values())) == (len(MEANS) if method == "max_sharpe" else 1)


def test_the_names_of_estimators_are_those_of_the_settings() -> None:
    """Settings offer what there is, and no more."""
    assert get_args(Covariance) == tuple(COVARIANCES)
    assert get_args(Mean) == tuple(MEANS)


def test_inverse_volatility_and_equal_weight(returns: np.ndarray) -> None:
    """Both simple methods give what their names say."""
    inverse = 1 / returns.std(axis=0, ddof=1)
    np.testing.assert_allclose(
        optimise("inverse_volatility", returns, Limits(8), SAMPLE), inverse / inverse.sum(), atol=1e-10
    )
    np.testing.assert_allclose(optimise("equal_weight", returns, Limits(8)), 0.125, atol=1e-15)


def test_hrp_is_skfolios(returns: np.ndarray) -> None:
    """HRP without limits is skfolio's HRP to the rounding of 1e-10."""
    from skfolio.optimization import HierarchicalRiskParity

    expected = HierarchicalRiskParity(prior_estimator=prior(Estimators())).fit(returns).weights_
    np.testing.assert_allclose(optimise("hrp", returns, Limits(8)), expected, atol=2e-10)


def test_the_chain_is_tried_in_order_and_recorded() -> None:
    """A method that fails is recorded with its reason, and the next one is tried."""
    falling = np.random.default_rng(1).normal(-0.01, 0.001, (3, 200))
    found = allocate(falling, Limits(3), ("max_sharpe", "hrp", "equal_weight"))
    assert [(a.method, a.outcome) for a in found.attempts] == [("max_sharpe", "failed"), ("hrp", "used")]
    assert found.attempts[0].reason


def test_too_few_common_sessions_fall_to_equal_weight() -> None:
    """With fewer than 60 sessions on which all names have a return, only equal weight is left."""
    returns = np.random.default_rng(1).normal(0, 0.01, (2, 100))
    returns[0, ::2] = np.nan
    found = allocate(returns, Limits(2), ("hrp", "inverse_volatility", "equal_weight"))
    assert [a.outcome for a in found.attempts] == ["failed", "failed", "used"]
    assert found.attempts[0].reason == "50 sessions have a return of every name, 60 are needed"
    assert found.weights.tolist() == [0.5, 0.5]


def test_holes_leave_their_session_out() -> None:
    """A NaN return removes that session for all names and changes nothing else."""
    returns = np.random.default_rng(1).normal(0, [[0.01], [0.02]], (2, 200))
    holed = np.insert(returns, 50, [np.nan, 0.5], axis=1)
    plain, with_hole = (allocate(r, Limits(2), ("hrp",)).weights for r in (returns, holed))
    assert plain.tobytes() == with_hole.tobytes()


def test_an_exhausted_chain_is_infeasible_and_says_why() -> None:
    """When every method fails, the error lists each method's reason and names the one that cannot fail."""
    with pytest.raises(InfeasibleError, match="hrp: 5 sessions") as caught:
        allocate(np.zeros((2, 5)), Limits(2), ("hrp",))
    assert "equal_weight" in str(caught.value.hint)


def test_a_constant_price_does_not_crash() -> None:
    """A name without risk makes risk-based methods fail over, not divide by zero, nor hold it all."""
    returns = np.random.default_rng(1).normal(0, 0.01, (3, 100))
    returns[1] = 0.0
    found = allocate(returns, Limits(3), ("inverse_volatility", "hrp", "equal_weight"))
    assert found.attempts[-1].method == "equal_weight"
    np.testing.assert_allclose(found.weights, 1 / 3, atol=1e-12)


def test_a_single_atom_takes_the_budget() -> None:
    """One name holds the whole budget, or is infeasible under a smaller cap."""
    assert allocate(np.zeros((1, 3)), Limits(1, 0.8, high=0.8), ("hrp",)).weights.tolist() == [0.8]
    with pytest.raises(InfeasibleError, match=r"max_weight 0\.5 x 1 names"):
        allocate(np.zeros((1, 3)), Limits(1, high=0.5), ("hrp",))


def test_dust_is_removed() -> None:
    """Weights below 1e-6 become zero and the rest still sums to the budget, unless a minimum weight holds them."""
    weights = np.array([0.6, 0.4 - 3e-7, 3e-7])
    assert clean(weights, Limits(3))[2] == 0.0
    assert abs(clean(weights, Limits(3)).sum() - 1) < 1e-12
    assert clean(np.array([0.7, 0.3 - 5e-8, 5e-8]), Limits(3, low=5e-8))[2] > 0


def test_capped_names_stay_on_their_cap() -> None:
    """The remainder of rounding goes to names that no bound holds."""
    weights = np.array([0.4, 0.35 + 4e-11, 0.25 - 4e-11])
    cleaned = clean(weights, Limits(3, high=0.4))
    assert cleaned[0] == 0.4
    assert abs(cleaned.sum() - 1) < 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_limits_of_each_name(method: str, returns: np.ndarray) -> None:
    """Weights keep the limits that each name has of its own, and dust is removed only where it may be."""
    low, high = np.linspace(0.0, 0.14, 8), np.linspace(0.2, 0.9, 8)
    weights = optimise(method, returns, Limits(8, 1.5, low, high))
    assert abs(weights.sum() - 1.5) < 1e-12
    assert (weights >= low - 2e-9).all()
    assert (weights <= high + 2e-9).all()


def test_the_record_tells_what_was_tried() -> None:
    """An allocation's record names the method asked for, the one used, every attempt, and why the first failed."""
    found = allocate(np.zeros((2, 5)), Limits(2), ("hrp", "equal_weight")).record
    reason = "5 sessions have a return of every name, 60 are needed"
    assert found["chain"][0] == {"method": "hrp", "outcome": "failed", "reason": reason}
    assert (found["method"], found["used"], found["infeasible_because"]) == ("hrp", "equal_weight", reason)
    assert found["binding"] == []


def test_shorts_are_inverted() -> None:
    """A short's synthetic long earns -r in each session; holes stay holes."""
    returns = np.array([[0.1, np.nan], [0.1, -0.2]])
    np.testing.assert_array_equal(synthetic_longs(returns, np.array([1.0, -1.0])), [[0.1, np.nan], [-0.1, 0.2]])


def test_unknown_method() -> None:
    """A method that does not exist is refused by name."""
    with pytest.raises(ConfigError, match="'best'"):
        optimise("best", np.zeros((100, 2)), Limits(2))


def test_a_solution_that_may_be_inaccurate_is_a_failed_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver's own warning, which is an error here: the next method is used, and the attempt says why."""
    rule = module.find_rule

    def inaccurate(returns: np.ndarray, limits: Limits, estimators: Estimators) -> np.ndarray:
        raise UserWarning("Solution may be inaccurate. Try changing the solver params.")

    monkeypatch.setattr(module, "find_rule", lambda method: inaccurate if method == "risk_parity" else rule(method))
    found = allocate(np.random.default_rng(0).normal(0, 0.01, (2, 120)), Limits(2), ("risk_parity", "equal_weight"))
    assert [attempt.method for attempt in found.attempts] == ["risk_parity", "equal_weight"]
    assert "inaccurate" in found.attempts[0].reason
    np.testing.assert_allclose(found.weights, [0.5, 0.5])


HELD = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
COSTS = (0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 1e-2)


@pytest.mark.parametrize("method", ["min_variance", "max_sharpe"])
def test_the_dearer_it_is_to_trade_the_less_is_traded(method: str, returns: np.ndarray) -> None:
    """Turnover never rises with its cost, falls with it, and ends at what is held."""
    limits = Limits(8, high=0.3, groups=caps())
    start = optimise("equal_weight", returns, limits)
    found = [optimise(method, returns, limits, held=Held(start, cost)) for cost in COSTS]
    traded = [float(np.abs(weights - start).sum()) for weights in found]
    assert all(dear <= cheap + 1e-6 for cheap, dear in pairwise(traded))
    assert traded[2] < traded[0] - 0.01
    assert traded[-1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("method", ["min_variance", "max_sharpe"])
def test_no_other_weights_are_better_after_costs(method: str, returns: np.ndarray) -> None:
    """The objective, less what the change costs, is the best among many portfolios near and far."""
    limits, cost = Limits(8, high=0.35), 3e-5
    known = prior(Estimators()).fit(returns).return_distribution_

    def worth(weights: np.ndarray) -> float:
        variance, paid = weights @ known.covariance @ weights, cost * np.abs(weights - HELD).sum()
        return -variance / 2.0 - paid if method == "min_variance" else (weights @ known.mu - paid) / np.sqrt(variance)

    best = optimise(method, returns, limits, held=Held(HELD, cost))
    rng = np.random.default_rng(5)
    others = [*rng.dirichlet(np.ones(8), 200), HELD, optimise(method, returns, limits)]
    for share in (1e-3, 1e-2, 0.1, 1.0):
        for other in others:
            mixed = (1.0 - share) * best + share * np.minimum(other, 0.35)
            if abs(mixed.sum() - 1.0) < 1e-9:
                assert worth(best) >= worth(mixed) - 1e-9 * abs(worth(best))


@pytest.mark.parametrize("method", METHODS)
def test_without_a_cost_or_a_book_nothing_changes(method: str, returns: np.ndarray) -> None:
    """Where nothing is held, and for a method that cannot weigh it, the bytes are those of always."""
    limits = Limits(8, high=0.35)
    plain = optimise(method, returns, limits)
    assert optimise(method, returns, limits, held=Held(np.zeros(8), 1e-3)).tobytes() == plain.tobytes()
    if method not in ("min_variance", "max_sharpe"):
        assert optimise(method, returns, limits, held=Held(HELD, 1e-3)).tobytes() == plain.tobytes()


def test_a_factor_covariance_is_that_of_regressions_on_its_factors() -> None:
    """Loadings by least squares, the factors' covariance and residual variances give the same matrix."""
    rng = np.random.default_rng(2)
    common = rng.normal(0, 0.01, (600, 2))
    sample = common @ rng.normal(1, 0.6, (2, 12)) + rng.normal(0, 0.012, (600, 12))
    found = FactorCovariance().fit(sample)
    assert found.factors_ == 2
    scaled = (sample - sample.mean(axis=0)) / sample.std(axis=0, ddof=1)
    factors = scaled @ np.linalg.eigh(np.cov(scaled.T))[1][:, -2:]
    loadings = np.linalg.lstsq(factors, scaled, rcond=None)[0]
    own = (scaled - factors @ loadings).var(axis=0, ddof=1)
    expected = loadings.T @ np.cov(factors.T) @ loadings + np.diag(own)
    deviation = sample.std(axis=0, ddof=1)
    np.testing.assert_allclose(found.covariance_, expected * np.outer(deviation, deviation), rtol=1e-9, atol=1e-18)


def test_noise_alone_leaves_one_factor() -> None:
    """Independent names keep their variances, and hardly any covariance."""
    sample = np.random.default_rng(4).normal(0, 0.01, (1000, 10))
    found = FactorCovariance().fit(sample)
    assert found.factors_ == 1
    np.testing.assert_allclose(found.covariance_.diagonal(), sample.var(axis=0, ddof=1), rtol=1e-12)
    np.linalg.cholesky(found.covariance_)
