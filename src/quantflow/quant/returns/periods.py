"""Returns of calendar periods, and of the spans that end today."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
DateArray = npt.NDArray[np.datetime64]


def compounded(keys: npt.NDArray[np.int64], returns: FloatArray) -> dict[int, float]:
    """Return the compounded return of each run of equal *keys*, which rise; NaN counts as no return."""
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    grown = np.multiply.reduceat(1.0 + np.nan_to_num(returns), starts)
    return {int(keys[i]): float(value - 1.0) for i, value in zip(starts, grown, strict=True)}


def months(dates: DateArray) -> npt.NDArray[np.int64]:
    """Return the number of the month of each date: 12 times the year, plus 0 for January to 11 for December."""
    return np.asarray(dates.astype("datetime64[M]").astype(np.int64) + 1970 * 12)


def years(dates: DateArray) -> npt.NDArray[np.int64]:
    """Return the year of each date."""
    return np.asarray(dates.astype("datetime64[Y]").astype(np.int64) + 1970)


def trailing_starts(dates: DateArray) -> dict[str, np.datetime64]:
    """Return the last day before each span that ends with the last date, for the spans that lie within *dates*.

    The month and the year to date, and 3, 6, 12, 36, 60 and 120 months back: the same day of that month, or its last.

    Args:
        dates: Sessions, ``datetime64[D]``, rising; the first one's close is where returns begin.
    """
    last = dates[-1].astype("datetime64[D]")
    month = last.astype("datetime64[M]")
    spans = {"MTD": month.astype("datetime64[D]") - 1, "YTD": last.astype("datetime64[Y]").astype("datetime64[D]") - 1}
    for name, number in (("3M", 3), ("6M", 6), ("1Y", 12), ("3Y", 36), ("5Y", 60), ("10Y", 120)):
        start = month - number
        end = (start + 1).astype("datetime64[D]") - 1
        spans[name] = min(start.astype("datetime64[D]") + (last - month.astype("datetime64[D]")), end)
    return {name: day for name, day in spans.items() if day >= dates[0]}


def trailing(dates: DateArray, returns: FloatArray, start: np.datetime64) -> float:
    """Return the compounded return of the sessions after *start*."""
    return float(np.prod(1.0 + np.nan_to_num(returns[dates > start])) - 1.0)
