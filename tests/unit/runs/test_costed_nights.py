"""A book with costs by name, shorts that pay to be borrowed and cash that earns: charged as the walk-forward is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantflow.config.load import load_profile
from quantflow.data import calendars
from quantflow.desk.advance import costs_of
from quantflow.desk.holdings import Holdings
from quantflow.desk.orders import orders_of
from quantflow.desk.publish import publish
from quantflow.desk.target import target_of
from quantflow.quant.costs import Cost
from quantflow.runs.book import track
from quantflow.runs.create import create_run
from quantflow.runs.run import Run
from ran import executed

PROFILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.data]
start = 2019-01-01
[profiles.mine.scores]
directions = ["LONG", "SHORT"]
[profiles.mine.allocation]
budget = 0.8
[profiles.mine.validation]
min_history = 504
costs = "costs.csv"
borrow_bps = 150.0
cash_rate = 0.035
"""
COSTS = "symbol,cost_bps,spread_bps,borrow_bps\nMRK,25,,\nKO,,40,\nJPM,,,900\nHD,3,10,2000\nXOM,0,0,\n"
FIRST, LAST = date(2022, 10, 27), date(2022, 12, 5)


def night(home: Path, day: date, *overrides: str) -> Run:
    """Run the profile and publish."""
    loaded = load_profile("mine", workspace=home, overrides=overrides)
    run = executed(create_run(loaded, home, day))
    publish(run)
    return run


def test_the_track_pays_what_the_walk_forward_pays(tmp_path: Path) -> None:
    """Net, gross, cost, turnover and benchmark of each session agree to 1e-12 once both hold the same book."""
    (tmp_path / "quantflow.toml").write_text(PROFILE)
    (tmp_path / "costs.csv").write_text(COSTS)
    runs = [night(tmp_path, day) for day in calendars.sessions("XNYS", FIRST, LAST).tolist()]
    proof = night(tmp_path, LAST, "validation.min_history=505").load("oos_returns")
    lines = [line for line in track(tmp_path, "mine") if line.date > "2022-11-01"]
    assert len(lines) > 20
    theirs = proof.loc[pd.DatetimeIndex([line.date for line in lines])]
    pairs = {"net": "net", "gross": "gross", "cost": "cost", "turnover": "turnover", "equal_weight": "benchmark"}
    for column, ours in pairs.items():
        mine = [getattr(line, ours) for line in lines]
        np.testing.assert_allclose(mine, theirs[column], rtol=0, atol=1e-12, err_msg=column)
    assert min(runs[-1].weights.values()) < 0.0
    assert all(line.cost > 0.0 for line in lines)  # something is short in every session
    assert costs_of(runs[-1]).own["HD"] == Cost(3.0, 10.0, 2000.0)
    target = target_of(tmp_path, None, "mine")
    paid = {order.symbol: order.cost / order.notional for order in orders_of(target, Holdings({}, 1e6)).orders}
    bps = {"MRK": 25.0, "KO": 21.0, "HD": 8.0, "XOM": 0.0}
    assert paid == pytest.approx({symbol: bps.get(symbol, 6.0) * 1e-4 for symbol in paid})
    assert set(paid) & set(bps)
