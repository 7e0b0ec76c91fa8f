"""The embedded sample and the way providers are opened."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.data import DataConfig
from quantflow.config.load import load_profile
from quantflow.config.sections import UniverseConfig
from quantflow.data.providers import Provider, open_provider, provider_names
from quantflow.data.providers.base import FACT_COLUMNS, INSTRUMENT_COLUMNS
from quantflow.errors import ConfigError, DataError

SAMPLE = open_provider(DataConfig())
END = date(2022, 12, 28)


def symbols(**universe: object) -> list[str]:
    """Return the symbols of a universe."""
    return list(SAMPLE.instruments(UniverseConfig.model_validate(universe)).index)


def test_sample_is_a_provider() -> None:
    """The sample keeps the protocol and is known by name."""
    assert isinstance(SAMPLE, Provider)
    assert "sample" in provider_names()


def test_unknown_provider_names_the_nearest() -> None:
    """A typo is answered with the provider that was meant."""
    with pytest.raises(ConfigError) as caught:
        open_provider(DataConfig(provider="sampel"))
    assert "Did you mean 'sample'?" in str(caught.value.hint)


def test_sample_refuses_a_path(tmp_path: Path) -> None:
    """A path without a meaning is an error, not ignored."""
    with pytest.raises(ConfigError, match=r"data.path = .*no such key"):
        load_profile("demo", workspace=tmp_path, overrides=["data.path=x.csv"])
    with pytest.raises(ValueError, match="path"):
        DataConfig(path="x.csv")


def test_bars_are_the_shipped_closes() -> None:
    """The first and last closes are those of the file, one row per stock and session."""
    bars = SAMPLE.bars(["AAPL", "XOM"], None, END).set_index(["symbol", "date"])["close"]
    assert len(bars) == 2 * 8313
    assert bars["AAPL", "1990-01-02"] == 0.264
    assert bars["XOM", "2022-12-28"] == 106.627


def test_bars_agree_with_another_reader() -> None:
    """Every close equals what pandas reads from the file that skfolio ships."""
    root = Path(str(importlib.util.find_spec("skfolio").origin)).parent  # type: ignore[union-attr]
    theirs = pd.read_csv(root / "datasets/data/sp500_dataset.csv.gz", index_col=0, parse_dates=True)
    ours = SAMPLE.bars(symbols(), None, END).pivot(index="date", columns="symbol", values="close")
    np.testing.assert_array_equal(ours.to_numpy(), theirs[list(ours.columns)].to_numpy())
    assert (ours.index == theirs.index).all()


def test_bars_keep_to_the_dates_asked_for() -> None:
    """Start and end are both included and nothing lies outside."""
    days = SAMPLE.bars(["KO"], date(2020, 1, 2), date(2020, 1, 10))["date"].dt.strftime("%Y-%m-%d").tolist()
    assert days == [f"2020-01-{day:02d}" for day in (2, 3, 6, 7, 8, 9, 10)]
    assert SAMPLE.bars(["KO"], None, date(1980, 1, 1)).empty
    assert SAMPLE.bars([], None, END).empty


def test_instruments_name_real_sectors() -> None:
    """All 20 stocks have a name, a GICS sector, a currency and an exchange."""
    table = SAMPLE.instruments(UniverseConfig())
    assert (len(table), tuple(table.columns), table.index.name) == (20, INSTRUMENT_COLUMNS, "symbol")
    assert (table.map(len) > 0).all().all()
    assert table.loc["JPM", "sector"] == "Financials"
    assert table["sector"].nunique() == 7


def test_universe_picks_symbols_and_sectors() -> None:
    """Each key of the universe has its effect: symbols, exclude, sectors."""
    assert symbols(symbols=["XOM", "KO"]) == ["KO", "XOM"]
    assert "KO" not in symbols(exclude=["KO"])
    assert symbols(sectors=["Energy"]) == ["CVX", "RRC", "XOM"]
    assert symbols(symbols=["XOM", "KO"], exclude=["KO"], sectors=["Energy"]) == ["XOM"]


@pytest.mark.parametrize(
    ("universe", "part"),
    [
        ({"symbols": ["APPL"]}, "Did you mean 'AAPL'?"),
        ({"symbols": ["ZZZZ"]}, "There are 20"),
        ({"sectors": ["Energie"]}, "Did you mean 'Energy'?"),
        ({"symbols": ["KO"], "exclude": ["KO"]}, "universe.exclude"),
    ],
)
def test_a_universe_that_cannot_be_is_refused(universe: dict[str, object], part: str) -> None:
    """Unknown symbols and sectors, and an empty universe, are config errors with the nearest name."""
    with pytest.raises(ConfigError) as caught:
        symbols(**universe)
    assert part in str(caught.value.hint)


def test_facts_come_in_the_order_asked() -> None:
    """Facts have one row per symbol asked for, with what an order needs."""
    facts = SAMPLE.facts(["XOM", "AAPL"])
    assert (list(facts.index), tuple(facts.columns)) == (["XOM", "AAPL"], FACT_COLUMNS)
    assert facts.loc["XOM"].tolist() == ["USD", 0.01, 1.0, 0.0]


def test_symbols_that_the_sample_lacks_are_refused() -> None:
    """Bars and facts of an unknown symbol are an error that names it."""
    with pytest.raises(DataError, match="'TSLA'"):
        SAMPLE.bars(["TSLA"], None, END)
    with pytest.raises(DataError, match="'TSLA'"):
        SAMPLE.facts(["TSLA"])


def test_last_date_imports_nothing_heavy() -> None:
    """The sample's last date is known without pandas or skfolio."""
    code = (
        "import sys; from quantflow.data.providers import open_provider; "
        "from quantflow.config.data import DataConfig;"
        "print(open_provider(DataConfig()).last_date(), {'pandas', 'skfolio'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert out.strip() == "2022-12-28 set()"
