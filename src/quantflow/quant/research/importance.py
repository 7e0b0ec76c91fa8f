"""How much of the difference between trials each of their settings explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

GROUPS = 8
"""Into how many neighbourhoods the values of a setting are put that has a value of its own for most trials."""


@dataclass(frozen=True)
class Importance:
    """The share of the variance of a figure that one setting explains.

    Attributes:
        share: Alone: variance of the means given its value over the variance of the figure, in [0, 1]; NaN where the
            figure does not vary.
        chance: What the share is expected to be if the setting has no effect: (values - 1) / (trials - 1).
        total: Together with what it does in concert with others, at least about the share; NaN where too few trials
            differ in this setting alone.
    """

    share: float
    chance: float
    total: float


def importance(values: FloatArray, positions: IntArray) -> tuple[Importance, ...]:
    """Return what each of K settings explains of a figure over N trials.

    The first order share is Sobol's index of a factor, which for any design is the correlation ratio of an analysis of
    variance. The total share is 1 less what all other settings explain without this one: the mean variance within
    groups of trials that differ in this setting alone. In a full grid that is exact; a group that holds some of the
    values counts by the unbiased estimate for all of them. It is left undefined when fewer than half of the trials are
    in such groups, as in random designs.

    A setting with more values than half the trials is first cut into ``GROUPS`` neighbourhoods of about equal size, for
    its share; otherwise each trial would explain itself.

    Args:
        values: The figure of each trial, shape (N,); NaN for one that failed, which is left out.
        positions: Each trial's value of each setting by its position among that setting's values, shape (N, K).

    Source:
        Sobol (1993), Sensitivity estimates for nonlinear mathematical models; Homma and Saltelli (1996), Importance
        measures in global sensitivity analysis of nonlinear models; Pearson (1905), for the correlation ratio.
    """
    kept, settings = ~np.isnan(values), range(positions.shape[1])
    figure, levels = values[kept], positions[kept]
    variance = float(figure.var()) if len(figure) else 0.0
    if len(figure) < 2 or variance <= np.finfo(np.float64).eps * float(np.square(figure).mean()):
        return tuple(Importance(np.nan, np.nan, np.nan) for _ in settings)
    return tuple(
        Importance(*_alone(figure, levels[:, k], variance), _in_concert(figure, levels, k) / variance) for k in settings
    )


def _alone(figure: FloatArray, level: IntArray, variance: float) -> tuple[float, float]:
    """Return the first order share of a setting, and that of one without effect."""
    values = np.unique(level)
    if 2 * len(values) > len(figure):
        cuts = np.quantile(level, np.linspace(0.0, 1.0, min(GROUPS, len(figure) // 2) + 1)[1:-1])
        level = np.searchsorted(cuts, level).astype(np.int64)
    _, group, count = np.unique(level, return_inverse=True, return_counts=True)
    means = np.bincount(group, figure) / count
    between = float((count * (means - figure.mean()) ** 2).sum()) / len(figure)
    return min(between / variance, 1.0), (len(count) - 1) / (len(figure) - 1)


def _in_concert(figure: FloatArray, levels: IntArray, setting: int) -> float:
    """Return the mean variance among trials that differ in one setting alone; NaN if those are fewer than half."""
    values = len(np.unique(levels[:, setting]))
    _, group, count = np.unique(np.delete(levels, setting, axis=1), axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    means = np.bincount(group, figure) / count
    squares = np.bincount(group, (figure - means[group]) ** 2)
    several = count > 1
    if values < 2:
        return 0.0
    if 2 * int(count[several].sum()) < len(figure):
        return float("nan")
    unbiased = squares[several] / (count[several] - 1) * (values - 1) / values
    return float(np.average(unbiased, weights=count[several]))
