"""The ccxt provider against a fake exchange on loopback: pages, universe, facts, and what each fault becomes."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from exchange import DAY, FakeExchange, Fault
from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers import open_provider
from quantflow.data.providers.crypto import _harmless, _redirected, _step
from quantflow.data.providers.files.locations import retry_after
from quantflow.errors import ConfigError, DataError, DataUnavailableError
from quantflow.testing.provider_contract import collect

FIRST, LAST = date(2023, 1, 1), date(2023, 12, 31)
TRANSIENT = (Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.RESET, Fault.SHORT, Fault.TRUNCATED, Fault.HTML)
PERMANENT = (Fault.FORBIDDEN, Fault.VANISHED)


@pytest.fixture(autouse=True)
def _own_pace(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The pace's files lie in a folder of the test, and turns are not waited for."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("pace")))
    monkeypatch.setattr("quantflow.data.rate_limit.time.sleep", lambda seconds: None)


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    """A fake exchange that trades four coins since 2023."""
    with FakeExchange(("BTC", "ETH", "XRP", "ADA"), first=FIRST) as fake:
        yield fake


def provider(exchange: FakeExchange, **settings: Any) -> Any:
    """Return a provider of the fake exchange."""
    given = {"provider": "ccxt", "exchange": "binance", "base_url": exchange.url, "timeout": 1, **settings}
    return open_provider(DataConfig.model_validate(given))


def bars(source: Any, symbol: str = "BTC/USDT", start: date | None = FIRST, end: date = LAST) -> Any:
    """Return the bars of one symbol."""
    return collect(source.bars((symbol,), start, end))


@pytest.mark.parametrize("limit", [2, 7, 100, 365, 1000])
def test_pages_join_to_what_the_exchange_holds(exchange: FakeExchange, limit: int) -> None:
    """Whatever the page, the bars are the exchange's, each once, and the pages are as few as can be."""
    end = FIRST + timedelta(days=99)
    found = bars(provider(exchange, limit=limit), end=end)
    expected = np.array(exchange.bars["BTCUSDT"][:100])
    np.testing.assert_array_equal(found[["open", "high", "low", "close", "volume"]].to_numpy(), expected[:, 1:])
    np.testing.assert_array_equal(found["date"].to_numpy().astype("datetime64[ms]").astype(int), expected[:, 0])
    assert sum("klines" in request for request in exchange.requests) == -(-100 // limit)


def test_the_earliest_bar_is_found(exchange: FakeExchange) -> None:
    """Without a start the bars begin where the exchange's do."""
    assert bars(provider(exchange), start=None)["date"].min().date() == FIRST


def test_a_hole_in_the_history_is_passed(exchange: FakeExchange) -> None:
    """A stretch without bars, longer than a page, does not end the search for later ones."""
    rows = exchange.bars["BTCUSDT"]
    exchange.bars["BTCUSDT"] = rows[:10] + rows[100:]
    found = bars(provider(exchange, limit=20))
    assert len(found) == 365 - 90


def test_a_bar_without_trade_is_none(exchange: FakeExchange) -> None:
    """What an exchange fills in for a day without volume is not passed on as a price."""
    exchange.bars["BTCUSDT"][5][5] = 0.0
    assert len(bars(provider(exchange))) == 364


def test_the_universe_is_the_largest_by_traded_value(exchange: FakeExchange) -> None:
    """Top picks by volume in the quote currency, after what is excluded; named symbols need no rank."""
    top = provider(exchange, top=2)
    assert list(top.instruments(UniverseConfig()).index) == ["BTC/USDT", "ETH/USDT"]
    assert list(top.instruments(UniverseConfig(exclude=("BTC/USDT",))).index) == ["ETH/USDT", "XRP/USDT"]
    assert list(top.instruments(UniverseConfig(symbols=("ADA/USDT",))).index) == ["ADA/USDT"]
    row = top.instruments(UniverseConfig(symbols=("ADA/USDT",))).loc["ADA/USDT"]
    assert row.tolist() == ["ADA", "", "USDT", "binance"]


def test_the_quote_decides_what_there_is(exchange: FakeExchange) -> None:
    """Markets in another currency are not offered."""
    with pytest.raises(ConfigError, match="'BTC/USDT', which the provider does not have"):
        provider(exchange, quote="EUR").instruments(UniverseConfig(symbols=("BTC/USDT",)))
    with pytest.raises(ConfigError, match="universe is empty"):
        provider(exchange, quote="EUR").instruments(UniverseConfig())


def test_facts_are_the_markets(exchange: FakeExchange) -> None:
    """Tick, lot and least order value are those that the exchange states."""
    assert provider(exchange).facts(["BTC/USDT"]).loc["BTC/USDT"].tolist() == ["USDT", 0.01, 0.001, 5.0]


def test_precision_is_read_in_each_of_ccxts_modes() -> None:
    """A step may be given as itself or as decimal places; significant digits are no step."""
    ccxt = importlib.import_module("ccxt")
    assert _step(0.05, ccxt.TICK_SIZE, ccxt) == 0.05
    assert _step(3, ccxt.DECIMAL_PLACES, ccxt) == pytest.approx(0.001)
    assert np.isnan(_step(5, ccxt.SIGNIFICANT_DIGITS, ccxt))
    assert np.isnan(_step(None, ccxt.TICK_SIZE, ccxt))


def test_an_unknown_exchange_names_the_nearest() -> None:
    """A typo is answered with the exchange that was meant; none at all is asked for."""
    with pytest.raises(ConfigError) as caught:
        open_provider(DataConfig(provider="ccxt", exchange="binanc"))
    assert "Did you mean 'binance'?" in str(caught.value.hint)
    with pytest.raises(ConfigError, match=r"needs data\.exchange"):
        open_provider(DataConfig(provider="ccxt"))


@pytest.mark.parametrize("path", ["exchangeInfo", "24hr", "klines"])
@pytest.mark.parametrize("fault", [*TRANSIENT, *PERMANENT])
def test_each_fault_is_told_apart(exchange: FakeExchange, fault: Fault, path: str) -> None:
    """What may heal is retryable and says how long to wait; what will not names the exchange's reason."""
    exchange.order(fault, path=path)
    source = provider(exchange)

    def ask() -> None:
        source.instruments(UniverseConfig())
        bars(source)

    with pytest.raises(DataUnavailableError if fault in TRANSIENT else DataError) as caught:
        ask()
    assert caught.value.retryable is (fault in TRANSIENT)
    assert caught.value.message.startswith("binance ")
    assert caught.value.hint
    if fault is Fault.RATE_LIMIT:
        assert caught.value.retry_after == exchange.retry_after
    if fault is Fault.VANISHED:
        assert "Invalid symbol." in caught.value.message


def test_a_stalled_answer_ends_at_the_timeout(exchange: FakeExchange) -> None:
    """Silence in the middle of an answer is given up after the seconds allowed, and may heal."""
    exchange.order(Fault.STALL)
    with pytest.raises(DataUnavailableError, match="RequestTimeout"):
        bars(provider(exchange, timeout=1))


def test_after_a_fault_the_same_provider_answers(exchange: FakeExchange) -> None:
    """A fault leaves nothing behind."""
    source = provider(exchange)
    exchange.order(Fault.HTML)
    with pytest.raises(DataUnavailableError):
        bars(source)
    assert len(bars(source)) == 365


def test_bars_from_the_future_and_repeated_bars(exchange: FakeExchange) -> None:
    """A bar of a day to come is never returned, nor ends the search; a repeated bar is left to the data contract."""
    plain = bars(provider(exchange))
    exchange.order(Fault.FUTURE, times=9)
    assert bars(provider(exchange, limit=50)).equals(plain)
    exchange.bars["BTCUSDT"] = exchange.bars["BTCUSDT"][:100]
    exchange._orders.clear()
    exchange.order(Fault.DUPLICATE)
    found = bars(provider(exchange))
    assert len(found) == 101
    assert len(found.drop_duplicates()) == 100


def test_today_is_not_over(exchange: FakeExchange) -> None:
    """The bar of the current day is never returned."""
    today = datetime.now(UTC).date()
    found = bars(provider(exchange), start=today - timedelta(days=3), end=today + timedelta(days=3))
    assert exchange.bars["BTCUSDT"][-1][0] // DAY == (today - date(1970, 1, 1)).days
    assert found["date"].max().date() == today - timedelta(days=1)


def test_keys_come_from_the_environment_and_go_nowhere(
    exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys reach the client, but no message, traceback or log, even when the exchange repeats them."""
    monkeypatch.setenv("QUANTFLOW_BINANCE_APIKEY", "key-1234")
    monkeypatch.setenv("QUANTFLOW_BINANCE_SECRET", "secret-5678")
    source = provider(exchange)
    assert (source._client.apiKey, source._client.secret) == ("key-1234", "secret-5678")
    exchange._answer = lambda request: (400, {"code": -1, "msg": "bad key-1234 and secret-5678"})  # type: ignore[method-assign]
    with pytest.raises(DataError) as caught:
        bars(source)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + str(vars(caught.value))
    assert "***" in caught.value.message
    assert "key-1234" not in told
    assert "secret-5678" not in told


def test_urls_lose_credentials_and_queries() -> None:
    """What an error prints of an address is scheme, host and path."""
    client = importlib.import_module("ccxt").binance()
    told = _harmless("binance GET http://me:pw@h:1/api?signature=abc&x=1 {}", client)
    assert told == "binance GET http://h:1/api {}"


def test_every_url_is_redirected() -> None:
    """base_url replaces scheme and host of each endpoint and keeps its path."""
    urls = {"public": "https://api.x.com/v3", "deep": {"v1": "https://{hostname}/v1"}, "none": None}
    assert _redirected(urls, "http://h:1") == {"public": "http://h:1/v3", "deep": {"v1": "http://h:1/v1"}, "none": None}


def test_retry_after_is_seconds_or_a_date() -> None:
    """Both forms of the header are read; anything else says nothing."""
    later = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert retry_after({"retry-after": "3"}) == 3.0
    assert retry_after({"Retry-After": later}) == pytest.approx(60, abs=5)
    assert retry_after({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0.0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None
