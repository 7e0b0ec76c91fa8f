"""Daily bars of the spot markets of any exchange that ccxt knows."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from quantflow.config.credentials import revealed
from quantflow.config.data import CcxtOptions
from quantflow.data.horizon import refuse_later
from quantflow.data.market_cache import MarketCache
from quantflow.data.panel import FloatArray
from quantflow.data.providers.base import FACT_COLUMNS, INSTRUMENT_COLUMNS, pick
from quantflow.data.providers.files.locations import retry_after
from quantflow.data.rate_limit import SharedPace
from quantflow.errors import ConfigError, DataError, DataUnavailableError, QuantflowError, shortened, unknown_name

if TYPE_CHECKING:
    import pandas as pd

    from quantflow.config.sections import UniverseConfig

_DAY = 86_400_000
_GENESIS = date(2010, 1, 1)
"""Before the first exchange that still trades."""

_UNREADABLE = (TypeError, KeyError, ValueError, IndexError, AttributeError)
"""What ccxt raises when an answer is not of the form that it expects, e.g. a page of HTML."""


Market: TypeAlias = Mapping[str, Any]
"""What ccxt says of a market."""


class CcxtProvider:
    """The spot markets of one exchange as a provider; symbols are ccxt's unified ones, e.g. ``BTC/USDT``.

    Without ``universe.symbols`` the universe is the ``top`` markets of the quote currency by traded value in the last
    24 hours: a choice of today, which in a past simulation knows who would survive. Name the symbols to avoid that.

    A day is a UTC day; today's bar is never returned, since it is not over. A bar without volume is none. Keys, where
    an exchange wants them for public data, come from ``QUANTFLOW_<EXCHANGE>_APIKEY`` and ``..._SECRET``.

    Args:
        config: Its options in the profile's data section.

    Attributes:
        restated: Days whose bars are not what they were when they were fetched before, by symbol; known once the
            bars have been fetched.
        former: The bars of these days as they were, by symbol; a day that had none has none here.

    Raises:
        ConfigError: If ccxt is not installed, or there is no such exchange.
    """

    name = "ccxt"
    Config = CcxtOptions
    restated: dict[str, tuple[date, ...]]
    former: dict[str, Any]

    def __init__(self, config: CcxtOptions) -> None:
        self._config = config
        self._ccxt = _library()
        if config.exchange is None:
            raise ConfigError(
                "The provider 'ccxt' needs data.exchange.", hint='Name one, e.g. data.exchange = "binance".'
            )
        if config.exchange not in self._ccxt.exchanges:
            raise unknown_name("exchange", config.exchange, self._ccxt.exchanges)
        self.restated, self.former = {}, {}
        self._client = _client(self._ccxt, config)
        self._pace = SharedPace(f"{config.exchange}-{config.base_url or ''}", self._client.rateLimit / 1000)
        self._client.throttle = lambda cost=None: self._pace.take(1.0 if cost is None else cost)
        self._cache = MarketCache(Path(config.cache), f"ccxt-{config.exchange}") if config.cache is not None else None

    def instruments(self, universe: UniverseConfig) -> pd.DataFrame:
        """Return the active spot markets in the quote currency that *universe* asks for; see ``Provider.instruments``.

        Raises:
            ConfigError: If *universe* names what is not there.
            DataUnavailableError: If the exchange does not answer now.
            DataError: If it refuses.
        """
        import pandas as pd

        markets = {symbol: market for symbol, market in self._markets.items() if self._is_offered(market)}
        if universe.symbols is None:
            markets = {symbol: markets[symbol] for symbol in self._largest(set(markets) - set(universe.exclude))}
        rows = [(market["base"], "", market["quote"], self._client.id) for market in markets.values()]
        index = pd.Index(list(markets), name="symbol", dtype="str")
        return pick(pd.DataFrame(rows, index=index, columns=list(INSTRUMENT_COLUMNS), dtype="str"), universe)

    def bars(self, symbols: Sequence[str], start: date | None, end: date) -> pd.DataFrame | Iterable[pd.DataFrame]:
        """Return the bars symbol by symbol, as they are fetched; see ``Provider.bars``.

        Raises:
            DataError: If the exchange does not have a symbol; while fetching, if it refuses.
            DataUnavailableError: While fetching, if it does not answer now.
        """
        refuse_later(end)
        self._check_known(symbols)
        last = min(end, datetime.now(UTC).date() - timedelta(days=1))
        return (self._series(symbol, start or _GENESIS, last) for symbol in symbols)

    def facts(self, symbols: Sequence[str]) -> pd.DataFrame:
        """Return tick, lot and least order value as the exchange states them, NaN where not; see ``Provider.facts``.

        Raises:
            DataError: If the exchange does not have a symbol.
            DataUnavailableError: If it does not answer now.
        """
        import pandas as pd

        self._check_known(symbols)
        rows = [self._facts(self._markets[symbol]) for symbol in symbols]
        return pd.DataFrame(rows, index=pd.Index(list(symbols), name="symbol"), columns=list(FACT_COLUMNS))

    def last_date(self) -> date | None:
        """Return None: an exchange has bars up to yesterday."""
        return None

    @cached_property
    def _markets(self) -> dict[str, Any]:
        markets: dict[str, Any] = self._ask("its markets", self._client.load_markets)
        if not markets:
            raise self._unreadable("its markets")
        return {symbol: market for symbol, market in sorted(markets.items()) if market.get("spot")}

    def _is_offered(self, market: Market) -> bool:
        return market["quote"] == self._config.quote and market.get("active") is not False

    def _largest(self, symbols: set[str]) -> list[str]:
        tickers = self._ask("its tickers", self._client.fetch_tickers)
        volumes = {symbol: _traded(tickers[symbol]) for symbol in symbols & set(tickers)}
        if not volumes and symbols:
            raise self._unreadable("its tickers")
        return sorted(volumes, key=lambda symbol: (-volumes[symbol], symbol))[: self._config.top]

    def _check_known(self, symbols: Sequence[str]) -> None:
        if missing := sorted(set(symbols) - set(self._markets)):
            close = difflib.get_close_matches(missing[0], self._markets, n=1, cutoff=0.5)
            guess = f"Did you mean {close[0]!r}?" if close else f"It has {len(self._markets)} spot markets."
            raise DataError(f"{self._client.id} does not have the symbol {missing[0]!r}.", hint=guess)

    def _facts(self, market: Market) -> tuple[str, float, float, float]:
        precision, limits = market.get("precision") or {}, market.get("limits") or {}
        least = (limits.get("cost") or {}).get("min")
        steps = (_step(precision.get(key), self._client.precisionMode, self._ccxt) for key in ("price", "amount"))
        return (market["quote"], *steps, np.nan if least is None else float(least))

    def _series(self, symbol: str, first: date, last: date) -> Any:
        def fetch(since: date, until: date) -> FloatArray:
            rows = [row for page in self._pages(symbol, _stamp(since), _stamp(until)) for row in page]
            table = np.array(rows, dtype=np.float64).reshape(-1, 6)
            traded: FloatArray = table[~np.isnan(table[:, 4]) & (table[:, 5] != 0)]
            return traded

        if self._cache is None:
            table = fetch(first, last)
        else:
            series = self._cache.series(symbol, first, last, fetch)
            table = series.rows
            if series.restated:
                self.restated[symbol], self.former[symbol] = series.restated, _frame(symbol, series.former)
        return _frame(symbol, table)

    def _pages(self, symbol: str, first: int, last: int) -> Iterator[list[list[Any]]]:
        """Return the bars from *first* to *last* (milliseconds) page by page, in the order of the exchange."""
        what, limit = f"the bars of {symbol}", self._config.limit
        while first <= last:
            rows = self._ask(what, self._client.fetch_ohlcv, symbol, "1d", first, limit)
            if not all(_is_bar(row) for row in rows):
                raise self._unreadable(what)
            page = [row[:6] for row in rows if first <= row[0] < last + _DAY]
            yield page
            newest = max((row[0] // _DAY * _DAY for row in page), default=first + (limit - 1) * _DAY)
            first = newest + _DAY

    def _ask(self, what: str, method: Callable[..., Any], *args: Any) -> Any:
        self._client.last_response_headers = self._client.last_json_response = None
        try:
            answer = method(*args)
        except self._ccxt.BaseError as error:
            raise self._translated(what, error) from None  # the cause prints whole URLs
        except _UNREADABLE:
            raise self._unreadable(what) from None
        if self._client.last_json_response is None:  # ccxt takes what is not JSON for an answer without rows
            raise self._unreadable(what)
        return answer

    def _unreadable(self, what: str) -> DataUnavailableError:
        return DataUnavailableError(
            f"{self._client.id} gave an answer that cannot be read when asked for {what}.", hint="Try again later."
        )

    def _translated(self, what: str, error: Exception) -> QuantflowError:
        name = type(error).__name__
        said = f"{self._client.id} failed when asked for {what} ({name}): {_harmless(str(error), self._client)}"
        if isinstance(error, self._ccxt.OperationFailed):
            wait = retry_after(self._client.last_response_headers or {})
            self._pace.pause(wait or 0.0)
            return DataUnavailableError(
                said, hint="The exchange is busy or out of reach: resume later.", retry_after=wait
            )
        prefix = f"QUANTFLOW_{self._client.id.upper()}"
        if isinstance(error, self._ccxt.AuthenticationError):
            return DataError(said, hint=f"Look at {prefix}_APIKEY and {prefix}_SECRET.")
        return DataError(said, hint="Look at universe.symbols and the section data.")


def _library() -> Any:
    try:
        return import_module("ccxt")
    except ImportError as error:
        raise ConfigError("The provider 'ccxt' needs the package ccxt.", hint="Install quantflow[crypto].") from error


def _client(library: Any, config: CcxtOptions) -> Any:
    prefix = f"QUANTFLOW_{str(config.exchange).upper()}"
    keys = {"apiKey": os.environ.get(f"{prefix}_APIKEY"), "secret": os.environ.get(f"{prefix}_SECRET")}
    options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}
    settings = {"enableRateLimit": True, "timeout": config.timeout * 1000, "options": options}
    client = getattr(library, str(config.exchange))({**settings, **{key: text for key, text in keys.items() if text}})
    client.has["fetchCurrencies"] = False
    client.enableLastJsonResponse = True
    if config.base_url is not None:
        client.urls["api"] = _redirected(client.urls["api"], revealed(config.base_url))
    return client


def _redirected(urls: Any, base: str) -> Any:
    """Return a tree of URLs with scheme and host replaced."""
    if isinstance(urls, dict):
        return {name: _redirected(below, base) for name, below in urls.items()}
    return re.sub(r"^https?://[^/]+", base, urls) if isinstance(urls, str) else urls


def _traded(ticker: Any) -> float:
    """Return the value traded in the last 24 hours, in the quote currency; 0 when it is not known."""
    value = ticker.get("quoteVolume")
    if value is None:
        value = (ticker.get("baseVolume") or 0) * (ticker.get("last") or 0)
    return float(value)


def _step(precision: Any, mode: int, library: Any) -> float:
    """Return the smallest step that a market's precision stands for; NaN when it depends on the price."""
    if precision is None or mode == library.SIGNIFICANT_DIGITS:
        return np.nan
    return float(precision) if mode == library.TICK_SIZE else 10.0 ** -int(precision)


def _frame(symbol: str, table: FloatArray) -> pd.DataFrame:
    """Return rows of stamp (ms), open, high, low, close, volume as a table of bars."""
    import pandas as pd

    days = (table[:, 0].astype(np.int64) // _DAY).astype("datetime64[D]").astype("datetime64[s]")
    names = pd.Categorical.from_codes(np.zeros(len(days), np.int8), [symbol])
    values = dict(zip(("open", "high", "low", "close", "volume"), table[:, 1:].T, strict=True))
    return pd.DataFrame({"symbol": names, "date": days, **values})


def _is_bar(row: Any) -> bool:
    if not isinstance(row, list) or len(row) < 6 or not isinstance(row[0], (int, float)):
        return False
    return all(value is None or isinstance(value, (int, float)) for value in row[1:6])


def _stamp(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _harmless(text: str, client: Any) -> str:
    """Return an error's text without keys and without what follows a URL's path, at most 300 characters."""
    for secret in (client.apiKey, client.secret):
        text = text.replace(secret, "***") if secret else text
    text = re.sub(r"(https?://)[^\s/@]*@", r"\1", text)
    return shortened(re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", text).strip(), 300)
