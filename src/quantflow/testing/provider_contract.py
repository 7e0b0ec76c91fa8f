"""What every provider must keep, as tests: subclass ``ProviderContract`` in a test module.

    class TestMyProvider(ProviderContract):
        start, end = date(2024, 1, 2), date(2024, 3, 29)
        make = MyProvider  # only while it is not registered as an entry point

        @pytest.fixture
        def config(self):
            return DataConfig(provider="mine", path="...")

The window from ``start`` to ``end`` must hold bars of at least two symbols, and more bars must lie around it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

import numpy as np
import pytest

from quantflow.config.data import DataConfig
from quantflow.config.sections import UniverseConfig
from quantflow.data.grid import tables
from quantflow.data.providers import Provider, open_provider
from quantflow.data.providers.base import BAR_FIELDS, FACT_COLUMNS, INSTRUMENT_COLUMNS, LAST_MOVE
from quantflow.data.quality.contracts import check_bars
from quantflow.errors import ConfigError, DataError, QuantflowError


def collect(bars: Any) -> Any:
    """Return what ``Provider.bars`` gave as one DataFrame, sorted by symbol and date, text as text.

    Args:
        bars: A DataFrame or an iterable of them; each is held to ``check_bars``.
    """
    import pandas as pd

    empty = pd.DataFrame({"symbol": pd.Series(dtype="str"), "date": np.empty(0, "datetime64[s]"), "close": np.empty(0)})
    parts = []
    for table in tables(bars):
        check_bars(table)
        parts.append(table.assign(symbol=table["symbol"].astype("str"), date=table["date"].astype("datetime64[s]")))
    whole = pd.concat([part for part in parts if len(part)] or [empty], ignore_index=True)
    return whole.sort_values(["symbol", "date"], kind="stable", ignore_index=True)


class ProviderContract:
    """The tests. A subclass sets ``start`` and ``end`` and gives the fixture ``config``.

    Attributes:
        make: Makes the provider of its settings.
        start: First day of a window that has bars.
        end: Its last day.
        universe: What is asked for; all there is unless said.
        unknown: A symbol that the provider does not have.
        live: Whether ``last_date`` is None, since the provider has bars up to the last session that is over.
    """

    make: ClassVar[Callable[[DataConfig], Provider]] = staticmethod(open_provider)
    start: ClassVar[date]
    end: ClassVar[date]
    universe: ClassVar[UniverseConfig] = UniverseConfig()
    unknown: ClassVar[str] = "NO-SUCH-SYMBOL"
    live: ClassVar[bool] = False

    @pytest.fixture
    def config(self) -> DataConfig:
        """Return the provider's settings; a subclass must."""
        pytest.fail("A provider's contract test gives the fixture `config`.")

    @pytest.fixture
    def provider(self, config: DataConfig) -> Provider:
        """Return the provider."""
        return type(self).make(config)

    @pytest.fixture
    def symbols(self, provider: Provider) -> tuple[str, ...]:
        """Return the symbols of the universe."""
        return tuple(provider.instruments(self.universe).index)

    def bars(self, provider: Provider, symbols: Sequence[str]) -> Any:
        """Return the bars of the window as one sorted DataFrame."""
        return collect(provider.bars(symbols, self.start, self.end))

    def test_it_has_the_methods(self, provider: Provider) -> None:
        """A provider has a name and every method of the protocol."""
        assert isinstance(provider, Provider)
        assert provider.name

    def test_instruments_are_sorted_unique_text(self, provider: Provider) -> None:
        """Instruments have a row per symbol, sorted, with exactly the columns of text; and delisting returns if any."""
        table = provider.instruments(self.universe)
        moves = table.pop(LAST_MOVE) if LAST_MOVE in table else None
        assert moves is None or (moves.dropna() >= -1.0).all(), "nobody loses more than everything"
        symbols = list(table.index)
        assert len(symbols) >= 2, "the window needs two symbols"
        assert symbols == sorted(set(symbols)), "symbols are not sorted and unique"
        assert table.index.name == "symbol"
        assert tuple(table.columns) == INSTRUMENT_COLUMNS
        assert all(isinstance(value, str) for row in table.itertuples() for value in row), "not all text"

    def test_the_universe_picks(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """Named symbols are all that comes back, excluded ones do not, and an unknown one is a config error."""
        first, second = symbols[:2]
        named = provider.instruments(UniverseConfig(symbols=(second, first)))
        assert list(named.index) == [first, second]
        without = provider.instruments(UniverseConfig(symbols=(second, first), exclude=(first,)))
        assert list(without.index) == [second]
        with pytest.raises(ConfigError) as caught:
            provider.instruments(UniverseConfig(symbols=(self.unknown,)))
        assert caught.value.hint, "the error needs a hint"

    def test_bars_keep_the_window(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """No bar lies before the start or after the end, and every bar is of a symbol that was asked for."""
        bars = self.bars(provider, symbols)
        assert len(bars), "the window has no bars"
        assert set(bars["symbol"]) <= set(symbols)
        days = bars["date"].to_numpy().astype("datetime64[D]")
        assert days.min() >= np.datetime64(self.start), "a bar lies before the start"
        assert days.max() <= np.datetime64(self.end), "a bar lies after the end"

    def test_bars_are_days(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """A bar is dated by its session, without a time of day, and there is one per symbol and session."""
        bars = self.bars(provider, symbols)
        days = bars["date"].to_numpy()
        assert (days == days.astype("datetime64[D]")).all(), "a bar has a time of day"
        assert not bars.duplicated(["symbol", "date"]).any(), "two bars of one symbol and session"

    def test_bars_are_possible(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """Prices are positive and finite, every bar has a close, volume is not negative, high is not below low."""
        bars = self.bars(provider, symbols)
        assert bars["close"].notna().all(), "a bar has no close"
        for name in (name for name in BAR_FIELDS if name in bars):
            values = bars[name].dropna()
            assert np.isfinite(values).all(), f"{name} is infinite"
            assert (values >= 0).all() if name == "volume" else (values > 0).all(), f"{name} is zero or negative"
        if {"high", "low"} <= set(bars):
            assert not (bars["high"] < bars["low"]).any(), "a high is below its low"

    def test_asking_twice_gives_the_same(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """The same question has the same answer."""
        assert self.bars(provider, symbols).equals(self.bars(provider, symbols))

    def test_fewer_symbols_give_the_same_rows(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """What a symbol's bars are does not depend on what else is asked for, nor in which order."""
        whole = self.bars(provider, symbols)
        for part in (symbols[:1], symbols[1::-1]):
            kept = whole[whole["symbol"].isin(part)].reset_index(drop=True)
            assert self.bars(provider, part).equals(kept)

    def test_a_shorter_window_gives_the_same_rows(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """What a bar is does not depend on the window: nothing is adjusted by what comes after the end."""
        middle = self.start + (self.end - self.start) / 2
        whole = self.bars(provider, symbols[:2])
        part = collect(provider.bars(symbols[:2], self.start, middle))
        kept = whole[whole["date"].to_numpy().astype("datetime64[D]") <= np.datetime64(middle)]
        assert part.equals(kept.reset_index(drop=True))

    def test_an_empty_window_is_empty(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """A window that ends before it starts, and a question for no symbol, have no bars and are no error."""
        assert collect(provider.bars(symbols, self.end, self.end - timedelta(days=1))).empty
        assert collect(provider.bars((), self.start, self.end)).empty

    def test_an_unknown_symbol_is_refused(self, provider: Provider) -> None:
        """Bars and facts of a symbol that does not exist are an error that names it, with a hint, not retried."""
        questions: tuple[Callable[[], Any], ...] = (
            lambda: collect(provider.bars((self.unknown,), self.start, self.end)),
            lambda: provider.facts((self.unknown,)),
        )
        for question in questions:
            with pytest.raises((ConfigError, DataError)) as caught:
                question()
            error: QuantflowError = caught.value
            assert self.unknown in error.message
            assert error.hint, "the error needs a hint"
            assert not error.retryable

    def test_facts_come_as_asked(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """Facts have one row per symbol in the order asked, and numbers that an order can use or NaN."""
        asked = list(symbols[1::-1])
        facts = provider.facts(asked)
        assert list(facts.index) == asked
        assert tuple(facts.columns) == FACT_COLUMNS
        assert all(isinstance(value, str) for value in facts["currency"])
        for name in ("tick", "lot", "min_notional"):
            assert facts[name].dtype == np.float64, f"{name} is not a float"
            assert (facts[name].dropna() >= 0).all(), f"{name} is negative"

    def test_the_last_date_is_that_of_the_last_bar(self, provider: Provider, symbols: tuple[str, ...]) -> None:
        """A provider of stored bars knows its last date; a live one says that it has none."""
        last = provider.last_date()
        if self.live:
            assert last is None
            return
        assert type(last) is date
        late = collect(provider.bars(symbols, last - timedelta(days=10), last + timedelta(days=400)))
        assert late["date"].max().date() <= last

    def test_its_settings_travel(self, config: DataConfig, provider: Provider, symbols: tuple[str, ...]) -> None:
        """A provider made of pickled settings gives the same bars: another process can fetch in its place."""
        copy = type(self).make(pickle.loads(pickle.dumps(config)))  # our own bytes
        assert self.bars(copy, symbols[:1]).equals(self.bars(provider, symbols[:1]))
