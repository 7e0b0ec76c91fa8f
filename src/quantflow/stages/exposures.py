"""What books are exposed to: at each rebalance of a walk-forward, and now."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from quantflow.pipeline.stage import Artifacts
from quantflow.quant.backtest import FloatArray
from quantflow.quant.research.exposures import WINDOW, Exposure, beta_of, betas, grouped, tilts
from quantflow.stages.walk_forward import Market, Portfolios

if TYPE_CHECKING:
    import pandas as pd

EQUAL = "equal_weight"
"""What the equally weighted universe is called among the benchmarks."""


def leanings(made: Artifacts) -> tuple[Exposure, ...]:
    """Return a book's weights by sector and cluster, and its tilts to the features.

    Args:
        made: What the stages made at the date of the book: ``weights``, and ``features`` where there are some. Groups
            are those that weights have as columns.
    """
    weights = made["weights"]
    values = weights["weight"].to_numpy(dtype=np.float64)
    groups = [grouped(kind, values, weights[kind].tolist()) for kind in ("sector", "cluster") if kind in weights]
    return tuple(one for group in [*groups, _tilts(made)] for one in group)


def _tilts(made: Artifacts) -> list[Exposure]:
    features, weights = made.get("features"), made["weights"]
    if features is None:
        return []
    row = {symbol: i for i, symbol in enumerate(features.index.tolist())}
    held = {row[s]: w for s, w in zip(weights.index.tolist(), weights["weight"].tolist(), strict=True) if s in row}
    found = tilts(held, features.to_numpy(dtype=np.float64))
    names = features.columns.tolist()
    return [Exposure("feature", str(name), value) for name, value in zip(names, found.tolist(), strict=True)]


def over_time(market: Market, made: Portfolios, lag: int) -> pd.DataFrame:
    """Return ``exposures``: date (traded), decided, kind, name, net and gross of each exposure of each target.

    Betas are those of the sessions up to the close that decides, at most ``WINDOW``, to the equal weight of the names
    that could be used then, and to the benchmark of the profile's choice.
    """
    import pandas as pd

    rows = []
    for position, target in zip(made.positions.tolist(), made.targets, strict=True):
        session, traded = market.quotes.sessions[position], market.quotes.sessions[position + lag]
        able = market.equal[np.searchsorted(made.scheduled, position)] > 0.0
        decision = made.decisions.get(str(session))
        found = [*_betas_of(market, position, target, able), *(decision.leanings if decision else ())]
        rows += [(traded, session, one.kind, one.name, one.net, one.gross) for one in found]
    table = pd.DataFrame(rows, columns=["date", "decided", "kind", "name", "net", "gross"])
    return table.astype({"date": "datetime64[s]", "decided": "datetime64[s]"})


def betas_now(market: Market, symbols: Sequence[str]) -> pd.DataFrame:
    """Return ``betas``: a row per symbol, and a column per benchmark, over the last ``WINDOW`` sessions.

    Args:
        market: What is traded, up to the last session.
        symbols: The names that may be used at the last session: their equal weight is a benchmark.
    """
    import pandas as pd

    able = np.isin(market.quotes.names, symbols)
    last = len(market.quotes.sessions) - 1
    columns = {name: betas(_window(market, last)[able], bench) for name, bench in _benchmarks(market, last, able)}
    return pd.DataFrame(columns, index=pd.Index(np.array(market.quotes.names, dtype=object)[able], name="symbol"))


def _betas_of(market: Market, position: int, target: FloatArray, able: np.ndarray) -> Iterator[Exposure]:
    held = np.flatnonzero(target)
    for name, benchmark in _benchmarks(market, position, able):
        yield Exposure("beta", name, beta_of(target[held], betas(_window(market, position)[held], benchmark)))


def _benchmarks(market: Market, position: int, able: np.ndarray) -> Iterator[tuple[str, FloatArray]]:
    """Yield each benchmark's name and its returns up to a session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a session without any return has no mean
        yield EQUAL, np.nanmean(_window(market, position)[able], axis=0)
    if market.benchmark is not None:
        yield market.benchmark.name, market.benchmark.returns[_span(position)]


def _window(market: Market, position: int) -> FloatArray:
    return market.quotes.returns[:, _span(position)]


def _span(position: int) -> slice:
    return slice(max(0, position + 1 - WINDOW), position + 1)
