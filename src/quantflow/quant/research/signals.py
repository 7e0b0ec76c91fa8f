"""Whether signals foretell returns: rank correlations by horizon, buckets, and how fast ranks change.

A signal is a number per name and date, larger being better, shape (K, N) for K dates (positions of sessions) and N
names; NaN where it is undefined. A forward return is what a name earned after that date, of the same shape; NaN where
it is not known. The two are compared within each date and by rank, so what the market as a whole did plays no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
import scipy  # its parts are loaded when they are used

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LEAST_NAMES = 5
"""Names that a date needs for a correlation."""
LEAST_DATES = 3.0
"""Independent dates that a standard error needs."""
PER_BUCKET = 4
"""Names that there should be in each bucket."""
MOST_BUCKETS = 5
NO_SPREAD = 1e-12


def forward_returns(
    returns: FloatArray, positions: IntArray, horizon: int, lag: int = 0, *, skip: int = 0
) -> FloatArray:
    """Return what each name earned after the close that trades, shape (K, N).

    Args:
        returns: Simple returns, shape (N, T), oldest first; NaN counts as 0.
        positions: K positions of sessions that decide.
        horizon: The last session that counts, from the close that trades: 1 is the session after it.
        lag: Sessions from the close that decides to the close that trades.
        skip: Sessions after that close that do not count: 5 with a horizon of 21 gives those from the 6th to the 21st.

    Returns:
        NaN for all names where the horizon ends after the last session.
    """
    grown = 1.0 + np.nan_to_num(returns)
    out = np.full((len(positions), len(returns)), np.nan)
    for k, traded in enumerate((positions + lag).tolist()):
        if traded + horizon < returns.shape[1]:
            out[k] = grown[:, traded + skip + 1 : traded + horizon + 1].prod(axis=1) - 1.0
    return out


def ranks(values: FloatArray, known: BoolArray) -> FloatArray:
    """Return the rank of each known value within its row, from 1; equal ones share their mean rank, NaN elsewhere.

    Args:
        values: Finite where known, shape (K, N).
        known: Which values count, shape (K, N).
    """
    placed = scipy.stats.rankdata(np.where(known, values, np.inf), axis=1)
    found = np.array(placed, dtype=np.float64)
    found[~known] = np.nan
    return found


def rank_correlations(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return Spearman's correlation of two sets of values within each row, shape (K,).

    Between a signal and forward returns this is the rank information coefficient.

    Args:
        left: Shape (K, N); names that are NaN in either take no part in a row.
        right: Shape (K, N).

    Returns:
        NaN for a row with fewer than ``LEAST_NAMES`` names, or where all of one side are equal.
    """
    known = np.isfinite(left) & np.isfinite(right)
    count = known.sum(axis=1)
    middle = (count[:, None] + 1) / 2.0
    x, y = (np.where(known, ranks(side, known) - middle, 0.0) for side in (left, right))
    size = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    valid = (count >= LEAST_NAMES) & (size > NO_SPREAD)
    out = np.full(len(left), np.nan)
    np.divide((x * y).sum(axis=1), size, out=out, where=valid)
    return out


@dataclass(frozen=True)
class Mean:
    """A mean over dates whose horizons overlap, and how sure it is.

    Attributes:
        mean: Over the dates that have a value; None without one.
        error: Its standard error, corrected for overlap; None for fewer than ``LEAST_DATES`` independent dates.
        t: ``mean / error``; None without an error.
        dates: How many dates have a value.
        independent: How many without overlap would say as much.
    """

    mean: float | None
    error: float | None
    t: float | None
    dates: int
    independent: float


def mean_of_overlapping(values: FloatArray, positions: IntArray, horizon: int) -> Mean:
    """Return the mean of values that are each of the *horizon* sessions after a date.

    Two dates that are d < horizon sessions apart share a part 1 - d / horizon of their sessions, and their values are
    taken as correlated by that much: exact for a signal that stays as it is and foretells nothing, and too careful for
    one that changes quickly. With R the matrix of these correlations and S = sum(R) / n, n / S dates are independent,
    the variance is sum((x - mean)^2) / (n - S), and the mean's is that times S / n. Without overlap this is Student's
    formula. It is positive by construction, which estimates from few autocovariances are not. Correlation beyond the
    overlap, as of good and bad years, is not corrected for.

    Args:
        values: Shape (K,); NaN is left out.
        positions: Sessions that they are of, increasing, shape (K,).
        horizon: Sessions that each is of.

    Source:
        Bayley and Hammersley (1946), The Effective Number of Independent Observations in an Autocorrelated Time
        Series; Richardson and Smith (1991) for the correlation of overlapping returns under the null.
    """
    known = np.isfinite(values)
    x, at = values[known], positions[known]
    if not len(x):
        return Mean(None, None, None, 0, 0.0)
    shared = _shared(at, horizon) / len(x)
    independent, mean = len(x) / shared, float(x.mean())
    if independent < LEAST_DATES:
        return Mean(mean, None, None, len(x), independent)
    variance = float(((x - mean) ** 2).sum()) / (len(x) - shared)
    error = sqrt(variance * shared / len(x))
    return Mean(mean, error, mean / error if error > NO_SPREAD else None, len(x), independent)


def _shared(positions: IntArray, horizon: int) -> float:
    """Return the sum of the shares of sessions that all pairs of dates have in common, each with itself too."""
    total, apart = float(len(positions)), 1
    while apart < len(positions):
        share = 1.0 - (positions[apart:] - positions[:-apart]) / horizon
        if not (share > 0.0).any():
            break
        total += 2.0 * float(share[share > 0.0].sum())
        apart += 1
    return total


def bucket_count(names: int) -> int:
    """Return into how many buckets so many names are divided: 5, fewer below 20 names, 0 below 8."""
    found = min(MOST_BUCKETS, names // PER_BUCKET)
    return found if found > 1 else 0


def buckets(signal: FloatArray, count: int) -> IntArray:
    """Return each name's bucket by its rank within the date, shape (K, N): 0 is the worst, -1 is none.

    Equal values share a bucket, so that which names are in it never depends on their order. A date with fewer names
    than buckets has none.

    Args:
        signal: Shape (K, N).
        count: How many buckets.
    """
    known = np.isfinite(signal)
    names = known.sum(axis=1, keepdims=True)
    place = (ranks(signal, known) - 0.5) / np.maximum(names, 1) * count
    return np.where(known & (names >= count), np.nan_to_num(place), -1.0).astype(np.int64)


def bucket_returns(bucket: IntArray, forward: FloatArray, count: int) -> FloatArray:
    """Return the mean forward return of each bucket at each date, shape (K, count); NaN for a bucket without names.

    Args:
        bucket: Of each name, -1 for none, shape (K, N).
        forward: Forward returns, shape (K, N).
        count: How many buckets.
    """
    out = np.full((len(bucket), count), np.nan)
    for each in range(count):
        inside = (bucket == each) & np.isfinite(forward)
        number = inside.sum(axis=1)
        np.divide(np.where(inside, forward, 0.0).sum(axis=1), number, out=out[:, each], where=number > 0)
    return out


def spread_targets(bucket: IntArray, count: int) -> FloatArray:
    """Return the portfolios that are long the top bucket and short the bottom one, 1 each, equally weighted, (K, N).

    A date on which one of the two is empty holds nothing.
    """
    top, bottom = bucket == count - 1, bucket == 0
    ups, downs = (side.sum(axis=1, keepdims=True) for side in (top, bottom))
    targets = top / np.maximum(ups, 1) - bottom / np.maximum(downs, 1)
    return np.asarray(np.where((ups > 0) & (downs > 0), targets, 0.0))


def rank_autocorrelations(signal: FloatArray) -> FloatArray:
    """Return the rank correlation of a signal with itself at the date before, over names that have both, (K - 1,)."""
    return rank_correlations(signal[1:], signal[:-1])


def mean_correlations(signals: FloatArray) -> FloatArray:
    """Return the mean over dates of the rank correlations between signals, shape (F, F); NaN where there is none.

    Args:
        signals: Shape (F, K, N).
    """
    count = len(signals)
    out = np.full((count, count), np.nan)
    for i in range(count):
        for j in range(i + 1):
            found = rank_correlations(signals[i], signals[j])
            known = found[np.isfinite(found)]
            out[i, j] = out[j, i] = known.mean() if len(known) else np.nan
    return out
