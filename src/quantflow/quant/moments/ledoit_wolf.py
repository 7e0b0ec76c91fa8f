"""A covariance with correlations shrunk as far as Ledoit and Wolf say, sooner than skfolio can be imported."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def shrunk_correlations(returns: FloatArray) -> FloatArray:
    """Return a covariance, shape (N, N): the sample's variances, and correlations shrunk toward 0.

    It is ``ShrunkCorrelations(LedoitWolf())`` within rounding.

    Args:
        returns: Simple returns, shape (T, N), finite, no column constant.

    Source:
        Ledoit and Wolf (2004).
    """
    deviation = returns.std(axis=0, ddof=1)
    scaled = returns / deviation
    scaled = scaled - scaled.mean(axis=0)
    sample = scaled.T @ scaled / len(scaled)
    share = intensity(scaled, sample)
    shrunk = (1.0 - share) * sample
    np.fill_diagonal(shrunk, shrunk.diagonal() + share * sample.trace() / len(sample))
    correlation = shrunk / np.sqrt(np.outer(shrunk.diagonal(), shrunk.diagonal()))
    return np.asarray(correlation * np.outer(deviation, deviation))


def intensity(centred: FloatArray, sample: FloatArray) -> float:
    """Return the share of the target, a multiple of the identity, with the least expected error; from 0 to 1.

    Args:
        centred: Returns without their means, shape (T, N).
        sample: Their covariance, with T in the denominator, shape (N, N).
    """
    sessions, names = centred.shape
    squares = centred**2
    mean = sample.trace() / names
    spread = float((sample**2).sum())
    error = float((squares.T @ squares).sum()) / sessions - spread
    distance = spread - 2.0 * mean * float(sample.trace()) + names * mean**2
    error = min(error / sessions, distance)
    return 0.0 if error <= 0.0 else error / distance
