"""The embedded sample: adjusted closes of 20 S&P 500 stocks, 1990 to 2022, as skfolio ships them."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantflow.data.horizon import refuse_later
from quantflow.data.providers.base import FACT_COLUMNS, INSTRUMENT_COLUMNS, pick
from quantflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import Section, UniverseConfig

_STOCKS: dict[str, tuple[str, str, str]] = {
    "AAPL": ("Apple", "Information Technology", "XNAS"),
    "AMD": ("Advanced Micro Devices", "Information Technology", "XNAS"),
    "BAC": ("Bank of America", "Financials", "XNYS"),
    "BBY": ("Best Buy", "Consumer Discretionary", "XNYS"),
    "CVX": ("Chevron", "Energy", "XNYS"),
    "GE": ("General Electric", "Industrials", "XNYS"),
    "HD": ("Home Depot", "Consumer Discretionary", "XNYS"),
    "JNJ": ("Johnson & Johnson", "Health Care", "XNYS"),
    "JPM": ("JPMorgan Chase", "Financials", "XNYS"),
    "KO": ("Coca-Cola", "Consumer Staples", "XNYS"),
    "LLY": ("Eli Lilly", "Health Care", "XNYS"),
    "MRK": ("Merck", "Health Care", "XNYS"),
    "MSFT": ("Microsoft", "Information Technology", "XNAS"),
    "PEP": ("PepsiCo", "Consumer Staples", "XNAS"),
    "PFE": ("Pfizer", "Health Care", "XNYS"),
    "PG": ("Procter & Gamble", "Consumer Staples", "XNYS"),
    "RRC": ("Range Resources", "Energy", "XNYS"),
    "UNH": ("UnitedHealth", "Health Care", "XNYS"),
    "WMT": ("Walmart", "Consumer Staples", "XNYS"),
    "XOM": ("Exxon Mobil", "Energy", "XNYS"),
}
"""Symbol: name, GICS sector and listing exchange as of the sample's last session."""

_TICK, _LOT, _MIN_NOTIONAL = 0.01, 1.0, 0.0


class SampleProvider:
    """The embedded sample as a provider: closes only, offline, the same on every machine. It has no options."""

    name = "sample"

    def __init__(self, config: Section) -> None:
        """Take no options."""

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return the sample's stocks that *universe* asks for; see ``Provider.instruments``."""
        import pandas as pd

        rows = [(name, sector, "USD", exchange) for name, sector, exchange in _STOCKS.values()]
        frame = pd.DataFrame(rows, index=pd.Index(list(_STOCKS), name="symbol"), columns=list(INSTRUMENT_COLUMNS))
        return pick(frame, universe)

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> pd.DataFrame:
        """Return closes from *start* to *end*; see ``Provider.bars``.

        Raises:
            DataError: If the sample is not installed or does not hold a symbol.
        """
        import pandas as pd

        refuse_later(end)
        sessions, closes = _closes()
        if missing := sorted(set(symbols) - set(closes)):
            raise DataError(f"The sample does not hold {missing[0]!r}.", hint=f"It holds {', '.join(closes)}.")
        first = sessions[0] if start is None else np.datetime64(start, "D")
        kept = (sessions >= first) & (sessions <= np.datetime64(end, "D"))
        days = sessions[kept]
        frame = pd.DataFrame(
            {
                "symbol": np.repeat(np.array(symbols, dtype=object), len(days)),
                "date": np.tile(days.astype("datetime64[ns]"), len(symbols)),
                "close": np.concatenate([closes[symbol][kept] for symbol in symbols]) if len(symbols) else [],
            }
        )
        return frame[frame["close"].notna()].reset_index(drop=True)

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return US equity conventions (a cent, one share, no minimum order); see ``Provider.facts``.

        Raises:
            DataError: If the sample does not hold a symbol.
        """
        import pandas as pd

        if missing := sorted(set(symbols) - set(_STOCKS)):
            raise DataError(f"The sample does not hold {missing[0]!r}.", hint=f"It holds {', '.join(_STOCKS)}.")
        rows = [("USD", _TICK, _LOT, _MIN_NOTIONAL) for _ in symbols]
        return pd.DataFrame(rows, index=pd.Index(list(symbols), name="symbol"), columns=list(FACT_COLUMNS))

    def last_date(self) -> date:
        """Return the sample's last session, 2022-12-28."""
        last: date = _closes()[0][-1].item()
        return last


@lru_cache(maxsize=1)
def _closes() -> tuple[Any, dict[str, Any]]:
    """Return the sample's sessions and each stock's closes, read from the file that skfolio ships.

    skfolio itself is not imported: that takes seconds, reading the file takes a tenth of one.
    """
    path = _sample_file()
    try:
        header, *rows = (line.split(",") for line in gzip.decompress(path.read_bytes()).decode().splitlines())
        sessions = np.array([row[0] for row in rows], dtype="datetime64[D]")
        values = np.array([[float(cell or "nan") for cell in row[1:]] for row in rows]).T
        return sessions, {symbol: values[header.index(symbol) - 1] for symbol in _STOCKS}
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise DataError(f"The sample at {path} cannot be read: {error}.", hint="Install skfolio again.") from error


def _sample_file() -> Path:
    spec = importlib.util.find_spec("skfolio")
    if spec is None or spec.origin is None:
        raise DataError("The sample comes with skfolio, which is not installed.", hint="Install skfolio.")
    return Path(spec.origin).parent / "datasets" / "data" / "sp500_dataset.csv.gz"
