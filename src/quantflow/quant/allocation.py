"""How capital is divided: skfolio's estimators under limits, an ordered chain of methods, and clean weights."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from quantflow.config.extensions import ALLOCATIONS, loaded, registered
from quantflow.config.methods import METHODS as TABLE
from quantflow.errors import InfeasibleError, unknown_name
from quantflow.quant.hierarchical import inverse_volatility, risk_parity_of_halves
from quantflow.quant.limits import Limits, binding, check_feasible, project
from quantflow.quant.moments.estimators import DEFAULT, Estimators, covariance, means, prior
from quantflow.quant.optimum import exact

FloatArray = npt.NDArray[np.float64]
PluginRule = Callable[[FloatArray, Limits], FloatArray]
"""A package's allocation method: given returns, shape (T, N), finite, oldest first, and limits with a budget of 1, it
returns weights that are not negative, shape (N,). They are scaled and moved to keep the limits afterwards. An error of
``ValueError`` or ``ArithmeticError`` says that there are none: the next method is tried."""
Rule = Callable[[FloatArray, Limits, Estimators], FloatArray]
"""A built-in method, which is also given how covariance and mean are estimated."""

MIN_SESSIONS = 60
"""Sessions with a return of every name that a method which estimates risk needs."""

DUST = 1e-6
"""Weights below this fraction of the budget are solver noise, and become zero where the limits allow it."""

SOLVER = {
    "tol_gap_abs": 1e-9,
    "tol_gap_rel": 1e-9,
    "tol_feas": 1e-9,
    "max_threads": 1,
    "direct_solve_method": "qdldl",
}
"""Clarabel's settings, fixed so that the same inputs give the same bytes."""


@dataclass(frozen=True)
class Attempt:
    """One method of the chain: ``outcome`` is ``"used"`` or ``"failed"``, and then ``reason`` says why."""

    method: str
    outcome: str
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class Allocation:
    """Weights and how they came about.

    Attributes:
        weights: Non-negative weights, shape (N,), summing to the budget within 1e-12.
        attempts: The methods that were tried, in order; the last one was used.
        binding: Names of the limits that the weights touch.
    """

    weights: FloatArray
    attempts: tuple[Attempt, ...]
    binding: tuple[str, ...]

    @property
    def record(self) -> dict[str, Any]:
        """What was asked for, what was used, every attempt, the limits that bind, and why the first one failed."""
        return {
            "method": self.attempts[0].method,
            "used": self.attempts[-1].method,
            "chain": [asdict(attempt) for attempt in self.attempts],
            "binding": list(self.binding),
            "infeasible_because": self.attempts[0].reason,
        }


@dataclass(frozen=True, eq=False)
class Held:
    """What is held when capital is divided, and what it costs to leave it.

    Attributes:
        weights: Fractions of the budget, negative where a name is held the other way round, shape (N,).
        cost: Of a change of weight, as a fraction of what is changed, in each session until the next decision.
    """

    weights: FloatArray
    cost: float


def synthetic_longs(returns: FloatArray, signs: FloatArray) -> FloatArray:
    """Return each name's returns as its holder earns them: r for a long, -r for a short.

    A short becomes a long of a synthetic asset that earns -r every session, that is, a short position that is reset
    to its weight at every close. Over many sessions this differs from a short that is left alone; it is what a
    covariance and a mean are estimated on, and no more: the backtest holds shorts that drift.

    Args:
        returns: Simple returns, shape (N, T); NaN stays NaN.
        signs: +1 (long) or -1 (short), shape (N,).
    """
    return np.asarray(returns * signs[:, None])


def allocate(
    returns: FloatArray,
    limits: Limits,
    methods: Sequence[str],
    estimators: Estimators = DEFAULT,
    held: Held | None = None,
) -> Allocation:
    """Return the weights of the first method that gives some.

    Args:
        returns: Simple returns of N names, shape (N, T), oldest first, shorts already as synthetic longs. Only
            sessions on which all names have a return are used.
        limits: What the weights must keep.
        methods: Method names in the order in which they are tried.
        estimators: How covariance and mean are estimated.
        held: What is held; a method whose objective cannot weigh that does not look at it.

    Raises:
        InfeasibleError: If no weights keep the limits (naming the limit and the smallest change that fixes it), or
            if every method fails.
    """
    check_feasible(limits)
    complete = np.ascontiguousarray(returns[:, np.isfinite(returns).all(axis=0)].T)
    attempts: list[Attempt] = []
    for method in methods:
        weights = _attempt(partial(optimise, method, complete, limits, estimators, held), method, attempts)
        if weights is not None:
            return Allocation(weights, tuple(attempts), binding(weights, limits))
    raise InfeasibleError(
        f"Every allocation method failed: {'; '.join(f'{a.method}: {a.reason}' for a in attempts)}.",
        hint="Add 'equal_weight' to allocation.fallbacks: it needs no estimate.",
    )


def _attempt(found: Callable[[], FloatArray], method: str, attempts: list[Attempt]) -> FloatArray | None:
    try:
        weights = found()
    except Exception as error:  # of a library that is only imported where a method needs it
        if not isinstance(error, _refusals()):
            raise
        reason = error.message if isinstance(error, InfeasibleError) else str(error).split("\n")[0]
        attempts.append(Attempt(method, "failed", reason[:200].rstrip(".")))
        return None
    attempts.append(Attempt(method, "used"))
    return weights


def _refusals() -> tuple[type[BaseException], ...]:
    """Return the errors by which a method says that it finds no weights: skfolio's too, where a method imported it."""
    ours = (UserWarning, InfeasibleError, ValueError, ArithmeticError, np.linalg.LinAlgError)
    library = sys.modules.get("skfolio.exceptions")
    return ours if library is None else (*ours, library.SkfolioError)


def optimise(
    method: str, returns: FloatArray, limits: Limits, estimators: Estimators = DEFAULT, held: Held | None = None
) -> FloatArray:
    """Return the clean weights of one method.

    The convex methods take the limits as constraints of their own problem. Equal weight, inverse volatility and
    HRP have no notion of all of them: their weights are moved to the nearest point that keeps them (``project``).

    Args:
        method: A name of ``quantflow.config.methods``, or one that a package registers.
        returns: Simple returns, shape (T, N), finite.
        limits: Feasible limits.
        estimators: How covariance and mean are estimated.
        held: What is held, for a method whose objective can weigh what it costs to leave that.

    Raises:
        InfeasibleError: If there are fewer than 60 sessions, or a name without risk, for a method that estimates it.
        SkfolioError: If the estimator finds no weights.
        ValueError: If its weights are not finite.
    """
    if limits.names == 1:
        return np.array([limits.budget])
    known, unit = TABLE.get(method), limits.unit()
    weighs = held is not None and known is not None and known.costs and bool(held.weights.any())
    rule = _weighing(method, held) if held is not None and weighs else find_rule(method)
    if known is None or known.estimates:
        _check_history(returns)
    if known is not None and known.estimates:
        _check_risk(returns)
    found = np.maximum(np.asarray(rule(returns, unit, estimators), dtype=np.float64), 0.0)
    if not np.isfinite(found).all() or found.sum() <= 0:
        raise ValueError("the weights are not finite")
    return clean(project(np.where(found < DUST, 0.0, found), unit), unit) * limits.budget


def _check_history(returns: FloatArray) -> None:
    if len(returns) < MIN_SESSIONS:
        raise InfeasibleError(f"{len(returns)} sessions have a return of every name, {MIN_SESSIONS} are needed")


def _check_risk(returns: FloatArray) -> None:
    # A shrunk covariance lends a constant name some variance, and so the largest weight.
    if still := int((np.ptp(returns, axis=0) == 0.0).sum()):
        raise InfeasibleError(f"the returns of {still} name{'' if still == 1 else 's'} are constant, without any risk")


def _by_skfolio(estimator: Callable[..., Any]) -> Rule:
    """Return the rule that fits an estimator, given skfolio's module of them, the limits, and what is estimated.

    Args:
        estimator: ``estimator(module, limits, prior_estimator=...)``.
    """

    def weights(returns: FloatArray, limits: Limits, estimators: Estimators) -> FloatArray:
        from skfolio import optimization  # a second to import
        from sklearn import config_context

        with config_context(assume_finite=True, skip_parameter_validation=True), warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*inaccurate.*", category=UserWarning)
            fitted = estimator(optimization, limits, prior_estimator=prior(estimators)).fit(returns)
        return np.asarray(fitted.weights_)

    return weights


def _exactly(solver: Rule, *, mean: bool = False) -> Rule:
    """Return the rule that computes the exact optimum, and leaves to a solver what has none within rounding.

    Args:
        solver: Solves the same problem, or says why it has no solution.
        mean: Whether the objective is the ratio of mean to deviation, instead of variance.
    """

    def weights(returns: FloatArray, limits: Limits, estimators: Estimators) -> FloatArray:
        found = exact(covariance(returns, estimators), means(returns, estimators) if mean else None, limits)
        return solver(returns, limits, estimators) if found is None else found

    return weights


def _convex(limits: Limits) -> dict[str, Any]:
    """Return the limits as constraints of a convex problem."""
    bounds: dict[str, Any] = {"min_weights": limits.low, "max_weights": limits.high, "solver_params": SOLVER}
    return bounds | ({"left_inequality": limits.matrix, "right_inequality": limits.caps} if limits.groups else {})


def _mean_risk(objective: str, **terms: Any) -> Callable[..., Any]:
    return lambda lib, limits, **known: lib.MeanRisk(
        objective_function=getattr(lib.ObjectiveFunction, objective), **_convex(limits), **terms, **known
    )


def _weighing(method: str, held: Held) -> Rule:
    """Return the rule of a method whose objective is reduced by what it costs to leave what is held.

    Mean return is reduced by the cost per session. Variance is weighed as what it takes from growth, half of itself
    (the log-optimal investor's aversion, Kelly 1956), so that twice the cost is added to it. What is held of names that
    no longer take part is sold in any case, and not weighed.
    """
    if method == "max_sharpe":
        return _by_skfolio(_mean_risk("MAXIMIZE_RATIO", transaction_costs=held.cost, previous_weights=held.weights))

    def growth_lost(weights: Any) -> Any:
        from cvxpy.atoms.norm1 import norm1

        return 2.0 * held.cost * norm1(weights - held.weights)

    return _by_skfolio(_mean_risk("MINIMIZE_RISK", add_objective=growth_lost))


RULES: Mapping[str, Rule] = {
    "equal_weight": lambda returns, limits, estimators: np.full(limits.names, 1.0 / limits.names),
    "inverse_volatility": lambda returns, limits, estimators: inverse_volatility(covariance(returns, estimators)),
    "min_variance": _exactly(_by_skfolio(_mean_risk("MINIMIZE_RISK"))),
    "max_sharpe": _exactly(_by_skfolio(_mean_risk("MAXIMIZE_RATIO")), mean=True),
    "risk_parity": _by_skfolio(lambda lib, limits, **known: lib.RiskBudgeting(**_convex(limits), **known)),
    "hrp": lambda returns, limits, estimators: risk_parity_of_halves(returns, covariance(returns, estimators)),
}
"""The built-in methods by name; ``quantflow.config.methods`` defines each."""


def find_rule(method: str) -> Rule:
    """Return the rule of a method: a built-in one, or what a package registers under that name, which estimates itself.

    Raises:
        ConfigError: If there is none, naming the nearest, or it cannot be imported.
    """
    if method in RULES:
        return RULES[method]
    points = registered(ALLOCATIONS)
    if method not in points:
        raise unknown_name("allocation method", method, [*RULES, *points])
    rule: PluginRule = loaded(points[method], "Allocation method")
    return lambda returns, limits, estimators: rule(returns, limits)


def clean(weights: FloatArray, limits: Limits) -> FloatArray:
    """Return *weights* without dust, rounded to 1e-10, summing to the budget within 1e-12.

    What rounding takes or leaves is spread in proportion over the names that no bound holds (all, if all are held).
    Limits are kept within 1e-9 of the budget.
    """
    rounded = np.round(weights, 10)
    rounded[(rounded < DUST * limits.budget) & (limits.lows == 0.0)] = 0.0
    free = np.where((rounded > limits.low + 1e-9) & (rounded < limits.high - 1e-9), rounded, 0.0)
    share = free if free.sum() > 0 else rounded
    return np.asarray(rounded + share * ((limits.budget - rounded.sum()) / share.sum()))
