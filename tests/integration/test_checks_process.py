"""The data gate from end to end: files, a run in a process of its own, its exit code, and what ``checks`` tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from processes import run_cli
from quantflow.server.server import ApiServer

PROFILE = """
[profiles.mine]
extends = "demo"
[profiles.mine.data]
provider = "files"
path = "prices/*.csv"
[profiles.mine.calendar]
name = "24/7"
"""


def test_too_many_dead_symbols_exit_with_21(tmp_path: Path, server: ApiServer) -> None:
    """Three damaged files of eight are above the budget: exit 21, and ``checks`` shows whom, without artifacts."""
    (tmp_path / "prices").mkdir()
    days = pd.date_range("2020-01-01", "2022-12-28")
    closes = 50 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, (8, len(days))), axis=1))
    for name, close in zip("ABCDEFGH", closes, strict=True):
        rows = [f"{day:%Y-%m-%d},{price}" for day, price in zip(days, close, strict=True)]
        rows[3] += ",damaged" if name in "ABC" else ""
        (tmp_path / "prices" / f"{name}.csv").write_text("\n".join(["date,close", *rows]))
    (tmp_path / "quantflow.toml").write_text(PROFILE)
    stopped = run_cli("select", "-p", "mine", "--run-id", "gate", cwd=tmp_path, server=server)
    assert stopped.returncode == 21, stopped.stderr
    assert "3 of 8 symbols fail the data contract, the budget is 25%: A (readable:" in stopped.stderr
    shown = run_cli("checks", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "5 of 8 symbols kept" in shown.stdout
    told = json.loads(run_cli("checks", "gate", "--json", cwd=tmp_path).stdout)
    rows = {row["check"]: row for row in told["checks"]}
    assert (told["event"], told["run_id"], rows["readable"]["symbols"]) == ("checks", "gate", ["A", "B", "C"])
    assert (rows["budget"]["outcome"], rows["budget"]["observed"], rows["budget"]["block"]) == ("blocked", 0.375, True)
