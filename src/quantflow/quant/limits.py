"""Limits on weights: whether a portfolio can keep them, which one stands in the way, and the nearest that does."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are used

from quantflow.errors import InfeasibleError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

TOLERANCE = 1e-9
"""By how much, as a fraction of the budget, a weight or a sum may miss a limit because of floating point."""


@dataclass(frozen=True, eq=False)
class GroupCap:
    """A cap on the summed weight of each group of names.

    Attributes:
        name: The limit's name, e.g. ``"max_cluster_weight"``.
        noun: What its groups are called in the plural, e.g. ``"clusters"``.
        labels: The group of each name, shape (N,), numbered from 0 without a hole.
        cap: Largest sum of weights in one group.
    """

    name: str
    noun: str
    labels: IntArray
    cap: float

    @property
    def members(self) -> FloatArray:
        """Membership as 0/1, shape (G, N)."""
        return np.asarray(self.labels == np.arange(self.labels.max() + 1)[:, None], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Limits:
    """What the N non-negative weights of a portfolio must satisfy.

    Attributes:
        names: N.
        budget: Sum of the weights.
        low: Smallest weight: one for all names, or one each, shape (N,).
        high: Largest weight (``budget`` when there is no cap): one for all names, or one each, shape (N,).
        groups: Caps on sums of weights.
    """

    names: int
    budget: float = 1.0
    low: float | FloatArray = 0.0
    high: float | FloatArray = 1.0
    groups: tuple[GroupCap, ...] = ()

    @property
    def lows(self) -> FloatArray:
        """Smallest weight of each name, shape (N,)."""
        return np.full(self.names, self.low, dtype=np.float64)

    @property
    def highs(self) -> FloatArray:
        """Largest weight of each name, shape (N,)."""
        return np.full(self.names, self.high, dtype=np.float64)

    @property
    def matrix(self) -> FloatArray:
        """The groups of all caps stacked, shape (sum of G, N)."""
        return np.vstack([np.empty((0, self.names)), *(group.members for group in self.groups)])

    @property
    def caps(self) -> FloatArray:
        """The caps of ``matrix``'s rows."""
        return np.concatenate([np.empty(0), *(np.full(len(g.members), g.cap) for g in self.groups)])

    def unit(self) -> Limits:
        """Return the same limits as fractions of the budget, to 14 digits.

        A budget and limits that are so many times as large are then the same problem, to the bit: a solver that is
        exact to 1e-5 only would turn the rounding of a division into other weights.
        """
        groups = tuple(GroupCap(g.name, g.noun, g.labels, self._share(g.cap)) for g in self.groups)
        return Limits(self.names, 1.0, self._share(self.low), self._share(self.high), groups)

    def _share(self, limit: float | FloatArray) -> Any:
        return np.round(limit / self.budget, 14)


def capacity(limits: Limits) -> float:
    """Return the largest sum of weights that the limits admit, each name at ``low`` or above.

    With several group caps this is a maximum flow, solved as a linear program. The groups' caps must admit ``low``
    for every name on their own.
    """
    sums = [float(limits.highs.sum())]
    for group in limits.groups:
        sums.append(float(np.minimum(group.members @ limits.highs, group.cap).sum()))
    if len(limits.groups) < 2 or min(sums) < limits.budget * (1 - TOLERANCE):
        return min(sums)
    bounds = np.column_stack([limits.lows, limits.highs])
    found = scipy.optimize.linprog(
        -np.ones(limits.names), A_ub=limits.matrix, b_ub=limits.caps, bounds=bounds, method="highs"
    )
    return float(-found.fun)


def check_feasible(limits: Limits) -> None:
    """Check that some weights keep all limits.

    The set of weights between ``low`` and the caps is convex and, once every group has room for its names' ``low``,
    holds the vector of all ``low``: its sums fill the interval from N x low to ``capacity``, so the check is exact.

    Raises:
        InfeasibleError: Naming the limit that stands in the way and the smallest change that fixes it.
    """
    if limits.names == 0:
        raise InfeasibleError("There is nothing to allocate: no atom was made.", hint="Relax the policy's limits.")
    if isinstance(limits.low, np.ndarray) or isinstance(limits.high, np.ndarray):
        _check_own_bounds(limits)
    else:
        _check_common_bounds(limits, limits.low)


def _check_common_bounds(limits: Limits, low: float) -> None:
    slack = TOLERANCE * limits.budget
    least = limits.names * low
    if least > limits.budget + slack:
        raise _infeasible(
            f"min_weight {low:.4g} x {limits.names} names = {least:.4g} > budget {limits.budget:.4g}",
            f"min_weight <= {_down(limits.budget / limits.names):g}",
        )
    for group in limits.groups:
        size = int(np.bincount(group.labels).max())
        if size * low > group.cap + slack:
            raise _infeasible(
                f"min_weight {low:.4g} x {size} names of one group = {size * low:.4g} > {group.name} {group.cap:.4g}",
                f"{group.name} >= {_up(size * low):g}",
            )
    admitted = capacity(limits)
    if admitted < limits.budget - slack:
        raise _infeasible(*_tightest(limits, admitted))


def _check_own_bounds(limits: Limits) -> None:
    """Check limits of which each name has its own: no single value fixes them, so the error gives the sums."""
    slack, low, high = TOLERANCE * limits.budget, limits.lows, limits.highs
    if bool((low > high).any()):
        i = int(np.argmax(low - high))
        raise _infeasible(
            f"min_weight {low[i]:.4g} > max_weight {high[i]:.4g} of a name", f"max_weight >= {low[i]:.4g}"
        )
    if low.sum() > limits.budget + slack:
        words = f"the min_weight of {limits.names} names sum to {low.sum():.4g} > budget {limits.budget:.4g}"
        raise _infeasible(words, f"sum of min_weight <= {limits.budget:.4g}")
    for group in limits.groups:
        fullest = float((group.members @ low).max())
        if fullest > group.cap + slack:
            words = f"the min_weight of one group sum to {fullest:.4g} > {group.name} {group.cap:.4g}"
            raise _infeasible(words, f"{group.name} >= {_up(fullest):g}")
    admitted = capacity(limits)
    if admitted < limits.budget - slack:
        what = "all limits together admit" if limits.groups else f"the max_weight of {limits.names} names sum to"
        words = f"{what} {admitted:.4g} < budget {limits.budget:.4g}"
        raise _infeasible(words, f"budget <= {_down(admitted):g}")


def _infeasible(because: str, needs: str) -> InfeasibleError:
    return InfeasibleError(
        f"No portfolio keeps the limits: {because}; needs {needs}.",
        hint="Change that limit in the allocation section, or let the policy select more names.",
        because=because,
        relaxation=needs,
    )


def _tightest(limits: Limits, admitted: float) -> tuple[str, str]:
    """Return why too little is admitted, and the one limit whose smallest relative rise fixes it."""
    options = []
    for position, (name, value, words) in enumerate(_upper_limits(limits)):
        needed = _needed(limits, position)
        if needed is not None and needed > value:
            options.append((needed / value, position, name, needed, words))
    if not options:
        return (
            f"all limits together admit {admitted:.4g} of budget {limits.budget:.4g}",
            f"budget <= {_down(admitted):g}",
        )
    _, position, name, needed, words = min(options)
    alone = _alone(limits, position)
    if alone >= limits.budget * (1 - TOLERANCE):
        words, alone = f"{words.split(' x ')[0]} with the other limits admits", admitted
        return f"{words} {alone:.4g} of budget {limits.budget:.4g}", f"{name} >= {_up(needed):g}"
    return f"{words} = {alone:.4g} < budget {limits.budget:.4g}", f"{name} >= {_up(needed):g}"


def _upper_limits(limits: Limits) -> list[tuple[str, float, str]]:
    high = float(limits.highs[0])
    names = [("max_weight", high, f"max_weight {high:.4g} x {limits.names} names")]
    for group in limits.groups:
        count = int(group.labels.max()) + 1
        names.append((group.name, group.cap, f"{group.name} {group.cap:.4g} x {count} {group.noun}"))
    return names


def _alone(limits: Limits, position: int) -> float:
    if position == 0:
        return float(limits.names * limits.highs[0])
    group = limits.groups[position - 1]
    return (int(group.labels.max()) + 1) * group.cap


def _needed(limits: Limits, position: int) -> float | None:
    """Return the smallest value of upper limit *position* that admits the budget; None if no value does."""
    n = limits.names
    rows = [np.eye(n), *(group.members for group in limits.groups)]
    caps = [float(limits.highs[0]), *(group.cap for group in limits.groups)]
    own = np.concatenate([np.full(len(r), float(k == position)) for k, r in enumerate(rows)])
    bound = np.concatenate([np.full(len(r), 0.0 if k == position else caps[k]) for k, r in enumerate(rows)])
    found = scipy.optimize.linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.column_stack([np.vstack(rows), -own]),
        b_ub=bound,
        A_eq=np.append(np.ones(n), 0.0)[None, :],
        b_eq=[limits.budget],
        bounds=[*((low, None) for low in limits.lows), (0.0, None)],
        method="highs",
    )
    return float(found.x[-1]) if found.status == 0 else None


def _up(value: float) -> float:
    return ceil(value * 1e4 - 1e-6) / 1e4


def _down(value: float) -> float:
    return floor(value * 1e4 + 1e-6) / 1e4


def project(weights: FloatArray, limits: Limits) -> FloatArray:
    """Return the feasible weights nearest to *weights*, in relative terms.

    Minimises sum (w - w0)^2 / w0, so that what a cap cuts off goes to the other names in proportion to their
    weights (a name is scaled by the budget's multiplier less those of its groups, then held within its own bounds).
    With name bounds alone this is water-filling; with group caps it is a least-distance problem, solved exactly
    by non-negative least squares.

    Args:
        weights: Non-negative weights, shape (N,), not all zero; zeros count as a billionth of the budget.
        limits: Feasible limits (see ``check_feasible``).

    Raises:
        InfeasibleError: If no weights keep the limits.

    Source:
        Lawson and Hanson (1974), Solving Least Squares Problems, chapter 23 (problem LDP).
    """
    check_feasible(limits)
    scaled = np.maximum(weights * (limits.budget / weights.sum()), 1e-9 * limits.budget)
    filled = water_fill(scaled, limits)
    if not limits.groups or bool((limits.matrix @ filled <= limits.caps + 1e-12 * limits.budget).all()):
        return filled
    return _least_distance(scaled, limits)


def water_fill(weights: FloatArray, limits: Limits) -> FloatArray:
    """Return clip(a w, low, high) with the factor a that makes the sum the budget; group caps are not looked at.

    Args:
        weights: Positive weights, shape (N,).
        limits: Limits whose ``low`` sum to at most the budget, and their ``high`` to at least that.
    """
    knots = np.unique(np.concatenate([[0.0], limits.low / weights, limits.high / weights]))
    sums = np.clip(knots[:, None] * weights, limits.low, limits.high).sum(axis=1)
    factor = np.interp(limits.budget, sums, knots)
    return np.asarray(np.clip(factor * weights, limits.low, limits.high))


def _least_distance(weights: FloatArray, limits: Limits) -> FloatArray:
    """Minimise |x| subject to G x >= h, where w = weights + scale * x."""
    n, scale = limits.names, np.sqrt(np.maximum(weights, 1e-6 * limits.budget / limits.names))
    sides = np.vstack([np.eye(n), -np.eye(n), -limits.matrix, np.ones((1, n)), -np.ones((1, n))])
    floor_ = np.concatenate([limits.lows, -limits.highs, -limits.caps])
    h = np.append(floor_, [limits.budget, -limits.budget]) - sides @ weights
    g = sides * scale
    if (moved := least_distance(g, h)) is None:
        raise InfeasibleError("No portfolio keeps the limits.", hint="Relax the caps in the allocation section.")
    return np.asarray(np.clip(weights + scale * moved, limits.low, limits.high))


def least_distance(sides: FloatArray, floors: FloatArray) -> FloatArray | None:
    """Return the x of least Euclidean norm with ``sides @ x >= floors``; None where there is none.

    It is exact up to rounding: a non-negative least squares problem, solved by active sets.

    Args:
        sides: Shape (M, N), no row all zero.
        floors: Shape (M,).

    Raises:
        RuntimeError: If the active sets do not settle.

    Source:
        Lawson and Hanson (1974), Solving Least Squares Problems, chapter 23 (problem LDP).
    """
    norms = np.sqrt((sides * sides).sum(axis=1))
    system = np.vstack([(sides / norms[:, None]).T, floors / norms])
    target = np.append(np.zeros(sides.shape[1]), 1.0)
    multipliers, distance = scipy.optimize.nnls(system, target, maxiter=100 * len(floors))
    if distance < sqrt(np.finfo(float).eps):
        return None
    residual = system @ multipliers - target
    return np.asarray(-residual[:-1] / residual[-1])


def binding(weights: FloatArray, limits: Limits) -> tuple[str, ...]:
    """Return the names of the limits that *weights* touch (within 1e-6 of the budget), in a fixed order."""
    near = 1e-6 * limits.budget
    found = []
    low, high = limits.lows, limits.highs
    if bool(((low > 0) & (weights <= low + near)).any()):
        found.append("min_weight")
    if bool(((high < limits.budget) & (weights >= high - near)).any()):
        found.append("max_weight")
    for group in limits.groups:
        if group.cap < limits.budget and bool((group.members @ weights >= group.cap - near).any()):
            found.append(group.name)
    return tuple(found)
