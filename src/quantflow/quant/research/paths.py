"""Choosing among trials, cross-validated: combinatorial purged folds, and the paths of test folds through time.

One strategy has one path: what it decides at a date depends on the sessions before that date and on nothing that a
fold leaves out, so that each path of its test folds is its walk-forward again. What depends on the folds is a choice
made with hindsight: which of several settings is best. That choice is trained and tested here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantflow.errors import ConfigError, DataError
from quantflow.quant.significance import NOISE

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Folds:
    """How time is cut.

    Attributes:
        count: Consecutive folds of equal length, the last one with what is left over; at least 3.
        tests: How many of them are tested at once, at least 2 and fewer than all.
        purge: Sessions that are left out of training on both sides of a test fold: as many as what is held at its
            border was held in the one and the other.
        embargo: Sessions that are left out of training after a test fold besides.
    """

    count: int = 6
    tests: int = 2
    purge: int = 0
    embargo: int = 0


SIX = Folds()
"""Six folds of which two are tested at once: 15 splits, 5 paths."""


@dataclass(frozen=True, eq=False)
class Paths:
    """What choosing among K trials earned on folds that it was not chosen on.

    Attributes:
        returns: The returns of each of P paths on all S sessions, each session from a trial that was chosen without it,
            shape (P, S).
        chosen: The trial chosen in each of C splits, shape (C,).
        trained: Its Sharpe ratio on the sessions it was chosen on, per session, shape (C,); NaN without risk.
        tested: Its Sharpe ratio on the test folds, likewise.
        sharpe: The Sharpe ratio of each path, per session, shape (P,); NaN without risk.
    """

    returns: FloatArray
    chosen: IntArray
    trained: FloatArray
    tested: FloatArray
    sharpe: FloatArray


def choice_paths(net: FloatArray, folds: Folds = SIX) -> Paths:
    """Return the paths of test folds of choosing, in each split, the trial with the highest Sharpe ratio in training.

    Each way to take ``folds.tests`` of the folds for testing is a split. A fold is tested in several splits, each of
    which has chosen without it; the n-th of its tests is its part of the n-th path. The spread of the paths' Sharpe
    ratios is what the choice contributes: all paths are of the same sessions, so it is not an interval of a Sharpe
    ratio, and is zero where each split chooses the same trial.

    Args:
        net: Returns after costs of K trials on the same S sessions, shape (K, S), finite.
        folds: How time is cut.

    Raises:
        ConfigError: If the folds cannot be had.
        DataError: If there is no trial, or a return is not finite.

    Source:
        López de Prado (2018), Advances in Financial Machine Learning, chapter 12; splits and paths are skfolio's.
    """
    from skfolio.model_selection import CombinatorialPurgedCV  # a second to import

    if not len(net) or not np.isfinite(net).all():
        raise DataError("Choosing among trials needs one or more, and finite returns of all of them.")
    try:
        splitter = CombinatorialPurgedCV(folds.count, folds.tests, folds.purge, folds.embargo)
        splits = list(splitter.split(net.T))
    except ValueError as error:
        raise ConfigError(
            f"{net.shape[1]} sessions cannot be cut into {folds}: {error}",
            hint="Take fewer folds, or purge and embargo fewer sessions.",
        ) from error
    returns = np.full((splitter.n_test_paths, net.shape[1]), np.nan)
    chosen, trained, tested = np.empty(len(splits), dtype=np.int64), np.empty(len(splits)), np.empty(len(splits))
    for i, ((train, tests), places) in enumerate(zip(splits, splitter.get_path_ids(), strict=True)):
        ratios = sharpe_ratios(net[:, train])
        best = int(np.argmax(np.where(np.isnan(ratios), -np.inf, ratios)))
        chosen[i], trained[i] = best, ratios[best]
        tested[i] = sharpe_ratios(net[best : best + 1, np.concatenate(tests)])[0]
        for place, test in zip(places, tests, strict=True):
            returns[place, test] = net[best, test]
    return Paths(returns, chosen, trained, tested, sharpe_ratios(returns))


def sharpe_ratios(returns: FloatArray) -> FloatArray:
    """Return mean over standard deviation (n - 1) of each row, per session; NaN without risk."""
    deviation = returns.std(axis=1, ddof=1)
    out = np.full(len(returns), np.nan)
    np.divide(returns.mean(axis=1), deviation, out=out, where=deviation > NOISE)
    return out
