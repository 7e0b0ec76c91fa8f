"""The first two commands of a new user, in an empty folder."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from processes import run_cli
from quantflow.ops.starter import PROFILE


def test_init_then_select(tmp_path: Path) -> None:
    """What init has written runs at once, to weights and a walk-forward, well within a minute."""
    made = run_cli("init", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert f"quantflow select --profile {PROFILE}" in made.stderr
    begun = time.monotonic()
    ran = run_cli("select", "--profile", PROFILE, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Out of sample, after costs" in ran.stdout
    assert time.monotonic() - begun < 60
    with (tmp_path / "current" / PROFILE / "weights.csv").open() as file:
        assert abs(sum(float(row["weight"]) for row in csv.DictReader(file)) - 1) < 1e-9
    again = run_cli("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "quantflow.toml" in again.stderr
