"""The point nearest to the origin that keeps linear inequalities."""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are used

FloatArray = npt.NDArray[np.float64]


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
