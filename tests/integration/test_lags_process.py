"""Prices that bounce between bid and ask, in a real process: what a zero lag earns of them is gone a session later."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from processes import run_cli
from quantflow.server.server import ApiServer

PROFILE = """
[profiles.bounce.data]
provider = "files"
path = "prices.csv"
[profiles.bounce.calendar]
name = "24/7"
[profiles.bounce.features]
lookback = 128
trend_window = 2
[profiles.bounce.scores]
weights = { trend = 1.0 }
prefer = { trend = "low" }
[profiles.bounce.policy]
max_winners = 5
[profiles.bounce.allocation]
method = "equal_weight"
[profiles.bounce.rebalance]
every = "daily"
[profiles.bounce.validation]
min_history = 400
commission_bps = 0.0
slippage_bps = 0.0
lags = [0, 1]
"""


def test_select_shows_both_lags(tmp_path: Path, server: ApiServer) -> None:
    """Terminal, JSON, brief and report; the default lag is 1, and its figures are those that everything else is of."""
    rng = np.random.default_rng(11)
    true = 50 * np.exp(np.cumsum(rng.normal(0.0002, 0.001, (20, 600)), axis=1))
    seen = true * (1.0 + 0.005 * rng.choice([-1.0, 1.0], true.shape))
    days = pd.date_range("2020-01-01", periods=600, name="date")
    pd.DataFrame(seen.T, index=days, columns=[f"S{i:02}" for i in range(20)]).to_csv(tmp_path / "prices.csv")
    (tmp_path / "quantflow.toml").write_text(PROFILE)
    done = run_cli("select", "-p", "bounce", "--no-progress", "--run-id", "one", cwd=tmp_path, server=server)
    assert done.returncode == 0, done.stderr
    assert "strategy, lag 1" in done.stdout
    assert "strategy, lag 0" in done.stdout
    again = run_cli("select", "-p", "bounce", "--json", "--force", cwd=tmp_path, server=server)
    metrics = json.loads(again.stdout.splitlines()[-1])
    figures = metrics["outcome"]["metrics"]
    same, later, pool = figures["lags"]["0"], figures["strategy"], figures["equal_weight"]
    assert later["lag"] == 1
    assert same["sharpe"] > later["sharpe"] + 3.0
    assert abs(later["cagr"] - pool["cagr"]) < 0.15 < same["cagr"] - pool["cagr"]
    brief = (tmp_path / "runs" / "one" / "brief.txt").read_text()
    report = (tmp_path / "runs" / "one" / "report.html").read_text()
    for text in (brief, report):
        assert text.index("at lag 1") < text.index("at lag 0")
