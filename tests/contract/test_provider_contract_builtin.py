"""Every provider of quantflow keeps the contract that it ships for others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exchange import FakeExchange
from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.testing.provider_contract import ProviderContract

DAYS = pd.bdate_range("2020-01-01", "2021-12-31", name="date")
SYMBOLS = ("AAA", "BRK.B", "CCC", "NA")


@pytest.fixture(autouse=True)
def _own_pace(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The pace's files lie in a folder of the test, and turns are not waited for."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("pace")))
    monkeypatch.setattr("quantflow.data.rate_limit.time.sleep", lambda seconds: None)


def long_table() -> pd.DataFrame:
    """Return two years of four symbols: date, symbol, open, high, low, close, adj_close, volume."""
    rng = np.random.default_rng(2)
    frames = []
    for symbol in SYMBOLS:
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(DAYS))))
        prices = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "adj_close": close / 2}
        frames.append(pd.DataFrame({"date": DAYS, "symbol": symbol, **prices, "volume": 1000.0}))
    return pd.concat(frames, ignore_index=True)


def wide_table() -> pd.DataFrame:
    """Return the adjusted closes, a column per symbol, some of them missing."""
    return long_table().pivot(index="date", columns="symbol", values="adj_close").mask(lambda t: t > t.quantile(0.99))


def write(table: pd.DataFrame, path: Path, index: bool = False) -> None:
    """Write a table in the format of the path's name."""
    path.parent.mkdir(exist_ok=True, parents=True)
    if path.name.endswith(".parquet"):
        table.to_parquet(path, index=index)
    else:
        table.to_csv(path, index=index)


def long_parquet(folder: Path) -> str:
    """One long Parquet file."""
    write(long_table(), folder / "bars.parquet")
    return str(folder / "bars.parquet")


def long_by_year(folder: Path) -> str:
    """A long CSV file per year, gzipped."""
    for year, part in long_table().groupby(DAYS.year.to_numpy()[np.tile(np.arange(len(DAYS)), len(SYMBOLS))]):
        write(part, folder / f"{year}.csv.gz")
    return str(folder / "*.csv.gz")


def wide_csv(folder: Path) -> str:
    """One wide CSV file."""
    write(wide_table(), folder / "closes.csv", index=True)
    return str(folder / "closes.csv")


def wide_parquet(folder: Path) -> str:
    """One wide Parquet file whose index has no name."""
    write(wide_table().rename_axis(index=None, columns=None), folder / "closes.parquet", index=True)
    return str(folder / "closes.parquet")


def folder_of_csv(folder: Path) -> str:
    """A CSV file per symbol in a folder."""
    for symbol, part in long_table().groupby("symbol"):
        write(part.drop(columns="symbol"), folder / f"{symbol}.csv")
    return str(folder)


def folder_of_parquet(folder: Path) -> str:
    """A Parquet file per symbol, matched by a glob."""
    for symbol, part in long_table().groupby("symbol"):
        write(part.drop(columns="symbol"), folder / "deep" / f"{symbol}.parquet")
    return str(folder / "**" / "*.parquet")


def memory_url(folder: Path) -> str:
    """A long CSV file at an fsspec URL."""
    import fsspec

    with fsspec.open("memory://contract/bars.csv", "w") as file:
        long_table().to_csv(file, index=False)
    return "memory://contract/bars.csv"


class TestSample(ProviderContract):
    """The embedded sample."""

    start, end = date(2020, 1, 2), date(2020, 6, 30)

    @pytest.fixture
    def config(self) -> DataConfig:
        """Return the default settings."""
        return DataConfig()


class TestFiles(ProviderContract):
    """Files of every layout."""

    start, end = date(2020, 2, 1), date(2021, 6, 30)

    @pytest.fixture(
        params=[
            long_parquet,
            long_by_year,
            wide_csv,
            wide_parquet,
            folder_of_csv,
            folder_of_parquet,
            memory_url,
        ],
        ids=lambda make: make.__name__,
    )
    def config(self, request: pytest.FixtureRequest, tmp_path: Path) -> DataConfig:
        """Return settings for files of one layout."""
        return DataConfig(provider="files", path=request.param(tmp_path))


class TestCcxt(ProviderContract):
    """An exchange behind ccxt."""

    start, end = date(2024, 1, 1), date(2024, 6, 30)
    universe = UniverseConfig(exclude=("SOL/USDT",))
    live = True

    @pytest.fixture
    def config(self) -> Iterator[DataConfig]:
        """Return settings for a fake exchange; two pages of bars per symbol."""
        with FakeExchange(("BTC", "ETH", "XRP", "SOL"), first=date(2023, 11, 1)) as exchange:
            yield DataConfig(provider="ccxt", exchange="binance", base_url=exchange.url, limit=100)


class TestCcxtToday(TestCcxt):
    """An exchange whose window reaches into the future: today's open bar is not there."""

    start, end = date.today() - timedelta(days=40), date.today() + timedelta(days=3)

    def test_today_is_not_over(self, provider, symbols) -> None:  # type: ignore[no-untyped-def]
        """The last bar is yesterday's."""
        from datetime import UTC, datetime

        last = self.bars(provider, symbols)["date"].max()
        assert last.date() == datetime.now(UTC).date() - timedelta(days=1)


class TestCcxtCached(TestCcxt):
    """An exchange whose bars are kept."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Iterator[DataConfig]:
        """Return settings for a fake exchange, with a cache."""
        with FakeExchange(("BTC", "ETH", "XRP", "SOL"), first=date(2023, 11, 1)) as exchange:
            yield DataConfig(provider="ccxt", exchange="binance", base_url=exchange.url, limit=100, cache=str(tmp_path))
