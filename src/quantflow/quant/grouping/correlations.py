"""Correlations with holes, how far to shrink them, and the distances that they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quantflow.quant.chunks import each_chunk

FloatArray = npt.NDArray[np.floating]

UNCORRELATED = float(np.sqrt(0.5))
"""The distance of two symbols that are uncorrelated, and of two that never share enough observations."""

_SINGLE_ABOVE = 1_000
"""Number of symbols above which correlations are float32: a matrix of 5,000 symbols takes 100 MB."""

_CHUNK = 128
"""Symbols whose correlations with all others are computed at a time: 2.5 MB of 5,000, which stay in the cache."""

_FLAT = 1e-10
"""Standard deviation per session below which returns are constant up to rounding, and correlations undefined."""


def clusterable(returns: FloatArray, min_observations: int) -> npt.NDArray[np.bool_]:
    """Return which symbols have enough varying returns to be compared with others.

    Args:
        returns: Simple returns, shape (N, T), oldest first; NaN is a missing return.
        min_observations: Fewest returns.

    Returns:
        Mask of shape (N,).
    """
    filled, present = _filled(np.asarray(returns, dtype=np.float64))
    count = present.sum(axis=1)
    return np.asarray((count >= min_observations) & (_deviation(filled, count) > _FLAT))


def correlations(returns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return pairwise-complete correlations: each pair over the sessions on which both have a return.

    Without NaN that is one matrix product; with NaN six, of values and masks, in place of a loop over pairs.

    Args:
        returns: Simple returns, shape (N, L), oldest first; NaN is a missing return. float32 is computed in float32.

    Returns:
        Correlations (N, N), symmetric, in [-1, 1], the diagonal and undefined pairs NaN; and the number of
        common sessions, (N, N), or of shape () where it is the same for all pairs.
    """
    return _with_later(*_standardised(returns), slice(0, len(returns)))


def _standardised(returns: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """Return returns less their mean over their deviation, 0 in the holes; and where there are none, if there are.

    A symbol with constant returns is NaN.
    """
    filled, present = _filled(returns)
    scale = _deviation(filled, present.sum(axis=1))
    filled /= np.where(scale > _FLAT, scale, np.nan)[:, None].astype(returns.dtype)
    if present.all():
        return filled, None
    return np.where(present, filled, returns.dtype.type(0)), present.astype(returns.dtype)


def _filled(returns: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return returns less their mean with 0 in the holes, and where there are none."""
    present = np.isfinite(returns)
    filled = np.where(present, returns, returns.dtype.type(0))
    count = np.maximum(present.sum(axis=1, keepdims=True), 1)
    filled -= (filled.sum(axis=1, keepdims=True, dtype=np.float64) / count).astype(returns.dtype)
    filled[~present] = 0
    return filled, present


def _deviation(filled: FloatArray, count: npt.NDArray[np.int_]) -> FloatArray:
    squares = np.einsum("ij,ij->i", filled, filled, dtype=np.float64)
    return np.asarray(np.sqrt(squares / np.maximum(count, 1)))


def _with_later(x: FloatArray, mask: FloatArray | None, rows: slice) -> tuple[FloatArray, FloatArray]:
    """Return the correlations of some symbols with themselves and all later ones, and the common sessions."""
    mine, later = x[rows], x[rows.start :]
    rho: FloatArray = mine @ later.T
    if mask is None:
        common: FloatArray = np.asarray(x.shape[1], dtype=x.dtype)
        rho /= common
    else:
        seen, seen_later = mask[rows], mask[rows.start :]
        common = seen @ seen_later.T
        sums, sums_later = mine @ seen_later.T, seen @ later.T
        with np.errstate(divide="ignore", invalid="ignore"):
            rho -= sums * sums_later / common
            spread = _spread((mine * mine) @ seen_later.T, sums, common)
            spread *= _spread(seen @ (later * later).T, sums_later, common)
            rho /= np.sqrt(spread, out=spread)
    np.clip(rho, -1.0, 1.0, out=rho)
    np.fill_diagonal(rho, np.nan)
    return rho, common


def _spread(squares: FloatArray, sums: FloatArray, common: FloatArray) -> FloatArray:
    """Return the sum of squared deviations of each row's symbol over the sessions in common; NaN where constant."""
    squares -= sums * sums / common
    squares[squares <= 1e-6 * common] = np.nan
    return squares


def shrinkage_intensity(rho: FloatArray, common: FloatArray) -> float:
    """Return the share by which correlations are shrunk toward 0 so that the expected squared error is least.

    delta = sum Var(r_ij) / sum r_ij^2 over i != j, at most 1, with the variance of a correlation of normal data,
    (1 - r^2)^2 / (n - 1).

    Args:
        rho: Correlations, shape (N, N); NaN is left out.
        common: Observations behind each, shape (N, N) or ().

    Returns:
        Intensity in [0, 1]; 0.0 where no pair is defined.

    Source:
        Schaefer and Strimmer (2005), target "identity", after Ledoit and Wolf (2004). We differ: their variance
        is estimated from the products of each session; the normal one needs no second pass over the data.
    """
    return _intensity(*_noise_and_signal(rho, common))


def _intensity(noise: float, signal: float) -> float:
    return min(1.0, noise / signal) if signal > 0.0 else float(noise > 0.0)


def _noise_and_signal(rho: FloatArray, common: FloatArray) -> tuple[float, float]:
    """Return the sums of the correlations' variances and of their squares."""
    squared = rho * rho
    undefined = np.isnan(squared)
    squared[undefined] = 0.0
    signal = float(squared.sum())
    np.subtract(1.0, squared, out=squared)
    squared *= squared
    squared /= np.maximum(common - 1.0, 1.0)
    squared[undefined] = 0.0
    return float(squared.sum()), signal


def bytes_needed(symbols: int) -> int:
    """Return the memory that ``distances`` takes: correlations, the sum of distances, and a count, for each pair."""
    return symbols * symbols * ((4 if symbols > _SINGLE_ABOVE else 8) + 8 + 1)


def distances(
    returns: FloatArray, lookbacks: Sequence[int], min_observations: int, shrinkage: float | None = None
) -> npt.NDArray[np.float64]:
    """Return the mean over windows of sqrt((1 - rho) / 2), rho shrunk toward 0.

    A pair counts in a window where it shares *min_observations* returns there; one that does so in no window is
    taken as uncorrelated. A window longer than the history is the whole history.

    Args:
        returns: Simple returns, shape (N, T), oldest first; NaN is a missing return.
        lookbacks: Lengths of the windows, sessions, each ending at the last one.
        min_observations: Fewest common returns of a pair.
        shrinkage: Share of each correlation that is replaced by 0; None estimates it in each window.

    Returns:
        Distances in [0, 1], shape (N, N), symmetric, the diagonal 0; of float32 correlations above 1,000 symbols.

    Source:
        Mantegna (1999) for the distance, scaled to [0, 1] as in Lopez de Prado (2016).
    """
    symbols = len(returns)
    total = np.zeros((symbols, symbols))
    seen = np.zeros(total.shape, dtype=np.uint8)
    rho = np.empty(total.shape, dtype=np.float32 if symbols > _SINGLE_ABOVE else np.float64)
    for lookback in lookbacks:
        noise, signal = _fill(rho, returns[:, -lookback:].astype(rho.dtype), min_observations)
        kept = 1.0 - (_intensity(noise, signal) if shrinkage is None else shrinkage)

        def add(rows: slice, kept: float = kept) -> None:
            block = rho[rows, rows.start :]
            block *= -0.5 * kept
            block += 0.5
            np.sqrt(block, out=block)
            undefined = np.isnan(block)
            block[undefined] = 0.0
            total[rows, rows.start :] += block
            seen[rows, rows.start :] += ~undefined

        each_chunk(add, symbols, _CHUNK)
    each_chunk(lambda rows: _average(total, seen, rows), symbols, _CHUNK)
    return total


def _fill(rho: FloatArray, returns: FloatArray, min_observations: int) -> tuple[float, float]:
    """Put the correlations from the diagonal on into *rho*; return the sums that their shrinkage follows from."""
    x, mask = _standardised(returns)

    def fill(rows: slice) -> tuple[float, float]:
        block, common = _with_later(x, mask, rows)
        few = common < min_observations
        if few.any():
            block[np.broadcast_to(few, block.shape)] = np.nan
        rho[rows, rows.start :] = block
        common = np.broadcast_to(common, block.shape)
        among = len(block)  # the pairs among the chunk's own symbols are there twice, those with later ones once
        own = _noise_and_signal(block[:, :among], common[:, :among])
        others = _noise_and_signal(block[:, among:], common[:, among:])
        return own[0] + 2.0 * others[0], own[1] + 2.0 * others[1]

    parts = each_chunk(fill, len(rho), _CHUNK)
    return sum(noise for noise, _ in parts), sum(signal for _, signal in parts)


def _average(total: FloatArray, seen: npt.NDArray[np.uint8], rows: slice) -> None:
    """Turn the sums of some rows, from the diagonal on, into means, and mirror them.

    What lies above the diagonal counts: a product's two halves differ in their last bits on many CPUs.
    """
    block, counted = total[rows, rows.start :], seen[rows, rows.start :]
    block /= np.maximum(counted, 1)
    block[counted == 0] = UNCORRELATED
    own = np.triu(total[rows, rows], 1)
    total[rows, rows] = own + own.T
    total[rows.stop :, rows] = total[rows, rows.stop :].T
