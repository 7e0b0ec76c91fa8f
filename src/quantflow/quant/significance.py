"""How sure a Sharpe ratio is: its error, the chance that it is above another, and what many trials make of it.

All functions work per session: a Sharpe ratio here is mean / standard deviation of the returns of single sessions,
free of the number of sessions per year. Only ``figures`` annualises, by the factor sqrt(A) on the ratio, its error and
its interval. Returns are taken as independent of one another; a stream that is not has a wider interval than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import e, sqrt

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are used

FloatArray = npt.NDArray[np.float64]

NOISE = 1e-14
"""A deviation below this is rounding, not risk."""

CONFIDENCE = 0.95
"""Of the interval (two-sided) and of the minimum track record (one-sided)."""


@dataclass(frozen=True)
class SharpeEstimate:
    """A Sharpe ratio and what its error depends on.

    Attributes:
        ratio: Mean over sample standard deviation (n - 1), per session, risk-free rate 0.
        sessions: n, the number of returns, at least 2.
        skewness: Third standardised population moment of the returns.
        kurtosis: Fourth standardised population moment; 3 for a normal distribution.
    """

    ratio: float
    sessions: int
    skewness: float = 0.0
    kurtosis: float = 3.0

    @property
    def spread(self) -> float:
        """The asymptotic variance of sqrt(n) (estimate - truth): 1 - skewness SR + (kurtosis - 1) / 4 SR^2, >= 0."""
        squared = 1.0 - self.skewness * self.ratio + (self.kurtosis - 1.0) / 4.0 * self.ratio**2
        return max(squared, 0.0)  # below 0 by rounding alone, since kurtosis >= 1 + skewness^2


def estimate(returns: FloatArray) -> SharpeEstimate | None:
    """Return the Sharpe ratio of a stream with its moments; None for fewer than two sessions, or without risk.

    Args:
        returns: Simple returns per session, shape (S,), finite.
    """
    if len(returns) < 2 or float(returns.std(ddof=1)) <= NOISE:
        return None
    scaled = (returns - returns.mean()) / returns.std()
    ratio = float(returns.mean() / returns.std(ddof=1))
    return SharpeEstimate(ratio, len(returns), float((scaled**3).mean()), float((scaled**4).mean()))


def standard_error(found: SharpeEstimate) -> float:
    """Return the standard error of the ratio, per session: sqrt(spread / n).

    With skewness 0 and kurtosis 3 this is Lo's for independent normal returns, sqrt((1 + SR^2 / 2) / n).

    Source:
        Lo (2002), The Statistics of Sharpe Ratios; Mertens (2002), Comments on Variance of the IID Estimator in Lo.
    """
    return sqrt(found.spread / found.sessions)


def interval(found: SharpeEstimate, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided normal interval of the ratio, per session: SR -+ z standard errors."""
    reach = float(scipy.special.ndtri(0.5 + confidence / 2.0)) * standard_error(found)
    return found.ratio - reach, found.ratio + reach


def probabilistic_sharpe(found: SharpeEstimate, threshold: float = 0.0) -> float | None:
    """Return the probability that the true ratio is above *threshold*: Phi((SR - SR*) sqrt((n - 1) / spread)).

    None where the estimate has no error.

    Source:
        Bailey and López de Prado (2012), The Sharpe Ratio Efficient Frontier, equation 11.
    """
    if found.spread <= NOISE:
        return None
    return float(scipy.special.ndtr((found.ratio - threshold) * sqrt((found.sessions - 1) / found.spread)))


def min_track_record(found: SharpeEstimate, threshold: float = 0.0, confidence: float = CONFIDENCE) -> float | None:
    """Return how many sessions it takes to be sure that the true ratio is above *threshold*: 1 + spread (z/(SR-SR*))^2.

    With that many, and the same moments, ``probabilistic_sharpe`` is *confidence*. None if the ratio is not above the
    threshold, which no length can then show.

    Source:
        Bailey and López de Prado (2012), The Sharpe Ratio Efficient Frontier, equation 13.
    """
    if found.ratio - threshold <= NOISE:
        return None
    return 1.0 + found.spread * (float(scipy.special.ndtri(confidence)) / (found.ratio - threshold)) ** 2


def expected_best(trials: int, variance: float) -> float:
    """Return the highest ratio that *trials* strategies without skill are expected to show, per session.

    sqrt(V) ((1 - gamma) Phi^-1(1 - 1/N) + gamma Phi^-1(1 - 1/(N e))), gamma being Euler's constant; 0 for one trial.

    Args:
        trials: N, the number of independent trials, at least 1.
        variance: V, the variance of their ratios, per session.

    Source:
        Bailey and López de Prado (2014), The Deflated Sharpe Ratio, equation 1.
    """
    if trials < 2:
        return 0.0
    first, second = (float(scipy.special.ndtri(1.0 - 1.0 / (trials * scale))) for scale in (1.0, e))
    return sqrt(variance) * ((1.0 - np.euler_gamma) * first + np.euler_gamma * second)


def deflated_sharpe(found: SharpeEstimate, ratios: Sequence[float]) -> float | None:
    """Return the probability that the true ratio is above 0, given that it is the best of several trials.

    It is the probabilistic Sharpe ratio against ``expected_best`` of as many trials with the sample variance (N - 1)
    of their ratios. Trials that resemble one another are fewer than they count, so this errs on the careful side.

    Args:
        found: The strategy that was chosen.
        ratios: The ratio of every trial, the chosen one too, per session.

    Source:
        Bailey and López de Prado (2014), The Deflated Sharpe Ratio, equation 2.
    """
    variance = float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    return probabilistic_sharpe(found, expected_best(len(ratios), variance))


def figures(returns: FloatArray, annualisation: int) -> dict[str, float | None]:
    """Return what is shown beside the Sharpe ratio of a stream; None throughout where it is undefined.

    ``sharpe_se`` (Mertens), ``sharpe_low`` and ``sharpe_high`` (95 % interval) are annualised, as the ratio is;
    ``probabilistic_sharpe`` is a probability (true ratio above 0); ``min_track_record`` is in sessions (at 95 %).

    Args:
        returns: Simple returns per session, shape (S,), finite.
        annualisation: A, sessions per year.
    """
    found = estimate(returns)
    names = ("sharpe_se", "sharpe_low", "sharpe_high", "probabilistic_sharpe", "min_track_record")
    if found is None:
        return dict.fromkeys(names)
    year = sqrt(annualisation)
    annual = (year * value for value in (standard_error(found), *interval(found)))
    return dict(zip(names, (*annual, probabilistic_sharpe(found), min_track_record(found)), strict=True))
