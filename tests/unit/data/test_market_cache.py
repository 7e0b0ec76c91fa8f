"""Kept bars: only new days are asked for, damage is seen, and a restated history is told."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import FakeExchange
from quantflow.data.market_cache import MarketCache
from quantflow.data.providers import open_provider
from quantflow.stages.ingestion import IngestionStage

ZERO = date(2024, 1, 1)


def day(number: int) -> date:
    """Return a day by its number."""
    return ZERO + timedelta(days=number)


@pytest.fixture(autouse=True)
def _own_pace(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The pace's files lie in a folder of the test, and turns are not waited for."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("pace")))
    monkeypatch.setattr("quantflow.data.rate_limit.time.sleep", lambda seconds: None)


class Source:
    """A history of 100 days that says what it was asked."""

    def __init__(self) -> None:
        self.close = np.arange(100.0) + 1
        self.asked: list[tuple[int, int]] = []

    def fetch(self, first: date, last: date) -> Any:
        """Return the rows of some days; every seventh day has none."""
        self.asked.append(((first - ZERO).days, (last - ZERO).days))
        days = [n for n in range(100) if first <= day(n) <= last and n % 7]
        stamps = [(day(n) - date(1970, 1, 1)).days * 86_400_000 for n in days]
        return np.array([[stamp, *[self.close[n]] * 4, 9.0] for stamp, n in zip(stamps, days, strict=True)]).reshape(
            -1, 6
        )


def test_only_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    """The same days again ask nothing; later ones ask from five days before, earlier ones up to the first known."""
    source, cache = Source(), MarketCache(tmp_path, "x")
    for first, last in ((20, 40), (20, 40), (25, 30), (20, 50), (10, 50), (60, 70)):
        expected = Source().fetch(day(first), day(last))
        np.testing.assert_array_equal(cache.series("A/B", day(first), day(last), source.fetch).rows, expected)
    assert source.asked == [(20, 40), (35, 50), (10, 19), (45, 70)]
    assert len(list((tmp_path / "x" / "A%2FB").iterdir())) == 4


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 60), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=40)
def test_any_order_of_questions_is_answered_like_the_source(questions: list[tuple[int, int, bool]]) -> None:
    """Whatever was asked before, and whichever block is damaged, the bars are those of the source."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        source, cache = Source(), MarketCache(Path(folder), "x")
        for first, length, damage in questions:
            found = cache.series("A", day(first), day(first + length), source.fetch)
            np.testing.assert_array_equal(found.rows, Source().fetch(day(first), day(first + length)))
            assert found.restated == ()
            if damage:
                block = sorted((Path(folder) / "x" / "A").iterdir())[0]
                block.write_bytes(block.read_bytes()[:-1])


def test_a_restated_history_is_fetched_anew_and_told(tmp_path: Path) -> None:
    """When the days before the new ones are not what they were, all days are fetched and the differing ones named."""
    source, cache = Source(), MarketCache(tmp_path, "x")
    cache.series("A", day(0), day(40), source.fetch)
    source.close[:39] /= 2
    found = cache.series("A", day(0), day(50), source.fetch)
    assert source.asked == [(0, 40), (35, 50), (0, 50)]
    assert found.restated == tuple(day(n) for n in range(39) if n % 7)
    np.testing.assert_array_equal(found.former[:, 4], Source().close[[n for n in range(39) if n % 7]])
    np.testing.assert_array_equal(found.rows, source.fetch(day(0), day(50)))
    assert cache.series("A", day(0), day(60), source.fetch).restated == ()


def test_a_bar_that_vanished_is_a_restatement(tmp_path: Path) -> None:
    """A day that had a bar and has none is told, too."""
    source, cache = Source(), MarketCache(tmp_path, "x")
    cache.series("A", day(0), day(40), source.fetch)
    whole = source.fetch
    found = cache.series("A", day(0), day(50), lambda a, b: (rows := whole(a, b))[rows[:, 1] != 39.0])
    assert found.restated == (day(38),)
    assert found.former[:, 4].tolist() == [39.0]


@pytest.fixture
def ingested() -> Any:
    """Run ingestion on a fake exchange, with a cache in a folder."""

    def run(exchange: FakeExchange, folder: Path, as_of: str) -> dict[str, Any]:
        data = {"provider": "ccxt", "exchange": "binance", "base_url": exchange.url, "cache": str(folder)}
        stage = IngestionStage()
        given = {"data": data, "universe": {}, "calendar": {"name": "24/7"}, "validation": {}, "as_of": as_of}
        return dict(stage.run({}, stage.configured(given)))  # type: ignore[arg-type]

    return run


def test_ingestion_fetches_new_days_and_notes_what_was_restated(ingested: Any, tmp_path: Path) -> None:
    """A second run asks for the new days alone; a changed past is a warning in quality, and the new past is used."""
    with FakeExchange(("BTC", "ETH"), first=date(2023, 1, 1)) as exchange:
        first = ingested(exchange, tmp_path, "2024-06-30")
        assert first["quality"].empty
        exchange.requests.clear()
        again = ingested(exchange, tmp_path, "2024-06-30")
        assert not any("klines" in request for request in exchange.requests)
        np.testing.assert_array_equal(first["prices"].close, again["prices"].close)
        exchange.bars["ETHUSDT"][545][4] += 0.25
        later = ingested(exchange, tmp_path, "2024-07-10")
        warned = later["quality"].iloc[0]
        assert (warned["symbol"], warned["check"], warned["outcome"]) == ("ETH/USDT", "restated", "warn")
        assert "1 bars from 2024-06-29 to 2024-06-29" in warned["reason"]
        assert later["prices"].close[1, 545] == exchange.bars["ETHUSDT"][545][4]
        (was,) = later["former"].to_dict("records")
        assert (was["symbol"], str(was["date"])[:10]) == ("ETH/USDT", "2024-06-29")
        assert was["close"] == pytest.approx(exchange.bars["ETHUSDT"][545][4] - 0.25)
        assert first["former"].empty


def test_a_provider_without_the_cache_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without data.cache no file is written."""
    from quantflow.config.data import DataConfig

    monkeypatch.chdir(tmp_path)
    with FakeExchange(("BTC", "ETH"), first=date(2024, 1, 1)) as exchange:
        source = open_provider(DataConfig(provider="ccxt", exchange="binance", base_url=exchange.url))
        assert sum(len(table) for table in source.bars(("BTC/USDT",), None, date(2024, 2, 1))) == 32
    assert not list(tmp_path.rglob("*"))
