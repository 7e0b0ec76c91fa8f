"""A provider: made-up prices that are the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from zlib import crc32

import numpy as np
import pandas as pd

from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.data.calendars import sessions
from quantflow.data.providers.base import pick
from quantflow.errors import ConfigError

FIRST, LAST = date(2015, 1, 2), date(2023, 12, 29)
SYMBOLS = tuple(f"WALK{number:02d}" for number in range(12))


class RandomWalkProvider:
    """Twelve geometric random walks on the sessions of the New York exchange; each has a seed and drift of its own."""

    name = "random_walk"

    def __init__(self, config: DataConfig) -> None:
        self._config = config

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return the walks that *universe* asks for."""
        rows = {
            "name": [f"Random walk {symbol[-2:]}" for symbol in SYMBOLS],
            "sector": ["calm" if number % 2 else "wild" for number in range(len(SYMBOLS))],
            "currency": "USD",
            "exchange": "NONE",
        }
        return pick(pd.DataFrame(rows, index=pd.Index(SYMBOLS, name="symbol")), universe)

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> pd.DataFrame:
        """Return closes and volumes from *start* to *end*; no close depends on which are asked for."""
        _refuse_unknown(symbols)
        days = sessions("XNYS", FIRST, LAST)
        kept = (days >= np.datetime64(start or FIRST)) & (days <= np.datetime64(end))
        columns: dict[str, list[object]] = {"symbol": [], "close": [], "volume": []}
        for symbol in symbols:
            close, volume = _walk(symbol, len(days))
            columns["symbol"] += [symbol] * int(kept.sum())
            columns["close"] += close[kept].tolist()
            columns["volume"] += volume[kept].tolist()
        dates = np.tile(days[kept], len(symbols)).astype("datetime64[s]")
        frame = pd.DataFrame({"symbol": columns["symbol"], "date": dates})
        return frame.assign(
            symbol=frame["symbol"].astype("str"),
            close=np.array(columns["close"], dtype=np.float64),
            volume=np.array(columns["volume"], dtype=np.float64),
        )

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return what is needed to trade the walks: cents, single units, no minimum."""
        _refuse_unknown(symbols)
        rows = {"currency": "USD", "tick": 0.01, "lot": 1.0, "min_notional": 0.0}
        return pd.DataFrame(rows, index=pd.Index(list(symbols), name="symbol"))

    def last_date(self) -> date:
        """Return the day of the last bar."""
        return LAST


def _refuse_unknown(symbols: Sequence[str]) -> None:
    for symbol in symbols:
        if symbol not in SYMBOLS:
            raise ConfigError(f"There is no symbol {symbol!r}.", hint=f"Symbols: {SYMBOLS[0]} to {SYMBOLS[-1]}.")


def _walk(symbol: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return closes and volumes; the seed is the symbol's, so that neither depends on what else is asked for."""
    number = SYMBOLS.index(symbol)
    random = np.random.default_rng(crc32(symbol.encode()))
    daily = 0.008 if number % 2 else 0.016
    steps = random.normal(0.0002 + 0.00003 * number, daily, length)
    return 50.0 * np.exp(np.cumsum(steps)), np.round(random.lognormal(13.0, 0.4, length))
