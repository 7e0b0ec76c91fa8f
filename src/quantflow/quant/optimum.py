"""The exact optimum of a mean-variance problem.

skfolio states variance as a cone, which an interior-point solver leaves with weights that are right to about 1e-4: the
objective is flat there. The same problems are least-distance problems, solved by active sets to rounding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quantflow.quant.limits import Limits, least_distance

FloatArray = npt.NDArray[np.float64]

SLACK = 1e-9
"""How much, as a fraction of a name's or group's limit, rounding may take from it."""


def exact(covariance: FloatArray, mean: FloatArray | None, limits: Limits) -> FloatArray | None:
    """Return the weights of least variance, or with *mean* of the largest mean over standard deviation, shape (N,).

    Args:
        covariance: Of N names, shape (N, N).
        mean: Shape (N,).
        limits: Feasible limits with a budget of 1.

    Returns:
        None where rounding leaves nothing that keeps the limits, the covariance is singular, or no feasible portfolio
        has a positive mean: a solver may then find weights, or say why there are none.
    """
    try:
        root = np.linalg.cholesky(covariance / covariance.diagonal().mean())
        found = _minimum_variance(root, limits) if mean is None else _maximum_ratio(root, mean, limits)
    except (np.linalg.LinAlgError, RuntimeError):  # singular, or active sets that do not settle
        return None
    return None if found is None or not _kept(found, limits) else np.clip(found, limits.low, limits.high)


def _minimum_variance(root: FloatArray, limits: Limits) -> FloatArray | None:
    n = limits.names
    sides = np.vstack([np.eye(n), -np.eye(n), -limits.matrix, np.ones((1, n)), -np.ones((1, n))])
    floors = np.concatenate([limits.lows, -limits.highs, -limits.caps, [1.0, -1.0]])
    return _transformed(root, sides, floors)


def _maximum_ratio(root: FloatArray, mean: FloatArray, limits: Limits) -> FloatArray | None:
    """Minimise variance at a mean of 1 over any sum, the limits being fractions of that sum; then scale to a sum of 1.

    Source:
        Cornuejols and Tütüncü (2007), Optimization Methods in Finance, section 8.2.
    """
    n, unit = limits.names, mean / np.abs(mean).mean()
    whole = np.ones(n)
    sides = np.vstack(
        [
            np.eye(n) - np.outer(limits.lows, whole),
            np.outer(limits.highs, whole) - np.eye(n),
            np.outer(limits.caps, whole) - limits.matrix,
            unit,
            -unit,
        ]
    )
    sides = sides[np.abs(sides).max(axis=1) > 0.0]
    floors = np.append(np.zeros(len(sides) - 2), [1.0, -1.0])
    found = _transformed(root, sides, floors)
    return None if found is None or found.sum() <= 0.0 else found / found.sum()


def _transformed(root: FloatArray, sides: FloatArray, floors: FloatArray) -> FloatArray | None:
    """Minimise the norm of root' w, which is the portfolio's deviation."""
    inverse = np.linalg.inv(root)
    found = least_distance(sides @ inverse.T, floors)
    return None if found is None else np.asarray(inverse.T @ found)


def _kept(weights: FloatArray, limits: Limits) -> bool:
    sums = bool((limits.matrix @ weights <= limits.caps + SLACK).all()) if limits.groups else True
    inside = bool(((weights >= limits.lows - SLACK) & (weights <= limits.highs + SLACK)).all())
    return sums and inside and abs(float(weights.sum()) - 1.0) < SLACK
