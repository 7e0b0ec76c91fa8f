"""What can be traded, and at what cost, of several sleeves together."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from quantflow.config.load import load_meta
from quantflow.data.quotes import Quotes, costs_under, joined
from quantflow.desk.advance import costs_of, quotes_of
from quantflow.quant.costs import Cost
from ran import ran_meta

PROFILES = """
[profiles.one]
extends = "demo"
[profiles.one.data]
start = 2019-01-01
[profiles.one.validation]
min_history = 504
costs = "costs.csv"
[profiles.two]
extends = "one"
[profiles.two.validation]
costs = "others.csv"
[meta.both]
sleeves = [{ profile = "one" }, { profile = "two" }]
validation = { borrow_bps = 40.0, commission_bps = 2.0 }
"""


def test_a_name_of_several_sleeves_costs_what_the_first_says() -> None:
    """Costs are joined by name, as returns are; a name without any of its own costs what the settings say."""
    days = np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]")

    def sleeve(own: dict[str, Cost], *names: str) -> Quotes:
        return Quotes(names, days, np.zeros((len(names), 3)), np.ones((len(names), 3), dtype=bool), own)

    both = joined([sleeve({"A": Cost(1.0)}, "A", "B"), sleeve({"A": Cost(9.0), "C": Cost(3.0)}, "A", "C", "D")])
    assert both.own == {"A": Cost(1.0), "C": Cost(3.0)}
    settings = {"validation": {"commission_bps": 2.0, "slippage_bps": 0.0}, "calendar": {}}
    rates = costs_under(settings, both.own).rates(both.names)
    np.testing.assert_allclose(rates.trade, np.array([1.0, 2.0, 3.0, 2.0]) * 1e-4)


def test_the_book_of_a_portfolio_pays_the_sleeves_files_and_its_own_rates(tmp_path: Path) -> None:
    """Track and orders take the same costs: the files by name, the rest from the meta profile's section."""
    (tmp_path / "quantflow.toml").write_text(PROFILES)
    (tmp_path / "costs.csv").write_text("symbol,cost_bps\nKO,1\nPEP,2\n")
    (tmp_path / "others.csv").write_text("symbol,cost_bps\nKO,7\nMRK,3\n")
    run = ran_meta(tmp_path, "both", as_of=date(2022, 12, 15))
    assert load_meta("both", workspace=tmp_path).validation.borrow_bps == 40.0
    found = costs_of(run)
    assert found.own == quotes_of(run).own == {"KO": Cost(1.0), "PEP": Cost(2.0), "MRK": Cost(3.0)}
    assert (found.commission_bps, found.slippage_bps, found.borrow_bps, found.sessions) == (2.0, 5.0, 40.0, 252)


def test_quotes_of_no_name_join() -> None:
    """Portfolios that never held anything have sessions, and nothing to trade."""
    days = np.arange("2022-01-03", "2022-01-06", dtype="datetime64[D]")
    none = Quotes((), days, np.empty((0, 3)), np.empty((0, 3), dtype=bool))
    found = joined([none, none])
    assert (found.names, found.returns.shape) == ((), (0, 3))
