"""Scores: features of a cross-section mapped to probabilities and combined by a weighted geometric mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are used

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
ProbabilityMap = Callable[[FloatArray], FloatArray]
Scorer = Callable[[FloatArray, FloatArray, Sequence[str]], FloatArray]
"""``scorer(values, weights, maps)``: values (N, F), finite, larger is better in every column; weights (F,), > 0;
maps (F,) names of ``MAPS``. Returns the contributions (N, F), each <= 0 and finite; a row's sum is its score."""

FLOOR = 1e-9
"""The least probability, so that one far outlier costs much but never everything."""

_MAD_TO_STD = 1.4826
_MEAN_DEVIATION_TO_STD = 1.2533


def rank_probability(values: FloatArray) -> FloatArray:
    """Return each value's place in the cross-section, (rank - 1/2) / N.

    Args:
        values: Shape (N,), finite. Equal values share the mean of their ranks.

    Returns:
        Probabilities in (0, 1), shape (N,); 0.5 for all when all values are equal.

    Source:
        Hazen (1914), plotting positions.
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2.0
    return np.asarray((mean_rank[place] - 0.5) / len(values), dtype=np.float64)


def normal_probability(values: FloatArray) -> FloatArray:
    """Return the standard normal cdf of the cross-sectional z-score (population standard deviation).

    Args:
        values: Shape (N,), finite.

    Returns:
        Probabilities in [``FLOOR``, 1], shape (N,); 0.5 for all when all values are equal.
    """
    if _is_constant(values):
        return np.full(values.shape, 0.5)
    return np.asarray(np.maximum(scipy.special.ndtr((values - values.mean()) / values.std()), FLOOR))


def logistic_probability(values: FloatArray) -> FloatArray:
    """Return the logistic function of the robust z-score, (x - median) / (1.4826 MAD).

    Where more than half of the values are equal the MAD is 0, and 1.2533 times the mean absolute deviation
    from the median takes its place.

    Args:
        values: Shape (N,), finite.

    Returns:
        Probabilities in [``FLOOR``, 1], shape (N,); 0.5 for all when all values are equal.

    Source:
        Iglewicz and Hoaglin (1993), "How to detect and handle outliers", for both scales.
    """
    if _is_constant(values):
        return np.full(values.shape, 0.5)
    deviation = values - np.median(values)
    size = np.abs(deviation)
    scale = _MAD_TO_STD * np.median(size) or _MEAN_DEVIATION_TO_STD * size.mean()
    return np.asarray(np.maximum(scipy.special.expit(deviation / scale), FLOOR))


def _is_constant(values: FloatArray) -> bool:
    # By range, not by spread: rounding leaves equal values with a tiny standard deviation.
    return len(values) == 0 or bool(values.min() == values.max())


MAPS: Mapping[str, ProbabilityMap] = {
    "rank": rank_probability,
    "normal_cdf": normal_probability,
    "logistic": logistic_probability,
}
"""The maps from a feature's values to probabilities, by their name in the configuration."""


def log_mps(values: FloatArray, weights: FloatArray, maps: Sequence[str]) -> FloatArray:
    """Return the contributions w ln p of the log multiplicative probability score.

    The score sum(w ln p) is the logarithm of a weighted product of probabilities: a symbol must be acceptable
    in every feature, since one poor value cannot be bought off by several good ones.

    Args:
        values: Shape (N, F), finite, larger is better in every column.
        weights: Shape (F,), positive.
        maps: F names of ``MAPS``.

    Returns:
        Shape (N, F), each in [w ln ``FLOOR``, 0].
    """
    out = np.empty(values.shape)
    for column, name in enumerate(maps):
        out[:, column] = weights[column] * np.log(MAPS[name](values[:, column]))
    return out


SCORERS: Mapping[str, Scorer] = {"log_mps": log_mps}
"""The built-in scorers by name."""


def scorable(values: FloatArray, most: int | None = 0) -> tuple[BoolArray, BoolArray]:
    """Return which features can be used, and which symbols can be scored on them.

    Args:
        values: Shape (N, F); NaN or infinite is undefined.
        most: How many of those features a symbol may have undefined, though never all of them; any number when None.

    Returns:
        A mask (F,) of the features that are defined for at least one symbol, and a mask (N,) of the symbols.
    """
    defined = np.isfinite(values)
    features: BoolArray = np.asarray(defined.any(axis=0))
    missing, used = (~defined[:, features]).sum(axis=1), int(features.sum())
    allowed = used if most is None else most
    return features, np.asarray((missing <= allowed) & (missing < used))


def completed(values: FloatArray) -> FloatArray:
    """Return *values* with each undefined one in the middle: the median of its column, which must have some.

    Args:
        values: Shape (N, F); NaN or infinite is undefined.
    """
    known = np.where(np.isfinite(values), values, np.nan)
    return np.where(np.isnan(known), np.nanmedian(known, axis=0), known) if np.isnan(known).any() else values


def alpha_scores(contributions: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted geometric mean of the probabilities, exp(sum(w ln p) / sum(w)).

    Args:
        contributions: w ln p, shape (N, F), each <= 0.
        weights: Shape (F,), positive.

    Returns:
        Shape (N,), in (0, 1].
    """
    return np.asarray(np.exp(contributions.sum(axis=1) / weights.sum()), dtype=np.float64)
