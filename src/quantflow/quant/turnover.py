"""Turnover, and how much of it each step of a way from one book to another accounts for.

Turnover counts both sides, everywhere: what is sold and what is bought. A book that is replaced whole turns over by 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def turnover(before: FloatArray, after: FloatArray) -> float:
    """Return the sum of the absolute changes of weight, both sides, as a fraction of capital.

    Args:
        before: Signed weights of N names, shape (N,).
        after: The same names' weights afterwards.
    """
    return float(np.abs(after - before).sum())


def traded(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Return the turnover between two books by name; a name that one does not have has a weight of 0 there."""
    names = sorted({*before, *after})
    return turnover(*(np.array([book.get(name, 0.0) for name in names]) for book in (before, after)))


def contributions(books: FloatArray) -> FloatArray:
    """Return how much of the turnover from the first book to the last each step between them accounts for.

    With d = last - first and d_k the change of step k, the turnover T(d) = sum |d_i| is homogeneous of degree one,
    so by Euler's theorem T(d) = sum_i d_i dT/dd_i; since d is the sum of the d_k, the part of step k is
    sum_i sign(d_i) d_ki, and the parts add up to T(d). (Euler allocation, as for risk: Tasche 1999, "Risk
    contributions and performance measurement".) A part is negative where the step went against what came out in the
    end; a name that ends where it began counts nothing (the subgradient there is taken as 0). Each part's magnitude is
    at most the step's own turnover. Joined steps have the sum of their parts.

    Args:
        books: Signed weights, finite, shape (K + 1, N): a row per book, in the order of the steps.

    Returns:
        Fractions of capital, shape (K,); signed.
    """
    steps = np.diff(books, axis=0)
    result: FloatArray = steps @ np.sign(books[-1] - books[0])
    return result
